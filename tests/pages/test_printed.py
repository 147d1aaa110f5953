"""A ranking in the forms that papers, pages and spreadsheets take."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from made_claims import made
from made_commands import command as command

from lesionkit.inference import standing
from lesionkit.pages import printed
from lesionkit.tables import load_table

NAMES = {"my_loss | 50 % & <b>": 0.03, "=cmd()": 0.0, "leader": 0.028}


@pytest.fixture(scope="module")
def found():
    """Two losses that are alike, and one that is 0.03 behind."""
    return standing.rank(made(NAMES, spread=0.003))


def test_markdown_has_a_row_a_loss_with_its_intervals_and_bold_for_alike(found):
    lines = printed.table(found, "markdown").splitlines()
    head = "| Loss | Mean dice | Behind the best of the others | Answer |"
    assert lines[:2] == [head, "| --- | ---: | ---: | --- |"]
    assert lines[2].startswith(r"| **my\_loss \| 50 % & \<b\>** | **0.7")
    assert [line.startswith("| **") for line in lines[2:5]] == [True, True, False]
    row = found.losses.loc["=cmd()"]
    low, high = (ends["=cmd()"] for ends in found.means)
    assert lines[4] == (
        f"| =cmd() | {row['mean']:.4f} ± {(high - low) / 2:.4f} | {row['behind']:.4f} "
        f"({row['low']:.4f} to {row['high']:.4f}) | behind |"
    )
    assert found.losses.loc["leader", "answer"] == "alike"
    assert "No loss is supported" in lines[-1]
    assert "±: 95 % interval of a loss against the mean of all losses;" in lines[-1]


def test_latex_has_the_rules_of_booktabs_and_escapes_what_latex_reads(found):
    text = printed.table(found, "latex")
    lines = text.splitlines()
    assert lines[0].startswith("% No loss is supported")
    assert [line for line in lines if "rule" in line] == [
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
    ]
    assert r"\textbf{my\_loss | 50 \% \& \textless{}b\textgreater{}} & " in text
    body = [line for line in lines if line.endswith(r" \\")]
    assert [len(re.split(r"(?<!\\)&", line)) for line in body] == [4] * 4
    assert r"\textbf{\ensuremath{-}0.0" in text  # the leader is ahead
    assert "−" not in text


def test_csv_is_unrounded_and_runs_no_formula(found):
    rows = list(csv.DictReader(io.StringIO(printed.table(found, "csv"))))
    assert [row["loss"] for row in rows] == [
        "my_loss | 50 % & <b>",
        "leader",
        "'=cmd()",
    ]
    assert [float(row["mean"]) for row in rows] == found.losses["mean"].tolist()


def test_a_name_with_line_breaks_stays_in_its_row():
    two = standing.rank(made({"a\nb": 0.0, "c": 0.01}))
    for form in ("markdown", "latex"):
        assert "a b" in printed.table(two, form)


def test_another_form_is_refused_with_the_nearest(found):
    with pytest.raises(ValueError, match="unknown form of a table 'latx'.*'latex'"):
        printed.table(found, "latx")


@pytest.mark.parametrize("form", ["markdown", "latex", "csv", "json"])
def test_the_command_prints_each_form_and_nothing_else(form, command, tmp_path):
    path = tmp_path / "table.csv"
    made({"iou": 0.02, "bce": 0.0}).to_csv(path, index=False)
    out = command("rank", path, "--format", form).out
    if form == "json":
        assert json.loads(out) == json.loads(command("rank", path, "--json").out)
        return
    assert out == printed.table(standing.rank(load_table(path)), form)
