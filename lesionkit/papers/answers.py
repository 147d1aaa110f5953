"""How a table answers a claim: orders, ranks, points, sizes, likeness, opposite moves.

Every answer is taken from `contrasts.weighted`, at 5 %. A claim of several parts is
supported if each of them is (an intersection of tests needs no correction); it is
contradicted if the opposite of one is shown with Bonferroni's correction over all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, rankdata

from lesionkit.inference import ranking, resampling
from lesionkit.inference.contrasts import Contrast, contrast, scope, weighted
from lesionkit.inference.grids import Grid, full_grid
from lesionkit.inference.planning import more_data
from lesionkit.inference.verdicts import judge

SUPPORTED, NOT_SUPPORTED = "supported", "not supported"
CONTRADICTED, UNTESTABLE = "contradicted", "untestable with these runs"
LEVEL = 0.05
ONE_SIDED = 1 - 2 * LEVEL  # of an interval that leaves LEVEL on each side
RUNS = "at least two repeats in every cell, or two data sets"
WORDS = {"dataset": "data sets", "model": "models"}


@dataclass(frozen=True)
class Answer:
    """A verdict, what it rests on, and what would decide it where it is open."""

    verdict: str
    evidence: str
    more: str


class Untestable(ValueError):
    """A table does not hold what a claim speaks of: why, and what would do."""


def grid_of(
    table: pd.DataFrame, metric: str = "dice", losses: Sequence[str] = ()
) -> Grid:
    """The grid of these losses; by default of all.

    Raises:
        Untestable: there is none.
    """
    if lacking := [name for name in losses if name not in set(table["loss"])]:
        raise Untestable(f"no run of {', '.join(lacking)}", "runs of them")
    if metric not in table:
        raise Untestable(f"no column {metric}", "run records that have it")
    rows = table[table["loss"].isin(losses)] if losses else table
    try:
        # little background is no failure of a run
        failed = "as they are" if "background" in metric else "charged"
        grid = full_grid(rows, metric, failed=failed)
    except ValueError as error:
        raise Untestable(str(error), "runs of two losses or more") from None
    if gone := [name for name in losses if name not in grid.losses]:
        raise Untestable(f"{', '.join(gone)}: cells are missing", "all cells")
    alone = len(grid.datasets) == 1 and grid.images is None and not grid.spread_known
    if alone or not scope(grid):
        raise Untestable("one run a cell on one data set", RUNS)
    return grid


def _place(grid: Grid, loss: str) -> int:
    """Where a loss stands in a grid of all."""
    if loss in grid.losses:
        return grid.losses.index(loss)
    raise Untestable(f"no run of {loss}", "runs of it")


def _joint(shown: np.ndarray, opposite: np.ndarray) -> str:
    """The verdict on several statements from the p of each and of its opposite."""
    if (opposite * len(opposite) < LEVEL).any():
        return CONTRADICTED
    return SUPPORTED if (shown < LEVEL).all() else NOT_SUPPORTED


def _sided(p: float, *, as_claimed: bool) -> str:
    """The verdict on one statement from a two-sided p and the side that is seen."""
    if p < LEVEL:
        return SUPPORTED if as_claimed else CONTRADICTED
    return NOT_SUPPORTED


def _told(found: Contrast, i: int = 0, level: float = 0.95, form: str = "+.4f") -> str:
    """A difference with its interval."""
    low, high = (end[i] for end in found.interval(level))
    which = "" if level == 0.95 else f"{100 * level:.0f} % "
    return f"{found.mean[i]:{form}} ({which}{low:{form}} to {high:{form}})"


def ordered(
    table: pd.DataFrame,
    *,
    pairs: Sequence[tuple[str, str]],
    metrics: Sequence[str] = ("dice",),
    only: Mapping[str, str] | None = None,
    between: str = "loss",
    order: Sequence[str] = (),
) -> Answer:
    """Whether the first of each pair is above the second, in each metric.

    Args:
        only: column and value of the rows that count.
        between: "loss", or "model": then models are compared over losses.
        order: the whole order claimed, whose agreement with the table is told.
    """
    for column, value in (only or {}).items():
        table = table[table[column] == value]
        if table.empty:
            raise Untestable(f"no run with {column} {value}", "runs of it")
    if between == "model":
        table = table.rename(columns={"model": "loss", "loss": "model"})
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    grids = [grid_of(table, metric, names) for metric in metrics]
    found = [_of_pairs(grid, pairs) for grid in grids]
    shown = np.concatenate([each.greater() for each in found])
    opposite = np.concatenate([each.less() for each in found])
    i = int(np.argmax(shown))
    (which, k), grid = divmod(i, len(pairs)), grids[i // len(pairs)]
    where = scope(grids[0])
    if between == "model":
        where = where.replace("networks", "losses")
    weakest = f"{' minus '.join(pairs[k])} in {grid.metric}"
    evidence = (
        f"{(shown < LEVEL).sum()} of {len(shown)} orders shown; the weakest, "
        f"{weakest}: {_told(found[which], k, ONE_SIDED)}; for {where}"
    )
    if order:
        places = np.argsort(-grids[0].overall, kind="stable")
        here = [grids[0].losses[i] for i in places]
        tau = kendalltau(range(len(order)), [here.index(name) for name in order])
        evidence += f"; here {', '.join(here)} (Kendall's tau {tau.statistic:.2f})"
    more = more_data(grid, float(found[which].mean[k]))
    return Answer(_joint(shown, opposite), evidence, more)


def _of_pairs(grid: Grid, pairs: Sequence[Sequence[str]]) -> Contrast:
    """The first of each pair less the second."""
    places = np.array([[grid.losses.index(name) for name in pair] for pair in pairs])
    return contrast(grid, places[:, 0], places[:, 1])


def ranks(table: pd.DataFrame, *, loss: str, published: Mapping[str, int]) -> Answer:
    """Whether a loss has these ranks: as many are above it as that, and no more.

    The ranks that a loss may have lie between 1 + those surely above it and all less
    those surely below it, with Bonferroni's correction over the others and metrics.
    """
    verdicts, parts, weakest = [], [], ""
    for metric, rank in published.items():
        grid = grid_of(table, metric)
        mine = _place(grid, loss)
        others = np.delete(np.arange(len(grid.losses)), mine)
        found = contrast(grid, others, np.full(len(others), mine))
        sure = found.p * len(others) * len(published) < LEVEL
        best = 1 + int((sure & (found.mean > 0)).sum())
        worst = len(grid.losses) - int((sure & (found.mean < 0)).sum())
        here = 1 + int((found.mean > 0).sum())
        parts.append(f"{metric} {here} (may be {best} to {worst})")
        verdict = SUPPORTED if best == worst else NOT_SUPPORTED
        verdicts.append(verdict if best <= rank <= worst else CONTRADICTED)
        gaps = np.abs(found.mean[~sure])
        weakest = weakest or (more_data(grid, float(gaps.min())) if len(gaps) else "")
    verdict = next(v for v in (CONTRADICTED, NOT_SUPPORTED, SUPPORTED) if v in verdicts)
    return Answer(verdict, f"rank of {loss} here: {', '.join(parts)}", weakest)


def most_points(
    table: pd.DataFrame, *, loss: str, rows: str, published: float
) -> Answer:
    """Whether a loss leads in podium points by more than chance gives the first.

    Chance is that of equal losses with the effects on single data sets and networks
    that the table shows (`resampling.points_by_chance`).
    """
    grid = grid_of(table)
    _place(grid, loss)
    points = ranking.points_of(grid.at_level(rows)).loc["points"]
    count, mine, best = len(grid.names(rows)), points[loss], points.iloc[0]
    try:
        chance = resampling.points_by_chance(grid, rows)
    except ValueError as error:
        raise Untestable(str(error), RUNS) from None
    p = float((chance >= best - 1e-9).mean())
    leads = bool(mine >= best)
    first = "it leads" if leads else f"{points.index[0]} leads with {best:g}"
    evidence = (
        f"{loss} has {mine:g} of {points.sum():g} points over {count} "
        f"{WORDS[rows]} here, {published:g} in the paper; {first}; the best of "
        f"{len(grid.losses)} losses that are equal but for their own effects on single "
        f"data sets and networks has {best:g} or more with probability {p:.2f}"
    )
    verdict = _sided(p, as_claimed=leads)
    return Answer(
        verdict, evidence, "a test of the mean scores; more podium points would not"
    )


def none_best(table: pd.DataFrame, *, axes: Sequence[str]) -> Answer:
    """Whether no single loss may be the best in every data set (or with every model).

    In each row the losses are found that are not behind there (`verdicts.judge`, with
    Bonferroni's correction over the rows of all axes). Supported: none is among them in
    all rows of an axis. Contradicted: one is supported as the best in every row.
    """
    whole = grid_of(table)
    parts, emptied, everywhere = [], False, False
    for axis in axes:
        count = len(whole.names(axis))
        rows = [whole.take(axis, [i]) for i in range(count)]
        if count < 2 or not all(map(scope, rows)):
            continue
        found = [judge(row, level=LEVEL / count / len(axes)) for row in rows]
        left = set(whole.losses).intersection(*(v.candidates for v in found))
        leaders = {v.leader for v in found}
        everywhere |= len(leaders) == 1 and all(v.supported for v in found)
        emptied |= not left
        kept = [name for name in whole.losses if name in left]
        highest, best = ", ".join(sorted(leaders)), ", ".join(kept) or "none"
        told = f"over {count} {WORDS[axis]} the highest mean is that of {highest}"
        parts.append(f"{told}; may be the best in all: {best}")
    if not parts:
        why = f"one {' and one '.join(axes)}, or single runs"
        raise Untestable(why, "two of them with repeats")
    verdict = SUPPORTED if emptied else CONTRADICTED if everywhere else NOT_SUPPORTED
    more = (
        "more repeats for each data set and each network"
        if verdict == NOT_SUPPORTED
        else ""
    )
    return Answer(verdict, "; ".join(parts), more)


def better_on_average(
    table: pd.DataFrame, *, first: Sequence[str], second: Sequence[str]
) -> Answer:
    """Whether the mean of some losses is above the mean of others."""
    grid = grid_of(table, "dice", [*first, *second])
    above, below = (np.isin(grid.losses, names) for names in (first, second))
    found = weighted(grid, (above / len(first) - below / len(second))[None])
    mean = float(found.mean[0])
    verdict = _sided(found.p[0], as_claimed=mean > 0)
    less = f"{', '.join(first)} minus {', '.join(second)}"
    evidence = f"{less}: {_told(found)} for {scope(grid)}"
    return Answer(verdict, evidence, more_data(grid, mean))


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
        outside.extend(2 * np.minimum(found.greater(margin), found.less(-margin)))
        inside.extend(np.maximum(found.less(margin), found.greater(-margin)))
        i = int(np.abs(found.mean).argmax())
        parts.append(
            f"{column}: largest difference {grid.losses[a[i]]} minus "
            f"{grid.losses[b[i]]} {_told(found, i, ONE_SIDED)}, margin {margin:g}"
        )
        more = more or more_data(grid, margin)
    verdict = _joint(np.array(inside), np.array(outside))
    return Answer(verdict, "; ".join(parts), more)


def moves_against(table: pd.DataFrame, *, first: str, second: str) -> Answer:
    """Whether losses that are higher in one column are lower in another, cell by cell.

    The rank correlation over the losses is taken in every run that has both columns (or
    cell mean), and its mean is tested against none.
    """
    there = table.dropna(subset=list({first, second} & {*table.columns}))
    one, other = grid_of(there, first), grid_of(there, second)
    if len(one.losses) < 4:
        raise Untestable("fewer than four losses with both", "more losses")
    found = _correlations(one, other)
    both = np.stack([found, np.zeros_like(found)], 2)  # (D, M, 2, R)
    repeats = both.shape[3]
    seen = [g.seen.all(2) for g in (one, other) if g.seen is not None]
    against_none = replace(
        one,
        losses=("correlation", "none"),
        means=both.mean(3),
        deviations=both.std(3, ddof=int(repeats > 1)),
        repeats=repeats,
        runs=both,
        seen=np.stack([np.all(seen, 0)] * 2, 2) if seen else None,
        unit=0.0,
        images=None,
    )
    if not scope(against_none):
        raise Untestable("one data set without single runs", RUNS)
    found = _of_pairs(against_none, [("correlation", "none")])
    verdict = _sided(found.p[0], as_claimed=found.mean[0] < 0)
    evidence = f"rank correlation of {first} and {second} over {len(one.losses)} losses"
    evidence += f", mean of the cells: {_told(found, form='+.2f')}"
    return Answer(verdict, evidence, "more cells")


def _correlations(one: Grid, other: Grid) -> np.ndarray:
    """Spearman's correlation over the losses in every run or cell, (D, M, R)."""
    scores = (g.means[..., None] if g.runs is None else g.runs for g in (one, other))
    a, b = (rankdata(x, axis=2) - (len(one.losses) + 1) / 2 for x in scores)
    with np.errstate(invalid="ignore"):  # 0 where all losses are equal
        return np.nan_to_num((a * b).sum(2) / np.sqrt((a**2).sum(2) * (b**2).sum(2)))


def traded_by_alpha(table: pd.DataFrame) -> Answer:
    """Whether precision is above recall for alpha below 0.5, and below it above 0.5."""
    if "alpha" not in table or not {"precision", "recall"} <= set(table):
        raise Untestable("no alpha, precision and recall", "run records")
    below, above = table["alpha"] < 0.5, table["alpha"] > 0.5
    scores, shown, opposite, parts = ["precision", "recall"], [], [], []
    for side, rows, pair in (("below", below, scores), ("above", above, scores[::-1])):
        if not rows.any():
            raise Untestable(f"no run with alpha {side} 0.5", "runs on both sides")
        here = table[rows].assign(model=table["model"] + " " + table["loss"])
        apart = pd.concat([here.assign(loss=s, score=here[s]) for s in scores])
        found = _of_pairs(grid_of(apart.reset_index(drop=True), "score"), [pair])
        told = f"{' minus '.join(pair)}: {_told(found, level=ONE_SIDED)}"
        parts.append(f"alpha {side} 0.5, {told}")
        shown.append(float(found.greater()[0]))
        opposite.append(float(found.less()[0]))
    verdict = _joint(np.array(shown), np.array(opposite))
    return Answer(verdict, "; ".join(parts), RUNS)
