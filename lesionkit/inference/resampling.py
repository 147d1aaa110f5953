"""How a ranking moves when runs, cells, or whole parts of a table are drawn again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from lesionkit import lookup
from lesionkit.inference.grids import AXES, Grid
from lesionkit.inference.ranking import points_of
from lesionkit.inference.verdicts import judge

DRAWS = 2000
WHAT = ("repeats", "cells")


@dataclass(frozen=True)
class Resampled:
    """Ranks of the losses over draws of a table.

    Attributes:
        shares: losses x ranks, how often each loss had each rank; a row adds up to 1.
        summary: a row a loss: low and high (95 % of its ranks), first (how often alone
            or with others at the top, shared between those that tie).
        what: "repeats" or "cells".
    """

    shares: pd.DataFrame
    summary: pd.DataFrame
    what: str


def bootstrap(
    grid: Grid, what: str = "repeats", *, draws: int = DRAWS, seed: int = 0
) -> Resampled:
    """The whole ranking drawn again, with all losses on the same draw.

    "repeats" draws the repeats of each data set with replacement, the same ones for all
    models and losses: what other seeds and splits of these data sets would give. Few
    repeats make it too sure: with R of them the variance comes out (R - 1) / R of what
    it is. "cells" draws data sets and models: what other ones would give.

    Raises:
        ValueError: another `what`; single runs are needed and not there.

    Source: Efron, Ann. Statist. 7 (1979) 1-26.
    """
    lookup.find("what to resample", what, dict.fromkeys(WHAT))
    random = np.random.default_rng(seed)
    overall = _of_repeats if what == "repeats" else _of_cells
    means = overall(grid, random, draws)
    ranks = rankdata(-means, axis=1, method="min").astype(int)
    count = len(grid.losses)
    shares = np.stack([(ranks == k).mean(0) for k in range(1, count + 1)], 1)
    low, high = np.percentile(ranks, (2.5, 97.5), axis=0, method="nearest")
    top = ranks == 1
    first = (top / top.sum(1, keepdims=True)).mean(0)
    order = np.argsort(-grid.overall, kind="stable")
    names = pd.Index([grid.losses[i] for i in order], name="loss")
    summary = {"low": low.astype(int)[order], "high": high.astype(int)[order]}
    return Resampled(
        pd.DataFrame(shares[order], index=names, columns=range(1, count + 1)),
        pd.DataFrame(summary | {"first": first[order]}, index=names),
        what,
    )


def _of_repeats(grid: Grid, random: np.random.Generator, draws: int) -> np.ndarray:
    """Mean of each loss in every draw, (draws, L)."""
    if grid.runs is None or not grid.paired:
        raise ValueError(
            "drawing repeats needs two runs or more in every cell; here are "
            + ("single runs" if grid.runs is not None else "cell means")
        )
    datasets, models, losses, repeats = grid.runs.shape
    drawn = random.integers(repeats, size=(draws, datasets, repeats))
    weights = (drawn[..., None] == np.arange(repeats)).sum(2) / repeats
    runs = grid.runs.mean(1)  # (D, L, R)
    return np.einsum("dlr,bdr->bl", runs, weights) / datasets


def _of_cells(grid: Grid, random: np.random.Generator, draws: int) -> np.ndarray:
    """Mean of each loss in every draw of data sets and models, (draws, L)."""
    datasets, models, _ = grid.means.shape
    weights = []
    for count in (datasets, models):
        drawn = random.integers(count, size=(draws, count))
        weights.append((drawn[..., None] == np.arange(count)).sum(1) / count)
    return np.einsum("dml,bd,bm->bl", grid.means, *weights, optimize=True)


def leave_one_out(grid: Grid) -> pd.DataFrame:
    """Ranks by mean score with one data set, model or loss left out.

    Returns:
        Rows "all" and "without <name>", a column a loss with its rank (NaN where it is
        left out itself), and beside them axis, leader, supported, candidates (how many
        losses may be the best) and points (of the leader, over data sets).
    """
    rows = {"all": _row(grid, "", list(grid.losses))}
    for axis, least in zip(AXES, (2, 2, 3), strict=True):
        names = grid.names(axis)
        if len(names) < least:
            continue
        for i, name in enumerate(names):
            rest = grid.take(axis, [j for j in range(len(names)) if j != i])
            rows[f"without {name}"] = _row(rest, axis, list(grid.losses))
    return pd.DataFrame.from_dict(rows, orient="index")


def _row(grid: Grid, axis: str, losses: list[str]) -> dict[str, object]:
    """Ranks and verdict of one grid."""
    ranks = dict(zip(grid.losses, rankdata(-grid.overall, method="min"), strict=True))
    verdict = judge(grid)
    points = points_of(grid.at_level("dataset")).loc["points"]
    facts = {
        "axis": axis,
        "leader": verdict.leader,
        "supported": verdict.supported,
        "candidates": len(verdict.candidates),
        "points": float(points[verdict.leader]),
    }
    return {loss: ranks.get(loss, np.nan) for loss in losses} | facts
