"""The notebooks as a person uses them: JupyterLab in a real browser, on loopback."""

from __future__ import annotations

import base64
import io
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from lesionkit import panels, report
from lesionkit.comparison import load_bundle
from lesionkit.panels import Panels, Setting
from lesionkit.tables import load_table
from lesionkit.threshold_page import write_page

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SHORT = """
loss: str = "dice"
dataset: str = "tiny"
size: int = 32
epochs: int = 1
batch_size: int = 4
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


@pytest.fixture
def lab(tmp_path: Path, tiny: str) -> Iterator[str]:
    """The address of a JupyterLab with a short copy of 03_train.ipynb."""
    notebook = nbformat.read(NOTEBOOKS / "03_train.ipynb", as_version=4)
    (place,) = (
        i
        for i, c in enumerate(notebook.cells)
        if "parameters" in c.metadata.get("tags", [])
    )
    notebook.cells[place].source = SHORT.strip()
    notebook.cells.append(nbformat.v4.new_code_cell("note = 3\nlearning_rat = 0.5"))
    nbformat.write(notebook, tmp_path / "03_train.ipynb")
    with served(tmp_path, "03_train.ipynb") as address:
        yield address


@contextmanager
def served(folder: Path, name: str) -> Iterator[str]:
    """The address of a notebook in a JupyterLab that serves this folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1"]
    options += [f"--IdentityProvider.token={token}", f"--notebook-dir={folder}"]
    options += ["--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=os.environ | {"JUPYTER_PREFER_ENV_PATH": "1"},
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/api?token={token}")
        yield f"http://127.0.0.1:{port}/lab/tree/{name}?token={token}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def wait_for(address: str, seconds: float = 90) -> None:
    """Until a server answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


IDLE = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
    return context?.isReady && context.session?.kernel?.status === "idle";
}"""


COUNTS = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter(cell => cell.model.type === "code")
    .map(cell => cell.model.executionState === "idle" ? cell.model.executionCount : 0)
"""
DONE = f"() => ({COUNTS})().every(count => count > 0)"


def run_to_the_end(page, command: str) -> None:
    """Start a command of JupyterLab and wait until every cell has its number."""
    page.evaluate(f"() => {{ window.jupyterapp.commands.execute('{command}'); }}")
    page.wait_for_timeout(1000)
    page.wait_for_function(DONE, timeout=100_000)


def told(message) -> str:
    """An error of the console, with the address that it is about."""
    address = message.location["url"].partition("?")[0]
    return f"{message.text} {address}"


@contextmanager
def blank(height: int, *, offline: bool = False) -> Iterator:
    """An empty page; page.said collects the errors of its console and scripts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        context = browser.new_context(
            viewport={"width": 1400, "height": height}, offline=offline
        )
        page = context.new_page()
        page.said = []
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("console", lambda m: m.type == "error" and page.said.append(told(m)))
        yield page
        if shot := os.environ.get("LESIONKIT_SCREENSHOT"):
            name = os.environ["PYTEST_CURRENT_TEST"].split("::")[1].split(" ")[0]
            page.screenshot(path=Path(shot) / f"{name}.png")
        browser.close()


@contextmanager
def opened(address: str, height: int) -> Iterator:
    """A page with the notebook at an address, its kernel idle."""
    with blank(height) as page:
        page.goto(address)
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=120_000)
        page.wait_for_function(IDLE, timeout=120_000)
        yield page


def test_the_config_cell_runs_again_after_a_variable_was_defined(lab: str) -> None:
    with opened(lab, 5000) as page:
        run_to_the_end(page, "notebook:run-all-cells")
        first = page.evaluate(COUNTS)
        config = page.locator(".jp-CodeCell", has_text="RunConfig.from_notebook").first
        config.locator(".jp-InputArea-editor").click()
        run_to_the_end(page, "notebook:run-cell")
        again = page.evaluate(COUNTS)
        pictures = page.locator(".jp-OutputArea-output img").count()
        errors = page.locator(
            '[data-mime-type="application/vnd.jupyter.error"]'
        ).count()
    assert first == list(range(1, len(first) + 1))
    assert again == [*first[:2], len(first) + 1, *first[3:]]
    assert errors == 0
    assert pictures == 3


def test_an_arrow_key_on_a_slider_replaces_the_one_picture(tmp_path: Path) -> None:
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(metadata=spec)
    source = "from lesionkit import widgets\nwidgets.focal_sliders().show()"
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, tmp_path / "sliders.ipynb")
    with served(tmp_path, "sliders.ipynb") as address, opened(address, 900) as page:
        run_to_the_end(page, "notebook:run-all-cells")
        pictures = page.locator(".jp-OutputArea-output img")
        pictures.first.wait_for(timeout=60_000)
        before = pictures.first.get_attribute("src")
        labels = page.locator(".widget-slider .widget-label").all_inner_texts()
        page.locator(".noUi-handle").last.focus()
        page.keyboard.press("ArrowLeft")
        changed = (
            "was => document.querySelector('.jp-OutputArea-output img').src != was"
        )
        page.wait_for_function(changed, arg=before, timeout=30_000)
        assert pictures.count() == 1
    assert labels == ["alpha", "gamma"]


SCREEN = ".widget-image"
READ = f"""async () => {{
    const bytes = await (await fetch(document.querySelector("{SCREEN}").src)).blob();
    const reader = new FileReader();
    reader.readAsDataURL(bytes);
    await new Promise(done => reader.onload = done);
    return reader.result;
}}"""


def sliders_do_what_the_library_says(page) -> None:
    """Move the slider by key and by mouse; numbers and picture follow, to the pixel."""
    bundle = load_bundle()
    shown = Panels(bundle, bundle.position("smallest"))
    handle = page.locator(
        ".widget-slider:has-text('from 0.5 to the rule') .noUi-handle"
    )
    handle.wait_for(timeout=120_000)
    assert picture_of(page) == panels.png(shown.picture(Setting(way=1.0)))
    handle.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    expect_setting(page, shown, Setting(way=0.9))
    place = handle.bounding_box()
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] - 4000, place["y"], steps=4)
    page.mouse.up()
    expect_setting(page, shown, Setting(way=0.0))
    page.get_by_role("button", name="Otsu on logits").click()
    page.get_by_role("button", name="mask", exact=True).click()
    expect_setting(page, shown, Setting("otsu", way=0.0, view="mask"))
    assert page.locator(SCREEN).count() == 1
    assert page.locator(".lesionkit-static-twin").first.is_hidden()


def picture_of(page) -> bytes:
    """The bytes of the picture on the page."""
    return base64.b64decode(page.evaluate(READ).partition(",")[2])


def expect_setting(page, shown: Panels, setting: Setting) -> None:
    """Wait until the page has the numbers of a setting; then its picture as well."""
    dice = [f"{value:.3f}" for value in shown.numbers(setting)["dice"]]
    marked = [f"{value:.1%}" for value in shown.numbers(setting)["marked"]]
    row = "name => [...document.querySelectorAll('.lesionkit-numbers tr')]"
    row += ".filter(r => r.cells[0].textContent === name[0])"
    row += ".flatMap(r => [...r.cells].slice(1).map(c => c.textContent)).join()"
    for name, expected in (("Dice", dice), ("share marked", marked)):
        wanted = [name, ",".join(expected)]
        page.wait_for_function(f"name => ({row})(name) === name[1]", arg=wanted)
    expected = panels.png(shown.picture(setting))
    deadline = time.monotonic() + 20
    while picture_of(page) != expected and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert picture_of(page) == expected


def test_the_threshold_notebook_follows_its_sliders_in_jupyterlab(
    tmp_path: Path,
) -> None:
    shutil.copy(NOTEBOOKS / "05_thresholds.ipynb", tmp_path)
    with (
        served(tmp_path, "05_thresholds.ipynb") as address,
        opened(address, 1800) as page,
    ):
        run_to_the_end(page, "notebook:run-all-cells")
        page.locator(".widget-slider").first.scroll_into_view_if_needed()
        sliders_do_what_the_library_says(page)
        errors = page.locator('[data-mime-type="application/vnd.jupyter.error"]')
        assert errors.count() == 0
        # JupyterLab itself asks its server for files that may not be there
        assert [line for line in page.said if "404 (Not Found)" not in line] == []


def test_the_threshold_page_follows_its_sliders_and_refuses_strangers() -> None:
    command = [sys.executable, "-m", "lesionkit.cli", "thresholds", "--no-browser"]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        address = server.stdout.readline().split()[0]
        assert address.startswith("http://127.0.0.1:")
        wait_for(address)
        with blank(2200) as page:
            page.goto(address, timeout=120_000)
            sliders_do_what_the_library_says(page)
            assert page.locator(".jp-RenderedText[data-mime-type*=error]").count() == 0
            assert "ThresholdExplorer" not in page.locator("body").inner_text()
            assert page.said == []
        with urllib.request.urlopen(address.partition("?")[0], timeout=60) as answer:
            assert "/login" in answer.url
            assert b"threshold" not in answer.read().lower()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


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
    inside = ~panels.outline(shown.mask)
    expected = 255 * shown.predicted(setting)[loss].numpy()
    assert (mask[inside] == expected[inside][:, None]).all()


def test_the_page_without_kernel_or_network_shows_every_cut(tmp_path: Path) -> None:
    bundle = load_bundle()
    path = write_page(bundle, tmp_path / "page.html")
    shown = Panels(bundle, bundle.position("smallest"))
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
        page.get_by_label("probability", exact=True).check()
        box = page.locator("#probability").bounding_box()
        page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
        expect_on_page(page, shown, Setting("probability", 0.01, view="mask"), 0)
        page.locator("#image").select_option(index=3)
        page.get_by_label("raw mean").check()
        empty = Panels(bundle, bundle.position("empty"))
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
