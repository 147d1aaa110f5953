"""Everything a table says of its losses in one object: what `lesionkit rank` prints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesionkit.catalogue import LOSSES
from lesionkit.inference import rank_tests, ranking, resampling
from lesionkit.inference.contrasts import weighted
from lesionkit.inference.grids import Grid, full_grid
from lesionkit.inference.verdicts import MARGIN, Verdict, judge
from lesionkit.tables import remarks
from lesionkit.tables.reading import METRICS


@dataclass(frozen=True)
class Standing:
    """What a table says of its losses.

    Attributes:
        verdict: the answer; `verdict.sentence` first.
        podium: what the podium points say beside their chance level.
        losses: a row a loss, the highest mean first: group, mean, scatter (mean of the
            standard deviations of its cells), mean_rank, points_dataset, points_model,
            behind, low, high, p (the leader less the loss), candidate, rank_low,
            rank_high and first (of the resampled rankings).
        levels: Friedman's test over cells, data sets and models.
        resampled: ranks over draws; `resampled.what` says of what.
        grid: the full grid that all of this rests on.
        remarks: what is unusual in the table, and what was left out.
    """

    verdict: Verdict
    podium: str
    losses: pd.DataFrame
    levels: pd.DataFrame
    resampled: resampling.Resampled
    grid: Grid
    remarks: tuple[str, ...]

    @property
    def metric(self) -> str:
        """The metric that was ranked."""
        return self.grid.metric


def rank(
    table: pd.DataFrame,
    metric: str = "dice",
    *,
    margin: float = MARGIN,
    draws: int = resampling.DRAWS,
    seed: int = 0,
) -> Standing:
    """Rank the losses of a table, and say what of it is beyond chance.

    Args:
        table: of `load_table`.
        metric: a score of it, the higher the better.
        margin: differences below this are alike in practice.
        draws, seed: of the resampled rankings.

    Raises:
        ValueError: no such metric, or fewer than two losses with all their cells.
    """
    grid = full_grid(table, metric)
    verdict = judge(grid, margin=margin)
    what = "repeats" if grid.paired else "cells"
    resampled = resampling.bootstrap(grid, what, draws=draws, seed=seed)
    points = ranking.points_of(grid.at_level("dataset"))
    return Standing(
        verdict=verdict,
        podium=ranking.podium_sentence(points),
        losses=_losses(grid, verdict, resampled),
        levels=rank_tests.summary_by_level(grid),
        resampled=resampled,
        grid=grid,
        remarks=(*remarks(table), *grid.remarks),
    )


def means_by_metric(table: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    """Mean of each loss in each metric, with lower and upper ends of an interval.

    The interval is that of the loss less the mean of all losses (95 %), put around its
    mean: what losses have in common, the difficulty of the data, is not in it.

    Returns:
        Three frames, metrics by losses: means, low, high. NaN where nothing is known.
    """
    rows = {name: _with_interval(table, name) for name in METRICS if name in table}
    return tuple(
        pd.DataFrame({name: found[k] for name, found in rows.items()}).T
        for k in range(3)
    )


def _with_interval(table: pd.DataFrame, metric: str) -> list[pd.Series]:
    """Mean, low and high of each loss in one metric."""
    grid = full_grid(table, metric)
    count = len(grid.losses)
    found = weighted(grid, np.eye(count) - 1 / count)
    low, high = found.interval()
    shift = grid.overall - found.mean
    ends = (grid.overall, low + shift, high + shift)
    return [pd.Series(end, index=list(grid.losses)) for end in ends]


def _losses(
    grid: Grid, verdict: Verdict, resampled: resampling.Resampled
) -> pd.DataFrame:
    """The table of the losses."""
    table = verdict.against
    scatter = np.sqrt((grid.deviations**2).mean((0, 1)))
    points = {
        f"points_{rows}": ranking.points_of(grid.at_level(rows)).loc["points"]
        for rows in ("dataset", "model")
    }
    ranks = resampled.summary.rename(columns={"low": "rank_low", "high": "rank_high"})
    columns = {
        "group": [LOSSES[n].group if n in LOSSES else "not ours" for n in table.index],
        "mean": table["mean"],
        "scatter": pd.Series(scatter, list(grid.losses)),
        "mean_rank": rank_tests.mean_ranks(grid),
        **points,
        **table.drop(columns="mean"),
        **ranks,
    }
    return pd.DataFrame(columns, index=table.index)
