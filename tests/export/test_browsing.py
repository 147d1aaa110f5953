"""The page of test images shows what the runs predicted, and can sort it."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from made_browser import CHROMIUM, blank
from made_commands import command as command
from made_data import write_discs
from made_models import list_small_model
from PIL import Image

import lesionkit as lk
from lesionkit.config import RunConfig
from lesionkit.export import browsing
from lesionkit.figures import OVERLAY, TRUTH
from lesionkit.figures.pixels import outline, rgb
from lesionkit.records.runs import RunRecord
from lesionkit.training.experiment import run

SMALL = {"dataset": "tiny", "size": 32, "epochs": 2, "batch_size": 4, "model": "small"}


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network stands in the catalogue."""
    list_small_model(monkeypatch)


@pytest.fixture
def runs(tiny: str) -> list[RunRecord]:
    """Two losses on the tiny set."""
    return [
        run(RunConfig(**SMALL, loss=loss), progress=False) for loss in ("dice", "bce")
    ]


def test_rows_have_the_dice_of_the_records_the_worst_first(runs):
    rows = browsing.rows_of(runs)
    for k, record in enumerate(runs):
        scored = record.images[record.images["threshold"] == "probability"]
        dice = scored.set_index("file")["dice"]
        assert [row["dice"][k] for row in rows] == pytest.approx(
            [dice[row["file"]] for row in rows]
        )
    tested = runs[0].split.query("part == 'test'")["file"]
    assert sorted(row["file"] for row in rows) == sorted(tested)
    first = [row["dice"][0] for row in rows]
    assert first == sorted(first)
    assert rows[0]["spread"] == pytest.approx(abs(np.diff(rows[0]["dice"])[0]))
    data = lk.open_prepared("tiny", size=32)
    at = data.index["file"].tolist().index(rows[0]["file"])
    assert rows[0]["lesion"] == pytest.approx(np.array(data.masks[at]).mean())


def test_colours_mean_what_the_legend_says():
    image = np.zeros((4, 4, 1), np.uint8)
    truth = np.array([[1, 1, 0, 0]] * 4, np.uint8)
    predicted = np.array([[1, 0, 1, 0]] * 4, np.uint8)
    found, too_much, missed = (
        np.rint(browsing.STRENGTH * np.array(rgb(c))) for c in OVERLAY.values()
    )
    shown = browsing._coloured(image, truth, predicted)
    assert (shown[0] == np.stack([found, missed, too_much, np.zeros(3)])).all()
    drawn = browsing._outlined(np.full((9, 9, 3), 200, np.uint8), np.eye(9, dtype="u1"))
    edge = outline(np.eye(9, dtype=np.uint8))
    assert (drawn[edge] == rgb(TRUTH)).all()
    assert (drawn[~edge] == 200).all()


def test_the_page_holds_every_picture_and_asks_no_network(runs, tmp_path):
    page = browsing.write_page(runs, tmp_path / "browse.html").read_text()
    count = len(browsing.rows_of(runs))
    addresses = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(addresses) == 3 * count
    assert Image.open(io.BytesIO(base64.b64decode(addresses[0]))).size == (32, 32)
    assert not re.search(r"https?://", page)
    assert page.count("<img alt=") == 3 * count
    assert 'value="spread down">difference between the runs, largest first' in page
    assert "Dice of dice, worst first" in page and "Dice of bce, best first" in page
    orders = re.findall(r'data-dice1="([^"]+)"', page)
    assert len(orders) == count
    one = browsing.write_page(runs[:1], tmp_path / "one.html").read_text()
    assert "difference between the runs" not in one


def test_runs_of_one_loss_are_named_by_what_differs(tiny):
    several = [run(RunConfig(**SMALL, repeat=k), progress=False) for k in (0, 1)]
    first, second = browsing.names_of(several)
    assert first.startswith("ioufocal ") and "repeat 0" in first
    assert "repeat 1" in second


def test_runs_that_cannot_stand_side_by_side_are_refused(runs, tmp_path):
    with pytest.raises(ValueError, match="shows 1 to 8 runs, got 0"):
        browsing.write_page([], tmp_path / "a.html")
    write_discs("other")
    other = run(RunConfig(**SMALL | {"dataset": "other"}), progress=False)
    with pytest.raises(ValueError, match="the runs differ in dataset: other, tiny"):
        browsing.write_page([runs[0], other], tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_the_command_takes_a_folder_of_runs(runs, tmp_path, command):
    page = tmp_path / "page.html"
    done = command("browse", Path(runs[0].folder).parents[2], "-o", page)
    assert (done.code, done.out.strip()) == (0, str(page))
    assert "2/2" in done.err  # a bar over the runs
    assert "Mean Dice at probability 0.5: " in page.read_text()
    gone = command("browse", tmp_path / "none")
    assert gone.code != 0 and gone.err.count("\n") == 1


ORDERS = {
    "dice0": lambda row: row["dice"][0],
    "dice1 down": lambda row: -row["dice"][1],
    "spread down": lambda row: -row["spread"],
    "lesion": lambda row: row["lesion"],
}


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_page_sorts_by_dice_by_difference_and_by_size(runs, tmp_path):
    path = browsing.write_page(runs, tmp_path / "browse.html")
    rows = browsing.rows_of(runs)
    with blank(800, offline=True) as page:
        page.goto(path.as_uri())
        for order, key in ORDERS.items():
            page.locator("#order").select_option(order)
            wanted = [round(key(row), 12) for row in sorted(rows, key=key)]
            by_file = {row["file"]: round(key(row), 12) for row in rows}
            shown = page.locator("h2").all_inner_texts()
            assert [by_file[file] for file in shown] == wanted
            assert len(set(wanted)) > 1
        assert page.said == []
