"""Every page that the kit writes opens without a network, on a phone, by keyboard.

The model card is Markdown, so it is no page here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_browser import blank, in_a_browser
from made_models import list_small_model
from made_pictures import picture
from page_facts import LAPTOP, facts
from PIL import Image

from lesionkit.config import RunConfig
from lesionkit.export import browsing
from lesionkit.inspection import inspect
from lesionkit.pages import inspection, report
from lesionkit.tables import load_table
from lesionkit.thresholds import page as thresholds
from lesionkit.thresholds.comparison import load_bundle
from lesionkit.training.experiment import run

pytestmark = in_a_browser

LONG = "a_file_whose_name_has_no_end_and_no_blank_and_is_wider_than_any_phone_" * 2


def thresholds_page(path: Path) -> Path:
    """The page of sliders, of the bundle of the kit."""
    return thresholds.write_page(load_bundle(), path, ["smallest", "empty"])


def report_page(path: Path) -> Path:
    """The report of a table with an oddity to look at first."""
    return report.write_page(
        report.make(load_table("public-rerun"), "public-rerun"), path
    )


def inspection_page(path: Path) -> Path:
    """The data report of a set with a copy, a stray mask and long names."""
    raw = path.parent / "raw"
    for kind in ("images", "masks"):
        (raw / kind).mkdir(parents=True)
    for i in range(8):
        mask = np.zeros((96, 96), np.uint8)
        mask[20 : 40 + i, 30:60] = 255
        name = f"{LONG[:120]}{i}.png"
        Image.fromarray(picture(max(i, 1))).save(raw / "images" / name)
        Image.fromarray(mask).save(raw / "masks" / name)
    Image.fromarray(mask).save(raw / "masks" / "alone.png")
    return inspection.write_page(inspect("my_set", raw), path)


def browse_page(path: Path) -> Path:
    """The test images of two runs."""
    asked = {"dataset": "tiny", "size": 32, "epochs": 1, "batch_size": 4}
    asked |= {"model": "small"}
    runs = [
        run(RunConfig(**asked, loss=loss), progress=False) for loss in ("dice", "bce")
    ]
    return browsing.write_page(runs, path)


PAGES = (thresholds_page, report_page, inspection_page, browse_page)


@pytest.mark.parametrize("make", PAGES, ids=lambda make: make.__name__)
def test_a_page_is_for_everybody(make, tmp_path, tiny, monkeypatch) -> None:
    list_small_model(monkeypatch)
    path = make(tmp_path / "page.html")
    with blank(800, offline=True) as page:
        assert facts(page, path) == {}


SEEN = ["form", ".moved", "#picture-image", *(f"#picture-{i}" for i in range(5))]
BOTTOMS = """names => names.map(
    name => document.querySelector(name).getBoundingClientRect().bottom)"""


def test_a_laptop_shows_the_controls_and_a_row_of_masks(tmp_path: Path) -> None:
    path = thresholds_page(tmp_path / "page.html")
    with blank(LAPTOP[1], offline=True) as page:
        page.set_viewport_size({"width": LAPTOP[0], "height": LAPTOP[1]})
        page.goto(path.as_uri())
        page.wait_for_function("() => document.body.dataset.shown")
        bottoms = page.evaluate(BOTTOMS, SEEN)
    assert max(bottoms) <= LAPTOP[1]
    assert len({round(bottom) for bottom in bottoms[2:]}) == 1  # one row


def test_a_phone_keeps_the_slider_in_view_and_has_two_masks_side_by_side(
    tmp_path: Path,
) -> None:
    path = thresholds_page(tmp_path / "page.html")
    with blank(844, offline=True) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(path.as_uri())
        page.wait_for_function("() => document.body.dataset.shown")
        top = "id => document.getElementById(id).getBoundingClientRect().top"
        first = [round(page.evaluate(top, f"picture-{i}")) for i in (1, 2, 3)]
        page.evaluate("() => window.scrollTo(0, document.body.scrollHeight)")
        slider = page.evaluate(top, "way")
    assert first[0] == first[1] < first[2]
    assert 0 <= slider < 100


def test_every_image_of_the_page_is_reached_by_its_buttons(tmp_path: Path) -> None:
    path = thresholds_page(tmp_path / "page.html")
    shown = "file => document.body.dataset.shown?.startsWith(file + '|')"
    with blank(800, offline=True) as page:
        page.goto(path.as_uri())
        small, empty = (load_bundle().choices()[n] for n in ("smallest", "empty"))
        for file, button in ((small, "next"), (empty, "next"), (small, "previous")):
            page.wait_for_function(shown, arg=file)
            assert page.locator("#image option:checked").inner_text().endswith(file)
            page.get_by_role("button", name=f"{button} image").press("Enter")
        page.wait_for_function(shown, arg=empty)  # once around
        assert page.said == []
