"""The notebooks as a person uses them: JupyterLab in a real browser, on loopback."""

from __future__ import annotations

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
import pytest

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


@contextmanager
def opened(address: str, height: int) -> Iterator:
    """A page with the notebook at an address, its kernel idle."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        page = browser.new_page(viewport={"width": 1200, "height": height})
        page.goto(address)
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=120_000)
        page.wait_for_function(IDLE, timeout=120_000)
        yield page
        if shot := os.environ.get("LESIONKIT_SCREENSHOT"):
            page.screenshot(path=shot)
        browser.close()


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
