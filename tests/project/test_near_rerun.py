"""benchmarks/near_rerun.py: single runs beside the cells of the public re-run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from lesionkit import published
from lesionkit.sweeps.sweep import read_sweep

Script = Callable[[str], ModuleType]


def test_one_more_run_is_expected_by_student_and_a_new_draw(script: Script) -> None:
    low, high = script("near_rerun").expected(0.789, 0.01308, 5)
    # t of 4 degrees at 97.5 %: 2.776; times 0.01308 sqrt(6/5): 0.0398
    assert (low, high) == pytest.approx((0.7492, 0.8288), abs=1e-4)


def row_of(near: ModuleType, monkeypatch: pytest.MonkeyPatch, dice: float) -> dict:
    """The row of a made run, stopped once, in the cell of U-Net with Dice and BCE."""

    class Record:
        identity = {"dataset": "kvasir", "model": "unet", "loss": "dicebce"}
        metrics = {"test": {"probability": {"image": {"dice": dice}}}}
        environment = {
            "sessions": [
                {"wall_seconds": 100.0},
                {"dtype": "bfloat16", "last_epoch": 90, "wall_seconds": 95.1}
                | {"images_per_second": 289.6, "gpu": "a card"},
            ]
        }

    monkeypatch.setattr(near.runs, "RunRecord", lambda folder: Record)
    cells = published.public_rerun().set_index(["dataset", "model", "loss"])
    row = near.row_of(Path("a"), cells.sort_index())
    return dict(zip(near.HEAD, row, strict=True))


@pytest.mark.parametrize(
    ("dice", "word"), [(0.756, "no"), (0.758, "yes"), (0.813, "yes"), (0.815, "no")]
)
def test_a_run_is_inside_between_both_ends(script, monkeypatch, dice, word) -> None:
    assert row_of(script("near_rerun"), monkeypatch, dice)["is inside"] == word


def test_a_run_is_beside_its_own_cell(script: Script, monkeypatch) -> None:
    assert row_of(script("near_rerun"), monkeypatch, 0.7416) == {
        "network": "unet",
        "data set": "kvasir",
        "loss": "dicebce",
        "Dice": "0.742",
        "re-run: mean (SD, runs)": "0.785 (0.009, 5)",
        "one more run, 95 %": "0.757 to 0.814",
        "is inside": "no",
        "dtype": "bfloat16",
        "epochs": "90",
        "seconds": "195",
        "images a second": "290",
        "trained on": "a card",
    }


def test_the_sweep_for_a_gpu_trains_one_repeat_of_all_before_the_next() -> None:
    configs = read_sweep("public_gpu.yaml").configs
    assert [config.repeat for config in configs] == sorted([0, 1, 2, 3, 4] * 12)
    assert {config.definition for config in (c.resolved() for c in configs)} == {
        "A-meanfirst"
    }
    assert all(config.graphed for config in configs)
