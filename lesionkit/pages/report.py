"""A table as one self-contained page, or as a reproduction report."""

from __future__ import annotations

import platform
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionkit import lookup, published
from lesionkit.figures import ranking as draw
from lesionkit.figures.pixels import address, bytes_of
from lesionkit.inference import (
    planning,
    rank_tests,
    ranking,
    resampling,
    standing,
    variance,
)
from lesionkit.inference.grids import Grid
from lesionkit.inference.standing import Standing
from lesionkit.inference.verdicts import MARGIN
from lesionkit.pages.templates import filled
from lesionkit.papers import audit, claims
from lesionkit.records.files import write_bytes
from lesionkit.records.runs import RunRecord
from lesionkit.tables.reading import METRICS

_DIGITS = {"mean_rank": 2, "points_dataset": 1, "points_model": 1}
TEXTS = ("answer", "note", "group")  # columns that hold words
PACKAGES = ("lesionkit", "numpy", "pandas", "scipy", "statsmodels")
SETTINGS = (
    "protocol definition size split epochs batch_size learning_rate dtype".split()
)
# Name, what to see, and a function that draws it.
Drawing = tuple[str, str, Callable[[], Any]]


@dataclass(frozen=True)
class Report:
    """What both forms of a report are made of.

    Attributes:
        title: of the page.
        source: where the table came from, as the reader would type it.
        standing: the ranking.
        answers: every claim with its verdict.
        left_out: ranks as one thing is left out.
        variance: where the variation comes from.
        pairs: every pair of losses.
        table: the runs or cells themselves.
        metric, margin: what was ranked, and what is alike in practice.
    """

    title: str
    source: str
    standing: Standing
    answers: pd.DataFrame
    left_out: pd.DataFrame
    variance: pd.DataFrame
    pairs: pd.DataFrame
    table: pd.DataFrame = field(repr=False)
    metric: str = "dice"
    margin: float = MARGIN

    @property
    def command(self) -> str:
        """Source and options of how its table was read, as the reader would type."""
        options = self.table.attrs.get("options")
        return " ".join(filter(None, (shlex.quote(self.source), options)))

    @property
    def beside_published(self) -> bool:
        """Whether the public re-run can stand beside: another table, of its losses."""
        known = set(published.public_rerun()["loss"])
        return self.source != published.NAME and set(self.standing.grid.losses) <= known


def make(
    table: pd.DataFrame,
    source: str,
    *,
    metric: str = "dice",
    margin: float = MARGIN,
    title: str = "",
) -> Report:
    """Everything a report says of a table.

    Raises:
        ValueError: as `standing.rank`.
    """
    found = standing.rank(table, metric, margin=margin)
    return Report(
        title=title or "Which loss, and is the difference real?",
        source=source,
        standing=found,
        answers=claims.check(table),
        left_out=resampling.leave_one_out(found.grid),
        variance=variance.shares(found.grid),
        pairs=rank_tests.pairwise(found.grid),
        table=table,
        metric=metric,
        margin=margin,
    )


def write_page(report: Report, path: Path) -> Path:
    """Write the page: one HTML file without any request to a network."""
    figures = []
    for name, says, drawn in figures_of(report):
        image = address(bytes_of(drawn(), "svg", cropped=True), "svg+xml")
        figures.append({"name": name, "says": says, "image": image})
    write_bytes(path, _filled("report.html", report, figures=figures).encode())
    return path


def write_figures(report: Report, folder: Path, form: str = "svg") -> list[Path]:
    """Every figure of the page as a file of its own: svg, pdf or png.

    Raises:
        ValueError: another form.
    """
    lookup.find("form of a figure", form, dict.fromkeys(("svg", "pdf", "png")))
    paths = []
    for name, _, drawn in figures_of(report):
        words = re.sub(r"\W+", "_", name.partition(" (")[0].lower())
        paths.append(folder / f"{words}.{form}")
        draw.save(drawn(), paths[-1])
    return paths


def write_reproduction(report: Report, path: Path) -> Path:
    """Write the report in the form of the ML Reproducibility Challenge, as Markdown."""
    found = audit.audit_published()
    unstated = [f for f in found if f.severity == "not stated"]
    others = [f for f in found if f.severity != "not stated"]
    text = _filled("reproduction.md", report, unstated=unstated, findings=others)
    write_bytes(path, text.encode())
    return path


def _filled(name: str, report: Report, **more: Any) -> str:
    """A template of pages/ with the report's values."""
    grid, losses = report.standing.grid, report.standing.losses
    losses = losses.drop(columns="candidate")  # the answer says it
    return filled(
        name,
        report=report,
        standing=report.standing,
        verdict=report.standing.verdict,
        grid=grid,
        claims_sentence=claims.sentence(report.answers),
        dependence=rank_tests.DEPENDENCE,
        losses=losses,
        texts=TEXTS,
        to_decide=planning.more_data(grid, report.margin),
        settings=_settings(report.table),
        deviations=_deviations(report.table),
        digits={n: _DIGITS.get(n, 4) for n in losses.columns},
        versions={name: version(name) for name in PACKAGES},
        machine=f"Python {platform.python_version()}, {platform.system()}",
        today=date.today().isoformat(),
        **more,
    )


def _settings(table: pd.DataFrame) -> dict[str, str]:
    """The settings that all runs share, where the table has them."""
    found = {name: table[name].dropna().unique() for name in SETTINGS if name in table}
    return {name: ", ".join(map(str, has)) for name, has in found.items() if len(has)}


def _deviations(table: pd.DataFrame) -> list[str]:
    """What the run records list as differing from their paper, each once."""
    if "folder" not in table:
        return []
    found: list[str] = []
    for folder in table.drop_duplicates(["protocol", "model"])["folder"]:
        found += RunRecord(Path(folder)).config.get("deviations", [])
    return list(dict.fromkeys(found))


def figures_of(report: Report) -> list[Drawing]:
    """Name, what to see and a drawing function of every figure the table allows."""
    grid = report.standing.grid
    losses = report.standing.losses
    drawn: list[Drawing] = [
        (
            "Behind the best of the others",
            "Left of 0 is ahead of it; a loss is alike if its interval ends before the "
            "grey band does.",
            lambda: draw.differences(
                losses, metric=report.metric, margin=report.margin
            ),
        ),
        (
            "Means by loss (Fig. 2A)",
            "Intervals are those of a loss less the mean of all losses.",
            lambda: draw.means_by_loss(
                *standing.means_by_metric(report.table),
                published=_published(report, "metric"),
            ),
        ),
        _heat(report, "dataset"),
        _heat(report, "model"),
        (
            "Critical differences",
            "Joined losses cannot be told apart by Nemenyi's test over cells.",
            lambda: draw.critical_difference(
                rank_tests.mean_ranks(grid),
                rank_tests.critical_difference(grid),
                cells=grid.cells,
            ),
        ),
        (
            "With one thing left out",
            "Outlined: a rank that changes.",
            lambda: draw.leave_one_out(resampling.ranks_left_out(report.left_out)),
        ),
    ]
    if report.standing.verdict.scope:  # else nothing is known of how runs differ
        says = "With the uncertainty that the verdict is taken with."
        ranks = partial(_draw_ranks, report.standing)
        drawn.append(("Probability of each rank", says, ranks))
    if not np.isnan(grid.deviations).any():
        says = "How far runs of one cell lie apart, beside how far the losses do."
        scatter = partial(draw.scatter, _cells(grid), report.metric)
        drawn.append(("Runs against losses", says, scatter))
    shares = ["background", "raw_mean_background"]
    if set(shares) <= set(report.table):
        says = "Share of the background under both thresholds against mean Dice."
        means = report.table.groupby("loss")[["dice", *shares]].mean().reset_index()
        background = partial(draw.background, means)
        drawn.append(("Background marked (Fig. 3)", says, background))
    return drawn


def _draw_ranks(found: Standing) -> Any:
    """The heat table of ranks; drawn from when it is asked for."""
    return draw.rank_probabilities(found.ranks)


def _heat(report: Report, rows: str) -> Drawing:
    """The heat table of one axis, the public re-run's beside it."""
    grid = report.standing.grid
    means = grid.at_level(rows)
    points = ranking.points_of(means)
    name = {"dataset": "data set", "model": "model"}[rows]
    says = "The first three of each row have 3, 2 and 1 points."
    beside = _published(report, rows)
    if beside is not None:
        says += " Beside it the public re-run."
    title = f"mean {report.metric} by {name}, and podium points"
    return (
        f"Podium points by {name} (Fig. {'2B' if rows == 'dataset' else '2C'})",
        says,
        lambda: draw.heat(means, points, beside, title=title),
    )


def _published(report: Report, rows: str) -> pd.DataFrame | None:
    """The public re-run's means for the same rows; None where there are none."""
    if not report.beside_published:
        return None
    table = published.public_rerun()
    losses = list(report.standing.grid.losses)
    if rows == "metric":
        return table.groupby("loss")[list(METRICS)].mean().T[losses]
    wanted = [n for n in report.standing.grid.names(rows) if n in set(table[rows])]
    if not wanted or report.metric not in table:
        return None
    means = table.pivot_table(index=rows, columns="loss", values=report.metric)
    return means.loc[wanted, losses]


def _cells(grid: Grid) -> pd.DataFrame:
    """The grid's cells as rows."""
    index = pd.MultiIndex.from_product(
        (grid.datasets, grid.models, grid.losses), names=("dataset", "model", "loss")
    )
    columns = {"mean": grid.means.ravel(), "std": grid.deviations.ravel()}
    return pd.DataFrame(columns | {"count": grid.repeats}, index).reset_index()
