"""The figures of a report, those that its table allows."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesionkit import published
from lesionkit.figures import ranking as ranking_figures
from lesionkit.inference import rank_tests, ranking, resampling, standing
from lesionkit.pages.report_content import Report
from lesionkit.tables.reading import METRICS

Drawing = tuple[str, str, Callable[[], Figure]]


def figures_of(report: Report) -> list[Drawing]:
    """Name, what to see and a drawing function of every figure the table allows."""
    return [
        *_of_scores(report),
        *(_heat(report, rows) for rows in ("dataset", "model")),
        *_of_ranks(report),
        *_of_runs(report),
    ]


def _of_scores(report: Report) -> list[Drawing]:
    """The losses against the leader, and their means."""
    losses = report.standing.losses
    return [
        (
            "Behind the leader",
            "Filled marks may be the best; the grey band is alike in practice.",
            lambda: ranking_figures.differences(losses, margin=report.margin),
        ),
        (
            "Means by loss (Fig. 2A)",
            "Intervals are those of a loss less the mean of all losses.",
            lambda: ranking_figures.means_by_loss(
                *standing.means_by_metric(report.table),
                published=_published(report, "metric"),
            ),
        ),
    ]


def _of_ranks(report: Report) -> list[Drawing]:
    """Mean ranks, ranks over draws, ranks with one thing left out."""
    grid, resampled = report.standing.grid, report.standing.resampled
    return [
        (
            "Critical differences",
            "Joined losses cannot be told apart by Nemenyi's test over cells.",
            lambda: ranking_figures.critical_difference(
                rank_tests.mean_ranks(grid),
                rank_tests.critical_difference(grid),
                cells=grid.cells,
            ),
        ),
        (
            "Probability of each rank",
            f"{resampled.what} drawn again {resampling.DRAWS} times.",
            lambda: ranking_figures.rank_probabilities(resampled.shares),
        ),
        (
            "With one thing left out",
            "Outlined: a rank that changes.",
            lambda: ranking_figures.leave_one_out(report.left_out[list(grid.losses)]),
        ),
    ]


def _of_runs(report: Report) -> list[Drawing]:
    """The scatter of runs, and the background that they mark, where known."""
    drawn: list[Drawing] = []
    if not np.isnan(report.standing.grid.deviations).any():
        cells = _cells(report)
        drawn.append(
            (
                "Runs against losses",
                "How far runs of one cell lie apart, beside how far the losses do.",
                lambda: ranking_figures.scatter(cells, report.metric),
            )
        )
    shares = ["background", "raw_mean_background"]
    if set(shares) <= set(report.table):
        means = report.table.groupby("loss")[["dice", *shares]].mean().reset_index()
        drawn.append(
            (
                "Background marked (Fig. 3)",
                "Share of the background under both thresholds against mean Dice.",
                lambda: ranking_figures.background(means),
            )
        )
    return drawn


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
        lambda: ranking_figures.heat(means, points, beside, title=title),
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


def _cells(report: Report) -> pd.DataFrame:
    """The grid's cells as rows."""
    grid = report.standing.grid
    index = pd.MultiIndex.from_product(
        (grid.datasets, grid.models, grid.losses), names=("dataset", "model", "loss")
    )
    return pd.DataFrame(
        {
            "mean": grid.means.ravel(),
            "std": grid.deviations.ravel(),
            "count": grid.repeats,
        },
        index=index,
    ).reset_index()


def embedded(figure: Figure) -> str:
    """A figure as an SVG within the page."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", bbox_inches="tight")
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode()
