"""A table as one self-contained page, or as a reproduction report."""

from __future__ import annotations

import platform
import re
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from lesionkit import lookup
from lesionkit.figures.ranking import save
from lesionkit.inference import planning, rank_tests, resampling
from lesionkit.pages.report_content import Report, make
from lesionkit.pages.report_figures import embedded, figures_of
from lesionkit.pages.templates import filled
from lesionkit.papers import audit, claims
from lesionkit.records.files import write_bytes
from lesionkit.records.runs import RunRecord

__all__ = ["Report", "make", "write_figures", "write_page", "write_reproduction"]

_DIGITS = {"mean_rank": 2, "points_dataset": 1, "points_model": 1, "first": 2}
PACKAGES = ("lesionkit", "numpy", "pandas", "scipy", "statsmodels")
SETTINGS = (
    "protocol definition size split epochs batch_size learning_rate dtype".split()
)


def write_page(report: Report, path: Path) -> Path:
    """Write the page: one HTML file without any request to a network."""
    drawn = [
        {"name": name, "says": says, "image": embedded(draw())}
        for name, says, draw in figures_of(report)
    ]
    text = _filled("report.html", report, figures=drawn, autoescape=True)
    write_bytes(path, text.encode())
    return path


def write_figures(report: Report, folder: Path, form: str = "svg") -> list[Path]:
    """Every figure of the page as a file of its own: svg, pdf or png.

    Raises:
        ValueError: another form.
    """
    lookup.find("form of a figure", form, dict.fromkeys(("svg", "pdf", "png")))
    paths = []
    for name, _, draw in figures_of(report):
        words = re.sub(r"\W+", "_", name.partition(" (")[0].lower())
        paths.append(folder / f"{words}.{form}")
        save(draw(), paths[-1])
    return paths


def write_reproduction(report: Report, path: Path) -> Path:
    """Write the report in the form of the ML Reproducibility Challenge, as Markdown."""
    found = audit.audit_published()
    unstated = [f for f in found if f.severity == "not stated"]
    others = [f for f in found if f.severity != "not stated"]
    text = _filled("reproduction.md", report, unstated=unstated, findings=others)
    write_bytes(path, text.encode())
    return path


def _filled(name: str, report: Report, *, autoescape: bool = False, **more: Any) -> str:
    """A template of pages/ with the report's values."""
    grid = report.standing.grid
    return filled(
        name,
        autoescape=autoescape,
        report=report,
        standing=report.standing,
        verdict=report.standing.verdict,
        grid=grid,
        claims_sentence=claims.sentence(report.answers),
        dependence=rank_tests.DEPENDENCE,
        draws=resampling.DRAWS,
        to_decide=planning.more_data(grid, report.margin),
        settings=_settings(report.table),
        deviations=_deviations(report.table),
        digits={n: _DIGITS.get(n, 4) for n in report.standing.losses.columns},
        versions={name: version(name) for name in PACKAGES},
        machine=f"Python {platform.python_version()}, {platform.system()}",
        today=date.today().isoformat(),
        **more,
    )


def _settings(table: pd.DataFrame) -> dict[str, str]:
    """The settings that all runs share, where the table has them."""
    found = {name: table[name].dropna().unique() for name in SETTINGS if name in table}
    return {
        name: ", ".join(str(value) for value in values)
        for name, values in found.items()
        if len(values)
    }


def _deviations(table: pd.DataFrame) -> list[str]:
    """What the run records list as differing from their paper, each once."""
    if "folder" not in table:
        return []
    found: list[str] = []
    for folder in table.drop_duplicates(["protocol", "model"])["folder"]:
        found += RunRecord(Path(folder)).config.get("deviations", [])
    return list(dict.fromkeys(found))
