"""How a ranking moves: over what a table leaves open, and without its parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special
from scipy.stats import rankdata

from lesionkit import lookup
from lesionkit.inference import planning
from lesionkit.inference.contrasts import weighted
from lesionkit.inference.grids import AXES, Grid
from lesionkit.inference.ranking import points_of
from lesionkit.inference.verdicts import judge
from lesionkit.inference.words import WORDS

DRAWS = 2000
RANK_OF = "rank of "  # before the name of a loss, which may be any


def ranks(grid: Grid, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Ranks of losses whose true means lie around those seen as the verdict has it.

    Of each loss less the mean of all, the test with the widest interval gives the error
    and its degrees of freedom. Of two losses the leader is then first as often as 1
    less its one-sided p.

    Returns:
        Losses x ranks, how often each loss had each rank; a row adds up to 1.

    Raises:
        ValueError: nothing is known of how runs differ.

    Source: fiducial draws, as in Weerahandi, J. Am. Stat. Assoc. 88 (1993) 899-905.
    """
    count = len(grid.losses)
    found = weighted(grid, np.eye(count) - 1 / count)
    if np.isnan(found.errors).all():
        raise ValueError("one run a cell on one data set does not show how runs differ")
    widest = np.argmax(-special.stdtrit(found.freedoms, 0.025) * found.errors, 0)[None]
    error = np.take_along_axis(found.errors, widest, 0)[0] * np.sqrt(
        count / (count - 1)
    )
    freedom = float(np.take_along_axis(found.freedoms, widest, 0).min())
    random = np.random.default_rng(seed)
    wide = np.sqrt(freedom / random.chisquare(freedom, (draws, 1)))
    means = grid.overall + random.normal(size=(draws, count)) * error * wide
    placed = rankdata(-means, axis=1, method="ordinal")
    shares = np.stack([(placed == k).mean(0) for k in range(1, count + 1)], 1)
    order = np.argsort(-grid.overall, kind="stable")
    names = pd.Index([grid.losses[i] for i in order], name="loss")
    return pd.DataFrame(shares[order], index=names, columns=range(1, count + 1))


def points_by_chance(
    grid: Grid, rows: str, *, draws: int = DRAWS, seed: int = 0
) -> np.ndarray:
    """Podium points of the first of equal losses, in tables drawn like this one.

    Rows share what a loss does on a data set or with a network, so tables are drawn
    with those effects and the noise of a cell, from the variances that this table
    leaves open (`planning.worlds_of`).

    Args:
        rows: "dataset" or "model".

    Returns:
        (draws,) the most points that a loss has in each.

    Raises:
        UnknownName: other rows.
        ValueError: nothing is known of how runs differ.
    """
    lookup.find("rows", rows, dict.fromkeys(("dataset", "model")))
    worlds = planning.worlds_of(planning.pilot_of(grid), draws=draws, seed=seed)
    sets, models, losses = grid.means.shape
    random = np.random.default_rng(seed)
    cell = (worlds.cell + worlds.runs / max(grid.repeats, 1)) / 2

    def drawn(variance: np.ndarray, *size: int) -> np.ndarray:
        scale = np.sqrt(variance).reshape(-1, *([1] * len(size)))
        return random.normal(size=(draws, *size)) * scale

    if rows == "dataset":
        values = drawn(worlds.sets / 2 + cell / models, sets, losses)
        values += drawn(worlds.models / 2 / models, losses)[:, None]
    else:
        values = drawn(worlds.models / 2 + cell / sets, models, losses)
        values += drawn(worlds.sets / 2 / sets, losses)[:, None]
    places = rankdata(-values, axis=2, method="ordinal")
    return np.maximum(4 - places, 0).sum(1).max(1)


def leave_one_out(grid: Grid) -> pd.DataFrame:
    """Ranks by mean score with one data set, model or loss left out.

    Returns:
        Rows "all" and "without <name>", with the columns axis, leader, supported,
        candidates (how many losses may be the best), points (of the leader, over data
        sets), and "rank of <loss>" for each loss (NaN where it is left out itself).
    """
    rows = {"all": _row(grid, "", list(grid.losses))}
    for axis, least in zip(AXES, (2, 2, 3), strict=True):
        names = grid.names(axis)
        if len(names) < least:
            continue
        for i, name in enumerate(names):
            rest = grid.take(axis, [j for j in range(len(names)) if j != i])
            label = f"without {name}"
            label += f" ({WORDS.get(axis, axis)})" * (label in rows)  # one name for two
            rows[label] = _row(rest, axis, list(grid.losses))
    return pd.DataFrame.from_dict(rows, orient="index")


def ranks_left_out(table: pd.DataFrame) -> pd.DataFrame:
    """The ranks alone of `leave_one_out`, a column a loss."""
    ranks = table.loc[:, [str(name).startswith(RANK_OF) for name in table]]
    return ranks.rename(columns=lambda name: name.removeprefix(RANK_OF))


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
    return facts | {RANK_OF + loss: ranks.get(loss, np.nan) for loss in losses}
