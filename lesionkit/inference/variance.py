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
