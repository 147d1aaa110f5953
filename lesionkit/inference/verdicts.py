"""What a table says of its losses: the best, alike, behind, or undecided."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lesionkit.inference import words
from lesionkit.inference.contrasts import Contrast, contrast, scope
from lesionkit.inference.grids import Grid
from lesionkit.inference.words import Verdict
from lesionkit.tables.scores import BOUNDED

LEVEL = 0.05  # of a false winner, and of calling the best loss behind
MARGIN = 0.01  # differences below this are alike in practice; Dice points
BEST, ALIKE, BEHIND, UNDECIDED = "best", "alike", "behind", "undecided"


@dataclass(frozen=True)
class Pairs:
    """Every loss less every other one: mean, p and reach, (L, L) each.

    `reach` is at the level that decides over all others of a loss.
    """

    mean: np.ndarray
    p: np.ndarray
    reach: np.ndarray


def judge(grid: Grid, *, level: float = LEVEL, margin: float = MARGIN) -> Verdict:
    """The verdict on a grid.

    The leader is the best if the two-sided test against every other loss is below
    `level`, also with its missing cells at the lowest score there: then a table of
    equal losses has a best one at most that often, whoever it is. Of each loss the
    interval of how far it is behind the best of the others is taken; it is behind if
    the interval lies above 0, alike if it lies below the margin.

    Args:
        level: of a false best, and of calling the best loss behind.
        margin: difference below which two losses are alike in practice.

    Source: Gutmann and Maymi, Ann. Statist. 15 (1987) 456-460 (the best); Hsu, Ann.
    Statist. 12 (1984) 1136-1144, with Bonferroni's bound (how far behind).
    """
    order = np.argsort(-grid.overall, kind="stable")
    found = _ahead(grid, order)
    pairs = pairs_of(grid, level)
    supported = is_best(grid, level=level)
    table = _against(pairs, order, supported=supported, level=level, found=found)
    if grid.metric in BOUNDED:  # no two scores between 0 and 1 are further apart
        table[["low", "high"]] = table[["low", "high"]].clip(-1, 1)
    table["answer"] = _answers(table, margin, supported=supported)
    table["candidate"] = table["answer"] != BEHIND
    table.insert(0, "mean", grid.scores[order])
    table.index = pd.Index([grid.losses[i] for i in order], name="loss")
    table["limit"] = [grid.losses[i] for i in table["limit"]]
    table["note"] = words.of_losses(grid, table, margin)
    hangs_on = _hangs_on(grid, supported=supported, level=level)
    low, high = found.detectable_range()
    verdict = Verdict(
        leader=table.index[0],
        runner_up=table.index[1],
        supported=supported,
        candidates=tuple(table.index[table["candidate"]]),
        ruled_out=tuple(table.index[~table["candidate"]]),
        against=table[
            ["mean", "behind", "low", "high", "answer", "note", "p", "candidate"]
        ],
        detectable=float(found.detectable(1 - level)[0]),
        detectable_range=(float(low[0]), float(high[0])),
        scope=scope(grid),
        hangs_on=hangs_on,
        sentence="",
    )
    return replace(verdict, sentence=words.sentence(grid, verdict, margin))


def pairs_of(grid: Grid, level: float = LEVEL) -> Pairs:
    """Every loss less every other one, with the reach of simultaneous intervals."""
    count = len(grid.losses)
    a, b = np.triu_indices(count, 1)
    found = contrast(grid, a, b)
    # of two losses half the level, so that "behind" and "best" are one answer
    reach = found.reach(level / max(count - 1, 2))
    full = np.zeros((3, count, count))
    for k, values in enumerate((found.mean, found.p, reach)):
        full[k, a, b] = values
        full[k, b, a] = -values if k == 0 else values
    return Pairs(*full)


def is_best(grid: Grid, *, level: float = LEVEL) -> bool:
    """Whether the loss with the best mean is shown to be the best of all.

    Args:
        level: how often a loss that is not better may be called the best.
    """
    order = np.argsort(-grid.overall, kind="stable")
    shown = _shown(_ahead(grid, order), level)
    if shown and grid.seen is not None and not grid.seen[..., order[0]].all():
        shown = _shown(_ahead(_at_worst(grid, int(order[0])), order), level)
    return shown


def _ahead(grid: Grid, order: np.ndarray) -> Contrast:
    """The first of an order less each of the others."""
    return contrast(grid, np.full(len(order) - 1, order[0]), order[1:])


def _shown(found: Contrast, level: float) -> bool:
    """Whether every difference is above 0 and shown."""
    return bool((found.p < level).all() and (found.mean > 0).all())


def _at_worst(grid: Grid, leader: int) -> Grid:
    """The grid with the missing cells of a loss at the lowest score there."""
    means = grid.means.copy()
    seen = np.ones(means.shape, bool) if grid.seen is None else grid.seen
    lowest = np.where(seen, means, np.inf).min(2)
    gaps = ~seen[..., leader] & np.isfinite(lowest)
    means[..., leader][gaps] = lowest[gaps]
    return replace(grid, means=means)


def _hangs_on(grid: Grid, *, supported: bool, level: float) -> tuple[str, ...]:
    """Data sets and networks without which the answer for the leader is another one."""
    leader, found = int(grid.overall.argmax()), []
    for axis, least in (("dataset", 3), ("model", 2)):
        names = grid.names(axis)
        for i, name in enumerate(names if len(names) >= least else ()):
            rest = grid.take(axis, [j for j in range(len(names)) if j != i])
            order = np.argsort(-rest.overall, kind="stable")
            if order[0] != leader or (supported and not is_best(rest, level=level)):
                found.append(str(name))
    return tuple(found)


def _against(
    pairs: Pairs, order: np.ndarray, *, supported: bool, level: float, found: Contrast
) -> pd.DataFrame:
    """How far each loss is behind the best of the others, in the order of the means."""
    ahead = pairs.mean.copy()  # of k less l
    np.fill_diagonal(ahead, -np.inf)
    low = (ahead - pairs.reach).max(0)[order]
    high = (ahead + pairs.reach).max(0)[order]
    limit = (ahead + pairs.reach).argmax(0)[order]
    behind = ahead.max(0)[order]
    if supported:  # the leader's tests speak at their own level then
        least = found.interval(1 - level)[0]
        low[1:] = np.fmax(low[1:], least)
        high[0] = np.fmin(high[0], -least.min())
    columns = {
        "behind": behind,
        "low": low,
        "high": high,
        "p": np.append(np.nan, found.p),
        "limit": limit,
    }
    return pd.DataFrame(columns)


def _answers(table: pd.DataFrame, margin: float, *, supported: bool) -> list[str]:
    """Best, alike, behind or undecided, a word a loss."""
    found = []
    for place, (low, high) in enumerate(table[["low", "high"]].to_numpy()):
        if supported:
            found.append(BEHIND if place else BEST)
        elif low > 0:
            found.append(BEHIND)
        else:
            found.append(ALIKE if high < margin else UNDECIDED)
    return found
