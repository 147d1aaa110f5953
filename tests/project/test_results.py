"""The results table of docs/results.md, and that its first row comes out again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from lesionkit import cli
from lesionkit.catalogue import PAPER_A_LOSSES

PAGE = (Path(__file__).parents[2] / "docs/results.md").read_text()
TABLE = PAGE.split("<!-- results: begin -->")[1].split("<!-- results: end -->")[0]
HEAD, _, *ROWS = (
    [cell.strip(" `") for cell in line.strip("| ").split("|")]
    for line in TABLE.strip().splitlines()
)
RESULTS = [dict(zip(HEAD, row, strict=True)) for row in ROWS]


def test_each_loss_of_paper_a_has_a_row_best_first() -> None:
    assert {row["loss"] for row in RESULTS} == set(PAPER_A_LOSSES)
    dice = [float(row["Dice"]) for row in RESULTS]
    assert dice == sorted(dice, reverse=True)


@pytest.mark.parametrize("row", RESULTS, ids=lambda row: row["loss"])
def test_the_command_of_a_row_trains_the_loss_of_the_row(row) -> None:
    words = shlex.split(row["command"])
    assert words == ["lesionkit", "train", "-p", "loss", row["loss"]]


@pytest.mark.long
def test_the_first_row_comes_out_again_to_every_digit_printed(data_home) -> None:
    """Two minutes. Another processor may round otherwise, and end elsewhere."""
    first = RESULTS[0]
    cli.main(shlex.split(first["command"])[1:])
    (file,) = data_home.glob("runs/**/metrics.json")
    found = json.loads(file.read_text())
    test = found["test"]
    scores = {
        "Dice": test["probability"]["image"]["dice"],
        "IoU": test["probability"]["image"]["iou"],
        "precision": test["probability"]["image"]["precision"],
        "recall": test["probability"]["image"]["recall"],
        "AP": test["average_precision"],
    }
    printed = {name: f"{value:.3f}" for name, value in scores.items()}
    assert printed == {name: first[name] for name in scores}
    assert str(found["best_epoch"]) == first["best epoch"]
