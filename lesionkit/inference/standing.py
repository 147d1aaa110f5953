"""Everything a table says of its losses in one object: what `lesionkit rank` prints."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from lesionkit.catalogue import LOSSES
from lesionkit.inference import gaps, rank_tests, ranking, resampling, words
from lesionkit.inference.contrasts import weighted
from lesionkit.inference.grids import Grid, full_grid
from lesionkit.inference.verdicts import MARGIN, Verdict, judge
from lesionkit.tables import forensics, images, remarks
from lesionkit.tables.findings import Finding
from lesionkit.tables.reading import METRICS


@dataclass(frozen=True)
class Standing:
    """What a table says of its losses.

    Attributes:
        verdict: the answer; `verdict.sentence` first.
        podium: what the podium points say beside their chance level.
        losses: a row a loss, the best mean first: mean, behind, low, high, answer and
            note (as `verdict.against` has them), then p, candidate, group, failed (runs
            that did, where there are any), scatter (mean of the standard deviations of
            its cells), mean_rank, points_dataset and points_model.
        levels: Friedman's test over cells, data sets and models.
        grid: the full grid that all of this rests on.
        remarks: what is unusual in the table, what was left out, and what the answer
            would be if failed runs or data sets counted otherwise, or without the
            cells that forensics names.
        forensics: what should be looked at before any of this is believed.
        draws, seed: of `ranks`.
    """

    verdict: Verdict
    podium: str
    losses: pd.DataFrame
    levels: pd.DataFrame
    grid: Grid
    remarks: tuple[str, ...]
    forensics: tuple[Finding, ...] = ()
    draws: int = resampling.DRAWS
    seed: int = 0

    @property
    def metric(self) -> str:
        """The metric that was ranked."""
        return self.grid.metric

    @cached_property
    def means(self) -> tuple[pd.Series, pd.Series]:
        """Low and high of each loss's mean: against the mean of all losses (95 %)."""
        low, high = _with_interval(self.grid)[1:]
        return low, high

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """Losses x ranks: how often each has each rank (`resampling.ranks`)."""
        return resampling.ranks(self.grid, draws=self.draws, seed=self.seed)


def rank(
    table: pd.DataFrame,
    metric: str = "dice",
    *,
    margin: float = MARGIN,
    failed: str = "charged",
    draws: int = resampling.DRAWS,
    seed: int = 0,
) -> Standing:
    """Rank the losses of a table, and say what of it is beyond chance.

    Args:
        table: of `load_table`.
        metric: a score of it.
        margin: differences below this are alike in practice; in the metric's own unit.
        failed: what counts for runs that failed: "charged", "left out" or "as they
            are" (`grids.full_grid`).
        draws, seed: of `Standing.ranks`.

    Raises:
        ValueError: no such metric, or fewer than two losses that can be compared.
    """
    grid = full_grid(table, metric, failed=failed)
    verdict = judge(grid, margin=margin)
    points = ranking.points_of(grid.at_level("dataset"))
    told = remarks(table, missing=False)  # the grid says what it does about gaps
    lost = gaps.collapsed(images.collapsed(table), metric)
    found = forensics.find(table, metric, lost)
    said = [*told, *grid.remarks, *_otherwise(table, grid, margin, failed)]
    said += _without(table, found, metric, margin, failed)
    return Standing(
        verdict=verdict,
        podium=ranking.podium_sentence(
            points, verdict.leader if verdict.supported else None
        ),
        losses=_losses(grid, verdict),
        levels=rank_tests.summary_by_level(grid),
        grid=grid,
        remarks=tuple(dict.fromkeys(said)),
        forensics=found,
        draws=draws,
        seed=seed,
    )


def _otherwise(
    table: pd.DataFrame, grid: Grid, margin: float, failed: str
) -> list[str]:
    """The answer if data sets counted alike, or failed runs otherwise."""
    said = []
    if grid.weights is not None:
        parts = zip(grid.datasets, grid.weights, strict=True)
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in parts)
        alike = judge(replace(grid, equal=True), margin=margin)
        said.append(
            f"data sets whose runs vary less have larger weights ({shares}); with"
            f" equal weights: {_short(alike)}"
        )
    if grid.failed:
        for way in gaps.WAYS:
            if way != failed:
                other = judge(full_grid(table, grid.metric, failed=way), margin=margin)
                said.append(f"with failed runs {way}: {_short(other)}")
    lacking = gaps.missing(table, grid.metric)
    if lacking.any() and "repeat" in table and "image" not in table:
        failed_too = full_grid(table.drop(columns="failed"), grid.metric, failed=failed)
        said.append(
            f"missing runs ({lacking.sum()}) count for nothing; had they failed: "
            f"{_short(judge(failed_too, margin=margin))}"
        )
    if (abs(grid.means) > 1).any():
        said.append(
            f"differences and the margin, {margin:g}, are in the unit of {grid.metric}"
        )
    return said


def _without(
    table: pd.DataFrame,
    found: tuple[Finding, ...],
    metric: str,
    margin: float,
    failed: str,
) -> list[str]:
    """The answer without what forensics finds too high or of two campaigns."""
    kept = forensics.untainted(table, found)
    if len(kept) == len(table):
        return []
    codes = " and ".join(sorted({one.code for one in found} & {"F2", "F4"}))
    try:
        answer = _short(judge(full_grid(kept, metric, failed=failed), margin=margin))
    except ValueError as error:
        answer = str(error)
    return [f"without the cells of {codes} (docs/forensics.md): {answer}"]


def _short(verdict: Verdict) -> str:
    """A verdict in few words."""
    lead = -verdict.against["behind"].iloc[0]
    if verdict.supported:
        return f"{verdict.leader} is supported, {words.amount(lead)} ahead"
    return f"no loss is supported, {words.first(verdict)}"


def means_by_metric(table: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    """Mean of each loss in each metric, with lower and upper ends of an interval.

    The interval is that of the loss less the mean of all losses (95 %), put around its
    mean: what losses have in common, the difficulty of the data, is not in it.

    Returns:
        Three frames, metrics by losses: means, low, high. NaN where nothing is known. A
        metric in which no two losses can be compared, as the precision of runs that
        mark nothing, has no row.
    """
    rows = {}
    for name in (name for name in METRICS if name in table):
        with suppress(ValueError):
            rows[name] = _with_interval(full_grid(table, name))
    return tuple(
        pd.DataFrame({name: found[k] for name, found in rows.items()}).T
        for k in range(3)
    )


def _with_interval(grid: Grid) -> list[pd.Series]:
    """Mean, low and high of each loss."""
    count = len(grid.losses)
    found = weighted(grid, np.eye(count) - 1 / count)
    low, high = found.interval()
    shift = grid.overall - found.mean
    if grid.lower_is_better:
        low, high = -(high + shift), -(low + shift)
    else:
        low, high = low + shift, high + shift
    ends = (grid.scores, low, high)
    return [pd.Series(end, index=list(grid.losses)) for end in ends]


def _losses(grid: Grid, verdict: Verdict) -> pd.DataFrame:
    """The table of the losses."""
    table = verdict.against.copy()
    names = table.index
    table["group"] = [LOSSES[n].group if n in LOSSES else "not ours" for n in names]
    if grid.failed:
        table["failed"] = [grid.failed.get(name, 0) for name in names]
    scatter = np.sqrt((grid.deviations**2).mean((0, 1)))
    table["scatter"] = pd.Series(scatter, list(grid.losses))
    table["mean_rank"] = rank_tests.mean_ranks(grid)
    for rows in ("dataset", "model"):
        points = ranking.points_of(grid.at_level(rows)).loc["points"]
        table[f"points_{rows}"] = points
    return table
