"""Claims about sizes: a mean difference, no difference, two scores moving together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lesionkit.inference.contrasts import contrast, scope, weighted
from lesionkit.inference.grids import Grid
from lesionkit.inference.planning import more_data
from lesionkit.papers.answers import (
    CONTRADICTED,
    LEVEL,
    NOT_SUPPORTED,
    RUNS,
    SUPPORTED,
    Answer,
    Untestable,
    grid_of,
    joint,
    testable,
)


@testable
def better_on_average(
    table: pd.DataFrame, *, first: Sequence[str], second: Sequence[str]
) -> Answer:
    """Whether the mean of some losses is above the mean of others."""
    grid = grid_of(table, "dice", [*first, *second])
    weights = [
        (name in first) / len(first) - (name in second) / len(second)
        for name in grid.losses
    ]
    found = weighted(grid, np.array([weights]))
    low, high = (float(end[0]) for end in found.interval())
    mean, p = float(found.mean[0]), float(found.p[0])
    verdict = NOT_SUPPORTED
    if p < LEVEL:
        verdict = SUPPORTED if mean > 0 else CONTRADICTED
    evidence = (
        f"{', '.join(first)} less {', '.join(second)}: {mean:+.4f} "
        f"({low:+.4f} to {high:+.4f}) for {scope(grid)}"
    )
    more = "" if verdict == SUPPORTED else more_data(grid, mean)
    return Answer(verdict, evidence, more)


@testable
def alike(table: pd.DataFrame, *, margins: Mapping[str, float]) -> Answer:
    """Whether all losses differ by less than a margin, in each column.

    Two one-sided tests for every pair (Schuirmann, J. Pharmacokinet. Biopharm. 15
    (1987) 657-680).
    """
    inside, outside, parts, more = [], [], [], ""
    for column, margin in margins.items():
        grid = grid_of(table, column)
        a, b = np.triu_indices(len(grid.losses), 1)
        found = contrast(grid, a, b)
        over = np.minimum(found.greater(margin), 1 - found.greater(-margin))
        within = np.maximum(1 - found.greater(margin), found.greater(-margin))
        inside += list(within)
        outside += list(over)
        i = int(np.abs(found.mean).argmax())
        low, high = (float(end[i]) for end in found.interval(0.9))
        parts.append(
            f"{column}: largest difference {grid.losses[a[i]]} less "
            f"{grid.losses[b[i]]} {found.mean[i]:+.4f} "
            f"(90 % {low:+.4f} to {high:+.4f}), margin {margin:g}"
        )
        more = more or more_data(grid, margin)
    verdict = joint(np.array(inside), np.array(outside))
    return Answer(verdict, "; ".join(parts), "" if verdict == SUPPORTED else more)


@testable
def moves_against(table: pd.DataFrame, *, first: str, second: str) -> Answer:
    """Whether losses that are higher in one column are lower in another, cell by cell.

    The rank correlation over the losses is taken in every run (or cell mean), and its
    mean is tested against none.
    """
    one, other = grid_of(table, first), grid_of(table, second)
    if one.means.shape != other.means.shape or len(one.losses) < 4:
        raise Untestable("fewer than four losses with both; needs more losses")
    grid = _against_zero(one, other)
    found = contrast(grid, np.array([0]), np.array([1]))
    low, high = (float(end[0]) for end in found.interval())
    verdict = NOT_SUPPORTED
    if found.p[0] < LEVEL:
        verdict = SUPPORTED if found.mean[0] < 0 else CONTRADICTED
    evidence = (
        f"rank correlation of {first} and {second} over {len(one.losses)} losses, mean "
        f"of the cells: {found.mean[0]:+.2f} ({low:+.2f} to {high:+.2f})"
    )
    return Answer(verdict, evidence, "" if verdict == SUPPORTED else "more cells")


def _against_zero(one: Grid, other: Grid) -> Grid:
    """A grid of two: the correlation in every run or cell, and 0."""
    runs = None
    if one.runs is not None and other.runs is not None:
        found = _correlations(one.runs, other.runs)  # (D, M, R)
        runs = np.stack([found, np.zeros_like(found)], 2)
        means = runs.mean(3)
    else:
        found = _correlations(one.means[..., None], other.means[..., None])[..., 0]
        means = np.stack([found, np.zeros_like(found)], 2)
    several = runs is not None and runs.shape[3] > 1
    grid = Grid(
        "correlation",
        one.datasets,
        one.models,
        ("correlation", "none"),
        means=means,
        deviations=runs.std(3, ddof=1) if several else np.full_like(means, np.nan),
        repeats=runs.shape[3] if several else 1,
        runs=runs,
        remarks=(),
    )
    if not scope(grid):
        raise Untestable(f"one data set without single runs; needs {RUNS}")
    return grid


def _correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's correlation over the losses, (D, M, L, R) to (D, M, R)."""
    flat = [
        pd.DataFrame(x.transpose(2, 0, 1, 3).reshape(x.shape[2], -1))
        for x in (first, second)
    ]
    found = flat[0].rank().corrwith(flat[1].rank()).fillna(0.0).to_numpy()
    return found.reshape(first.shape[0], first.shape[1], first.shape[3])


@testable
def traded_by_alpha(table: pd.DataFrame) -> Answer:
    """Whether precision is above recall for alpha below 0.5, and below it above 0.5."""
    if "alpha" not in table or not {"precision", "recall"} <= set(table):
        raise Untestable("no alpha, precision and recall; needs run records")
    sides = {
        "alpha below 0.5, precision less recall": (table["alpha"] < 0.5, 1),
        "alpha above 0.5, recall less precision": (table["alpha"] > 0.5, -1),
    }
    shown, parts = [], []
    for name, (rows, sign) in sides.items():
        if not rows.any():
            raise Untestable(
                f"no run with {name.split(',')[0]}; needs runs on both sides"
            )
        grid = _precision_and_recall(table[rows])
        pair = [grid.losses.index(score) for score in ("precision", "recall")[::sign]]
        found = contrast(grid, np.array(pair[:1]), np.array(pair[1:]))
        low, high = (float(end[0]) for end in found.interval())
        parts.append(f"{name}: {found.mean[0]:+.4f} ({low:+.4f} to {high:+.4f})")
        shown.append(float(found.greater()[0]))
    verdict = joint(np.array(shown), 1 - np.array(shown))
    return Answer(verdict, "; ".join(parts), "" if verdict == SUPPORTED else RUNS)


def _precision_and_recall(table: pd.DataFrame) -> Grid:
    """A grid in which the two scores stand where the losses do."""
    parts = [
        table.assign(
            model=table["model"] + " " + table["loss"], loss=score, score=table[score]
        )
        for score in ("precision", "recall")
    ]
    return grid_of(pd.concat(parts, ignore_index=True), "score")
