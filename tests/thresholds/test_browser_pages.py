"""The pages that need no JupyterLab, in a real browser: thresholds and the report."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from made_browser import blank, in_a_browser
from PIL import Image

from lesionkit.figures.pixels import outline
from lesionkit.pages import report
from lesionkit.tables import load_table
from lesionkit.thresholds.comparison import load_bundle
from lesionkit.thresholds.page import write_page
from lesionkit.thresholds.panels import Panels, Setting

pytestmark = in_a_browser


def canvas_of(page, name: str) -> np.ndarray:
    """The pixels of a canvas on the page."""
    code = "name => document.getElementById(name).toDataURL('image/png')"
    content = base64.b64decode(page.evaluate(code, name).partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def expect_on_page(page, shown: Panels, setting: Setting, loss: int) -> None:
    """The page without kernel shows the numbers and the mask of a setting."""
    row = shown.numbers(setting).iloc[loss]
    says = f"Dice {row['dice']:.3f}, marks {100 * row['marked']:.1f}%"
    code = "([id, text]) => document.getElementById(id).textContent === text"
    page.wait_for_function(code, arg=[f"says-{loss}", says], timeout=10_000)
    mask = canvas_of(page, f"picture-{loss}")
    inside = ~outline(shown.mask)
    expected = 255 * shown.predicted(setting)[loss].numpy()
    assert (mask[inside] == expected[inside][:, None]).all()


def test_the_page_without_kernel_or_network_shows_every_cut(tmp_path: Path) -> None:
    bundle = load_bundle()
    path = write_page(bundle, tmp_path / "page.html")
    shown = Panels(bundle, bundle.position("smallest"))
    empty = Panels(bundle, bundle.position("empty"))
    asked = []
    with blank(1500, offline=True) as page:
        page.on("request", lambda request: asked.append(request.url[:5]))
        page.goto(path.as_uri())
        page.wait_for_function("() => document.body.dataset.shown")
        page.get_by_label("mask").check()
        expect_on_page(page, shown, Setting(view="mask"), 3)
        page.locator("#way").focus()
        for _ in range(7):
            page.keyboard.press("ArrowLeft")
        expect_on_page(page, shown, Setting(way=13 / 20, view="mask"), 3)
        page.get_by_label("one probability for all images").check()
        box = page.locator("#probability").bounding_box()
        page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
        expect_on_page(page, shown, Setting("probability", 0.01, view="mask"), 0)
        page.get_by_label("mean of raw output").check()
        page.locator("#image").select_option(label=bundle.files[empty.position])
        expect_on_page(page, empty, Setting(way=13 / 20, view="mask"), 9)
        page.get_by_label("errors").check()
        assert page.said == []
    assert set(asked) <= {"file:", "data:"}


def test_the_report_page_sorts_its_losses_and_asks_no_network(tmp_path: Path) -> None:
    table = load_table("public-rerun")
    path = report.write_page(report.make(table, "public-rerun"), tmp_path / "page.html")
    asked = []
    first = "#losses tbody tr:first-child td:first-child"
    with blank(1500, offline=True) as page:
        page.on("request", lambda request: asked.append(request.url[:5]))
        page.goto(path.as_uri())
        assert page.locator(first).inner_text() == "dicebce"
        page.get_by_role("button", name="points dataset").click()
        assert page.locator(first).inner_text() == "ioufocal"  # 9 points
        page.get_by_role("button", name="mean rank").click()
        assert page.locator(first).inner_text() == "focal"  # the highest mean rank
        page.get_by_role("button", name="mean rank").click()
        assert page.locator(first).inner_text() == "ioufocal"
        drawn = page.locator("figure img").evaluate_all(
            "images => images.map(image => image.complete && image.naturalWidth > 100)"
        )
        assert drawn == [True] * 8
        assert page.said == []
    assert set(asked) <= {"file:", "data:"}
