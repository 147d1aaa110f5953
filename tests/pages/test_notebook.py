"""What notebooks show: nothing cut, no repr of Python, commands that work."""

from __future__ import annotations

import re
import shlex

import click
import numpy as np
import pandas as pd
import pytest

from lesionkit.cli import cli
from lesionkit.config import RunConfig, manual
from lesionkit.pages import notebook

LONG = "a sentence of many words that pandas would cut after fifty letters, " * 3


class Record:
    """As much of a run record as the next steps ask for."""

    def __init__(self, config: RunConfig) -> None:
        self.folder, self.identity = config.folder, config.identity()


def cells(shown: notebook.Shown) -> list[list[str]]:
    """The texts of a table, row by row, its head among them."""
    rows = shown.html.split("<tr>")[1:]
    return [re.findall(r"<t[dh](?: [^>]*)?>(.*?)</t[dh]>", row, re.S) for row in rows]


def test_a_table_has_every_text_whole_and_every_row() -> None:
    frame = pd.DataFrame({"says": [LONG] * 70, "n": range(70)})
    shown = notebook.table(frame)
    assert shown.html.count(LONG.strip()) == 70
    assert "..." not in shown.html + shown.plain


def test_a_table_has_no_index_of_positions_and_others_as_first_columns() -> None:
    frame = pd.DataFrame({"mean_rank": [0.25]})
    assert cells(notebook.table(frame)) == [["mean rank"], ["0.2500"]]
    named = frame.set_axis(pd.Index(["iou"], name="loss"))
    assert cells(notebook.table(named, digits=2)) == [
        ["loss", "mean rank"],
        ["iou", "0.25"],
    ]
    assert cells(notebook.table(frame.set_axis(["iou"])))[1] == ["iou", "0.2500"]


def test_a_table_of_two_levels_and_of_booleans_reads_as_one() -> None:
    frame = pd.DataFrame({"chosen": [True, False]})
    both = pd.concat({"validation": frame}, names=["selected on", "run"])
    assert cells(notebook.table(both)) == [
        ["selected on", "run", "chosen"],
        ["validation", "0", "yes"],
        ["validation", "1", "no"],
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), "–"),
        (None, "–"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (np.float32(0.25), "0.2500"),
        (-0.0, "0.0000"),
        (1e-7, "1e-07"),
        (12, "12"),
        ("<b>", "&lt;b&gt;"),
    ],
)
def test_a_value_of_a_table_is_a_text_for_readers(value, text) -> None:
    frame = pd.DataFrame({"a": pd.Series([value], dtype=object)})
    assert cells(notebook.table(frame))[1] == [text]


def test_facts_have_no_dict_and_leave_out_what_is_not_known() -> None:
    facts = {"kinds": {"PNG": 3, "JPEG": 1}, "none": {}, "published": None, "at": ""}
    shown = cells(notebook.facts(facts | {"near_copies": 0, "share": 0.25}))
    assert shown[1:] == [
        ["kinds", "3 PNG, 1 JPEG"],
        ["near copies", "0"],
        ["share", "0.250"],
    ]


def test_a_verdict_is_a_bold_sentence_and_lists() -> None:
    shown = notebook.said("A leads B by 0.2. C is behind.", ["x < y"], above="Odd:")
    assert shown.html == (
        "<p><b>A leads B by 0.2.</b></p><ul><li>C is behind.</li></ul>"
        "<p>Odd:</p><ul><li>x &lt; y</li></ul>"
    )


def test_the_first_ten_parameters_stand_before_the_fold_and_the_others_in_it() -> None:
    shown = notebook.parameters(RunConfig(epochs=2, augment="flips"))
    before, fold = shown.html.split("<details>")
    names = [row["name"] for row in manual.rows()]
    first = [row[0] for row in cells(notebook.Shown(before, ""))[1:]]
    folded = cells(notebook.Shown(fold, ""))[1:]
    assert sorted(first) == sorted(manual.FIRST)
    assert first + [row[0] for row in folded] == sorted(
        names, key=lambda name: (name not in manual.FIRST, names.index(name))
    )
    assert [row[1] for row in folded if row[0] == "augment"] == ["flips"]
    assert f"<summary>The other {len(names) - 10} parameters</summary>" in fold


@pytest.mark.parametrize(
    "given",
    [{}, {"epochs": 2, "size": 32, "repeat": 3}, {"loss": "dice", "augment": "flips"}],
)
def test_the_next_steps_are_commands_that_the_kit_has(given, data_home) -> None:
    config = RunConfig(**given)
    lines = notebook.next_steps(Record(config)).plain.splitlines()
    assert lines[0] == f"The record is in {config.folder}"
    commands = [shlex.split(line.partition("lesionkit ")[2]) for line in lines[1:]]
    assert [words[0] for words in commands] == ["train", "rank", "predict", "browse"]
    for name, *words in commands:
        cli.commands[name].make_parser(click.Context(cli.commands[name])).parse_args(
            list(words)
        )


def test_another_loss_is_trained_with_the_parameters_of_the_run(data_home) -> None:
    config = RunConfig(epochs=2, size=32, repeat=3, augment="flips", alpha=0.3)
    words = notebook.next_steps(Record(config)).plain.splitlines()[1].split(" -p ")[1:]
    given = dict(word.split(" ") for word in words)
    assert given == {
        "loss": "dice",
        "dataset": "toy",
        "model": "unet",
        "protocol": "demo",
        "repeat": "3",
        "epochs": "2",
        "size": "32",
        "augment": "flips",
    }
