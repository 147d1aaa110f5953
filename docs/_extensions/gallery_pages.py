"""The pages that the kit writes for others, made while the site is built.

They lie in `_build/gallery` until the kit changes, and go beside the site's own pages.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from executed_notebooks import kit_state
from sphinx.application import Sphinx
from sphinx.util import logging

say = logging.getLogger(__name__)
STATE = ".state"


def thresholds(path: Path) -> None:
    """The sliders, of the ten toy runs that come with the kit."""
    from lesionkit.thresholds.comparison import load_bundle
    from lesionkit.thresholds.page import write_page

    write_page(load_bundle(), path)


def report(path: Path) -> None:
    """The report of the public re-run's table."""
    from lesionkit.pages import report
    from lesionkit.tables import load_table

    report.write_page(report.make(load_table("public-rerun"), "public-rerun"), path)


def data_report(path: Path) -> None:
    """What `inspect` finds in one of the three looks of the toy set."""
    from lesionkit.datasets.toy import IMAGES_PER_LOOK, samples
    from lesionkit.inspection import inspect_samples
    from lesionkit.pages import inspection

    report = inspect_samples("toy", samples()[:IMAGES_PER_LOOK], "its skin images")
    inspection.write_page(report, path)


PAGES: dict[str, Callable[[Path], None]] = {
    "thresholds": thresholds,
    "report": report,
    "data_report": data_report,
}


def made(folder: Path, state: str) -> Path:
    """The folder with every page, each made where the state is another."""
    stored = folder / STATE
    if not stored.is_file() or stored.read_text() != state:
        shutil.rmtree(folder, ignore_errors=True)
        for name, make in PAGES.items():
            say.info(f"making {name}.html")
            make(folder / f"{name}.html")
        stored.write_text(state)
    return folder


def put(app: Sphinx, error: Exception | None) -> None:
    """Copy the pages into a site that was built."""
    if error is None and app.builder.format == "html":
        folder = made(Path(app.srcdir) / "_build/gallery", kit_state())
        for path in folder.glob("*.html"):
            target = Path(app.outdir) / "gallery" / path.name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("build-finished", put)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
