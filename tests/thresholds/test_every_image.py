"""The page of one's own runs has every test image, with the Dice of the records."""

from __future__ import annotations

import pytest
from made_commands import command as command
from made_comparison import held
from made_data import write_discs
from made_training import small_model as small_model
from made_training import train

from lesionkit.records.runs import RunRecord
from lesionkit.thresholds.page import settings
from lesionkit.thresholds.panels import Setting

LOSSES = ("dice", "bce")
HALF = settings().index(Setting("probability", 0.5))


@pytest.fixture
def runs(data_home) -> list[RunRecord]:
    """Two losses on sixty images, twelve of them for the test."""
    write_discs("many", 60)
    return [train(dataset="many", loss=loss, epochs=1) for loss in LOSSES]


def page_of(command, folder, *more: str) -> tuple[dict, str]:
    """What the page of a folder of runs holds, and what was said beside it."""
    page = folder / "page.html"
    done = command("thresholds", folder / "runs", "--html", page, *more)
    assert done.code == 0, done.err
    return held(page.read_text()), done.err


def test_every_test_image_is_there_with_the_dice_of_the_records(
    runs, command, data_home
):
    found, said = page_of(command, data_home)
    files = found["data"]["files"]
    assert len(files) == 12 and "2/2" in said and "12/12" in said
    for k, record in enumerate(runs):
        table = record.images[record.images["threshold"] == "probability"]
        dice = table.set_index("file")["dice"]
        shown = [found[f"image-{i}"]["numbers"][k]["dice"][HALF] for i in range(12)]
        assert shown == pytest.approx(dice[files].tolist(), abs=1e-6)


def test_the_kept_images_alone_need_no_network(runs, command, data_home, monkeypatch):
    monkeypatch.setattr("lesionkit.thresholds.comparison.replay", pytest.fail)
    found, said = page_of(command, data_home, "--kept")
    assert len(found["data"]["files"]) == 8
    assert "8/8" in said and "no weights" not in said


def test_of_runs_without_weights_the_kept_images_are_shown_and_it_is_said(
    command, data_home
):
    write_discs("many", 60)
    train(dataset="many", loss="dice", epochs=1, keep_weights="none")
    found, said = page_of(command, data_home)
    assert len(found["data"]["files"]) == 8
    assert "8 of 12 test images; no weights were kept for the others" in said


def test_an_image_that_is_not_there_is_refused_before_a_network_is_run(
    runs, command, data_home, monkeypatch
):
    monkeypatch.setattr("lesionkit.thresholds.comparison.replay", pytest.fail)
    file = runs[0].images["file"].iloc[0]
    done = command("thresholds", data_home / "runs", "--image", file[:-1])
    assert (done.code, done.out) == (2, "")
    assert f"Did you mean '{file}'?" in done.err
    assert len(done.err.splitlines()) == 1
