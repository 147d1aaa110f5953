"""A real browser, JupyterLab in it, and the threshold sliders moved as by hand."""

from __future__ import annotations

import base64
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

import pytest

from lesionkit.figures.pixels import png
from lesionkit.thresholds.comparison import load_bundle
from lesionkit.thresholds.panels import Panels, Setting

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
in_a_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


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
        context.set_default_timeout(120_000)  # a busy machine is no fault of a page
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
    assert picture_of(page) == png(shown.picture(Setting(way=1.0)))
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
    expected = png(shown.picture(setting))
    deadline = time.monotonic() + 20
    while picture_of(page) != expected and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert picture_of(page) == expected
