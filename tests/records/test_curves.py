"""The picture of a training: what it shows, how often, and that it stops nothing."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from made_training import SMALL, train, visible
from made_training import small_model as small_model

from lesionkit.config import RunConfig
from lesionkit.records import curves, runs
from lesionkit.records.curves import RELOAD, Curves, picture
from lesionkit.training import session

NAME = "{http://www.w3.org/2000/svg}"


def rows(*dice: float, loss: float = 1.0) -> list[dict]:
    """A history with these Dice and a loss that halves from epoch to epoch."""
    best, found = 0, []
    for i, value in enumerate(dice):
        best = i + 1 if value == max(dice[: i + 1]) else best
        row = {"epoch": i + 1, "train_loss": loss / 2**i, "validation_dice": value}
        found.append(row | {"best_epoch": best})
    return found


def lines(text: str) -> list[list[tuple[float, float]]]:
    """The points of the two curves, in pixels."""
    drawn = ElementTree.fromstring(text).iter(f"{NAME}path")
    return [
        [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", p)]
        for p in (e.get("d") for e in drawn if e.get("stroke-width"))
    ]


def test_the_curves_stand_where_their_values_are():
    loss, dice = lines(picture(rows(0.0, 0.5, 1.0), "made", 12))
    left, top, height, width = curves.LEFT, curves.TOP, curves.HEIGHT, curves.WIDTH
    across = [left[1], left[1] + width / 2, left[1] + width]
    down = [top + height, top + height / 2, top]
    assert [x for x, _ in dice] == pytest.approx(across)
    assert [y for _, y in dice] == pytest.approx(down)
    # 1, 1/2 and 1/4 between 1/4 and 1
    down = [top, top + height * 2 / 3, top + height]
    assert [y for _, y in loss] == pytest.approx(down, abs=0.06)


def test_the_title_says_where_the_training_stands_and_cannot_inject():
    text = picture(rows(0.2, 0.75, 0.5), "a <b> & c", 200)
    title = ElementTree.fromstring(text).find(f"{NAME}title").text
    assert title == "a <b> & c: epoch 3 of at most 200; best 2, Dice 0.750"


def test_a_browser_loads_it_again_only_while_the_run_trains():
    assert RELOAD in picture(rows(0.1), "made", 2, live=True)
    assert "script" not in picture(rows(0.1), "made", 2)
    assert not re.search(r"(?:href|src|url)", picture(rows(0.1), "made", 2))


@pytest.mark.parametrize(
    "history",
    [
        rows(0.5),
        rows(0.5, 0.5, loss=0.0),
        [{"epoch": 1, "train_loss": 1.0, "validation_dice": nan, "best_epoch": 0}]
        if (nan := float("nan"))
        else [],
    ],
)
def test_a_history_without_an_extent_is_drawn(history):
    for line in lines(picture(history, "made", 2)):
        assert len(line) == len(history)


def test_a_value_that_is_not_known_is_a_gap():
    history = rows(0.1, 0.2, 0.3, 0.4)
    history[1]["validation_dice"] = float("nan")
    loss, dice = lines(picture(history, "made", 4))
    assert (len(loss), len(dice)) == (4, 3)
    drawn = [
        e.get("d") for e in ElementTree.fromstring(picture(history, "m", 4)).iter()
    ]
    assert any(d.count("M") == 2 for d in drawn if d)


def test_pictures_take_their_share_of_the_time_and_no_more(monkeypatch):
    clock, written = [100.0], []

    def store(content: bytes) -> None:
        written.append(clock[0])
        clock[0] += 0.1  # a slow disk

    monkeypatch.setattr(curves.time, "monotonic", lambda: clock[0])
    drawn = Curves(store, "made", 100)
    for _ in range(1000):
        drawn.epoch(rows(0.5))
        clock[0] += 0.05
    gaps = [b - a for a, b in zip(written, written[1:], strict=False)]
    assert len(written) > 1
    assert min(gaps) >= 0.1 / curves.SHARE
    fast = Curves(lambda content: None, "made", 100)
    assert fast.next == 0
    fast.epoch(rows(0.5))
    assert fast.next == pytest.approx(clock[0] + curves.EVERY)


def test_a_picture_that_cannot_be_written_stops_nothing_and_is_told_once(
    tiny, monkeypatch, capsys
):
    def full(folder, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs, "store_picture", full)
    monkeypatch.setattr(curves, "EVERY", 0)
    record = train(epochs=3)
    assert record.history["epoch"].tolist() == [1, 2, 3]
    assert capsys.readouterr().err.count("the curves were not drawn") == 1
    assert "history.svg" not in visible(record.folder)


def test_a_run_that_goes_on_draws_all_its_epochs(tiny, monkeypatch):
    folder = RunConfig(**(SMALL | {"epochs": 4})).folder
    seen = []

    class Stopped(session.Session):
        def epoch(self, progress):
            super().epoch(progress)
            seen.append((folder / "history.svg").read_text())
            if progress.epoch == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(curves, "EVERY", 0)
    monkeypatch.setattr(curves, "SHARE", 1e9)
    with monkeypatch.context() as patch:
        patch.setattr("lesionkit.training.experiment.Session", Stopped)
        with pytest.raises(KeyboardInterrupt):
            train(epochs=4, save_seconds=0)
    assert [len(lines(text)[1]) for text in seen] == [1, 2]
    assert RELOAD in seen[1]
    record = train(epochs=4, save_seconds=0)
    whole = (folder / "history.svg").read_text()
    dice = lines(whole)[1]
    assert len(dice) == 4 and RELOAD not in whole
    height = [
        curves.TOP + curves.HEIGHT * (1 - d) for d in record.history["validation_dice"]
    ]
    assert [y for _, y in dice] == pytest.approx(height, abs=0.06)


def test_the_picture_is_no_part_of_the_seal(tiny):
    record = train()
    seal = json.loads((record.folder / "DONE").read_text())["files"]
    assert "history.csv" in seal and "history.svg" not in seal
    (record.folder / "history.svg").unlink()
    assert record.problems() == []
