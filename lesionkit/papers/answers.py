"""The answers that a table gives to a claim, and the grid that a claim asks for.

Every answer is taken from `contrasts.weighted`, at 5 %. A claim of several parts is
supported if each of them is (an intersection of tests needs no correction); it is
contradicted if the opposite of one is shown with Bonferroni's correction over all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps

import numpy as np
import pandas as pd

from lesionkit.inference.contrasts import scope
from lesionkit.inference.grids import Grid, full_grid

SUPPORTED, NOT_SUPPORTED = "supported", "not supported"
CONTRADICTED, UNTESTABLE = "contradicted", "untestable with these runs"
LEVEL = 0.05
RUNS = "at least two repeats in every cell, or two data sets"


@dataclass(frozen=True)
class Answer:
    """A verdict, what it rests on, and what would decide it."""

    verdict: str
    evidence: str
    more: str = ""


class Untestable(ValueError):
    """A table does not hold what a claim speaks of."""


def testable(predicate: Callable[..., Answer]) -> Callable[..., Answer]:
    """A predicate that answers with its reason where the table is not enough."""

    @wraps(predicate)
    def answer(table: pd.DataFrame, **given) -> Answer:
        try:
            return predicate(table, **given)
        except Untestable as reason:
            evidence, _, more = str(reason).partition("; needs ")
            return Answer(UNTESTABLE, evidence, more)

    return answer


def grid_of(
    table: pd.DataFrame, metric: str = "dice", losses: Sequence[str] = ()
) -> Grid:
    """The grid of these losses.

    Raises:
        Untestable: why there is none, and after "; needs " what would make one.
    """
    lacking = [name for name in losses if name not in set(table["loss"])]
    if lacking:
        raise Untestable(f"no run of {', '.join(lacking)}; needs runs of them")
    if metric not in table:
        raise Untestable(f"no column {metric}; needs run records that have it")
    rows = table[table["loss"].isin(losses)] if losses else table
    try:
        grid = full_grid(rows, metric)
    except ValueError as error:
        raise Untestable(f"{error}; needs runs of two losses or more") from None
    gone = [name for name in losses if name not in grid.losses]
    if gone:
        raise Untestable(f"{', '.join(gone)}: cells are missing; needs all cells")
    if not scope(grid):
        raise Untestable(f"one run a cell on one data set; needs {RUNS}")
    return grid


def joint(shown: np.ndarray, opposite: np.ndarray) -> str:
    """The verdict on several statements from the p of each and of its opposite."""
    if (opposite * len(opposite) < LEVEL).any():
        return CONTRADICTED
    return SUPPORTED if (shown < LEVEL).all() else NOT_SUPPORTED
