"""Where the variation of a table comes from: data set, model, loss, and chance."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import prod

import numpy as np
import pandas as pd

from lesionkit.inference.grids import Grid

RUNS = "runs of a cell"
NAMES = ("data set", "model", "loss")
Axes = tuple[int, ...]  # a source: which of the three it is made of, () for the runs


def shares(grid: Grid) -> pd.DataFrame:
    """Sums of squares of a table and the deviation behind each, a row a source.

    The sources are data set, model, loss, each interaction of them, and the runs within
    a cell. Without the deviations of the cells the last one is missing, and the
    interaction of all three holds it.

    Returns:
        The columns share (of the sum of squares, adds up to 1), freedom (degrees of
        freedom) and deviation: the standard deviation of the effects, as a method of
        moments has it, 0 where the mean square is below what chance makes.

    Source: the three-way analysis of variance; Searle, Casella and McCulloch, Variance
    Components (1992), chapter 4.
    """
    counts = grid.means.shape
    runs = grid.repeats if grid.spread_known else 1
    rows: dict[Axes, tuple[float, int, int]] = {}
    for axes, effect in _effects(grid.means).items():
        others = prod(n for axis, n in enumerate(counts) if axis not in axes)
        freedom = prod(counts[axis] - 1 for axis in axes)
        rows[axes] = runs * others * (effect**2).sum(), freedom, others * runs
    if grid.spread_known:
        within = (runs - 1) * (grid.deviations**2).sum()
        rows[()] = within, (runs - 1) * prod(counts), 1
    columns = ["squares", "freedom", "weight"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    names = [" x ".join(NAMES[axis] for axis in axes) or RUNS for axes in rows]
    table.index = pd.Index(names, name="source")
    table["share"] = table["squares"] / table["squares"].sum()
    table["deviation"] = _deviations(rows)
    return table[["share", "freedom", "deviation"]]


def _effects(means: np.ndarray) -> dict[Axes, np.ndarray]:
    """Main effects and interactions; axes that one does not have are of length 1."""
    found: dict[Axes, np.ndarray] = {(): means.mean(keepdims=True)}
    for size in (1, 2, 3):
        for axes in combinations(range(3), size):
            left = tuple(a for a in range(3) if a not in axes)
            effect = means.mean(left, keepdims=True) if left else means
            for smaller in list(found):
                if set(smaller) < set(axes):
                    effect = effect - found[smaller]
            found[axes] = effect
    del found[()]
    return found


def _deviations(rows: Mapping[Axes, tuple[float, int, int]]) -> list[float]:
    """Standard deviation of each source's effects, from the mean squares.

    The mean square of a source holds the variances of all sources that contain it. Of
    the runs, sources with the loss hold at most what is in the interaction of all
    three: what the losses of a repeat share, their split, cancels between them.

    Args:
        rows: sum of squares, degrees of freedom and runs an effect of each source.
    """
    square = {axes: s / f if f else np.nan for axes, (s, f, _) in rows.items()}
    variance: dict[Axes, float] = {}
    # the runs first, then from the interaction of all axes down to each alone
    for axes in sorted(rows, key=lambda a: -len(a) if a else -9):
        below = variance.get((), 0.0) if axes else 0.0
        if 2 in axes:
            below = min(below, np.nan_to_num(square[(0, 1, 2)], nan=below))
        for other, value in variance.items():
            if axes and other and set(axes) < set(other):
                below += rows[other][2] * value
        variance[axes] = max(0.0, (square[axes] - below) / rows[axes][2])
    return [float(np.sqrt(variance[axes])) for axes in rows]


def of_differences(grid: Grid) -> dict[str, float]:
    """Standard deviations that decide how far two losses of a table can be told apart.

    Those of the median pair of losses, each divided by the square root of 2, so that
    one loss that behaves unlike all others does not speak for the rest.

    Returns:
        dataset, model: of a loss's own effect on a data set and with a model, NaN where
        there is only one; cell: of what is left of it in one pair of the two; run: of a
        single run, less what the losses of a repeat share (its split), which cancels.
        Without single runs that share is found from the cells, which cannot vary less
        than the runs they average; NaN where the runs are unknown.
    """
    pairs = np.array(list(combinations(range(len(grid.losses)), 2)))
    d = grid.means[..., pairs[:, 0]] - grid.means[..., pairs[:, 1]]  # (D, M, P)
    datasets, models, _ = d.shape
    rest, rows, columns = _mean_squares(d)
    run = _run_square(grid, pairs, rest)
    repeats = max(grid.repeats, 1)
    cell = max(0.0, rest - run / repeats) if not np.isnan(rest) else np.nan
    below = np.nan_to_num(rest, nan=np.nan_to_num(run) / repeats)
    found = {
        "dataset": max(0.0, rows - below) / models if datasets > 1 else np.nan,
        "model": max(0.0, columns - below) / datasets if models > 1 else np.nan,
        "cell": cell,
        "run": run,
    }
    return {name: float(np.sqrt(value / 2)) for name, value in found.items()}


def _mean_squares(d: np.ndarray) -> tuple[float, float, float]:
    """Medians over pairs of the mean squares of rest, data sets and models."""
    datasets, models, _ = d.shape
    mean, by_set, by_model = d.mean((0, 1)), d.mean(1), d.mean(0)
    rest = d - by_set[:, None] - by_model[None] + mean
    left = (datasets - 1) * (models - 1)
    squares = [
        (rest**2).sum((0, 1)) / left if left else None,
        models * by_set.var(0, ddof=1) if datasets > 1 else None,
        datasets * by_model.var(0, ddof=1) if models > 1 else None,
    ]
    medians = [np.nan if s is None else float(np.median(s)) for s in squares]
    return medians[0], medians[1], medians[2]


def _run_square(grid: Grid, pairs: np.ndarray, rest: float) -> float:
    """Variance of the difference of two single runs of a repeat, of the median pair."""
    if grid.runs is not None and grid.paired:
        d = grid.runs[:, :, pairs[:, 0]] - grid.runs[:, :, pairs[:, 1]]
        return float(np.median(d.var(3, ddof=1).mean((0, 1))))
    if not grid.spread_known:
        return np.nan
    squares = grid.deviations**2
    both = squares[..., pairs[:, 0]] + squares[..., pairs[:, 1]]
    unpaired = float(np.median(both.mean((0, 1))))
    return unpaired if np.isnan(rest) else min(unpaired, grid.repeats * rest)
