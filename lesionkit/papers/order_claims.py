"""Claims about an order: who is above whom, at which rank, with how many points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from lesionkit.inference import ranking
from lesionkit.inference.contrasts import contrast, scope
from lesionkit.inference.grids import Grid
from lesionkit.inference.planning import more_data
from lesionkit.inference.verdicts import judge
from lesionkit.papers.answers import (
    CONTRADICTED,
    LEVEL,
    NOT_SUPPORTED,
    SUPPORTED,
    Answer,
    Untestable,
    grid_of,
    joint,
    testable,
)

WORDS = {"dataset": "data set", "model": "model"}


@testable
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
            raise Untestable(f"no run with {column} {value}; needs runs of it")
    if between == "model":
        table = table.rename(columns={"model": "loss", "loss": "model"})
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    grids = [grid_of(table, metric, names) for metric in metrics]
    parts = [_orders(grid, pairs) for grid in grids]
    shown, opposite = (np.concatenate([p[k] for p in parts]) for k in (0, 1))
    weakest = max(parts, key=lambda part: part[0].max())
    verdict = joint(shown, opposite)
    evidence = (
        f"{(shown < LEVEL).sum()} of {len(shown)} orders shown; the weakest, "
        f"{weakest[2]}; for {scope(grids[0])}{_agreement(grids[0], order)}"
    )
    return Answer(verdict, evidence, "" if verdict == SUPPORTED else weakest[3])


def _orders(
    grid: Grid, pairs: Sequence[tuple[str, str]]
) -> tuple[np.ndarray, np.ndarray, str, str]:
    """One-sided p of every pair and of its opposite; the weakest, what decides it."""
    first, second = (np.array([grid.losses.index(p[k]) for p in pairs]) for k in (0, 1))
    found = contrast(grid, first, second)
    shown = found.greater()
    i = int(np.argmax(shown))
    low, high = (float(end[i]) for end in found.interval())
    weakest = (
        f"{pairs[i][0]} less {pairs[i][1]} in {grid.metric}: "
        f"{found.mean[i]:+.4f} ({low:+.4f} to {high:+.4f})"
    )
    return shown, 1 - shown, weakest, more_data(grid, float(found.mean[i]))


def _agreement(grid: Grid, order: Sequence[str]) -> str:
    """How a claimed order agrees with that of the means."""
    if not order:
        return ""
    here = [grid.losses[i] for i in np.argsort(-grid.overall, kind="stable")]
    tau = kendalltau(range(len(order)), [here.index(name) for name in order])
    return f"; here {', '.join(here)} (Kendall's tau {tau.statistic:.2f})"


@testable
def ranks(table: pd.DataFrame, *, loss: str, published: Mapping[str, int]) -> Answer:
    """Whether a loss has these ranks: as many are above it as that, and no more.

    The ranks that a loss may have lie between 1 + those surely above it and all less
    those surely below it, with Bonferroni's correction over the others and metrics.
    """
    verdicts, parts, weakest = [], [], ""
    for metric, rank in published.items():
        grid = grid_of(table, metric, ())
        if loss not in grid.losses:
            raise Untestable(f"no run of {loss}; needs runs of it")
        mine = grid.losses.index(loss)
        others = np.array([i for i in range(len(grid.losses)) if i != mine])
        found = contrast(grid, others, np.full(len(others), mine))
        sure = found.p * len(others) * len(published) < LEVEL
        best = 1 + int((sure & (found.mean > 0)).sum())
        worst = len(grid.losses) - int((sure & (found.mean < 0)).sum())
        here = 1 + int((found.mean > 0).sum())
        parts.append(f"{metric} {here} (may be {best} to {worst})")
        verdicts.append(_of_rank(rank, best, worst))
        gaps = np.abs(found.mean[~sure])
        weakest = weakest or (more_data(grid, float(gaps.min())) if len(gaps) else "")
    verdict = next(v for v in (CONTRADICTED, NOT_SUPPORTED, SUPPORTED) if v in verdicts)
    evidence = f"rank of {loss} here: {', '.join(parts)}"
    return Answer(verdict, evidence, "" if verdict == SUPPORTED else weakest)


def _of_rank(rank: int, best: int, worst: int) -> str:
    """The verdict on a rank, where a loss may have those from best to worst."""
    if not best <= rank <= worst:
        return CONTRADICTED
    return SUPPORTED if best == worst else NOT_SUPPORTED


@testable
def most_points(
    table: pd.DataFrame, *, loss: str, rows: str, published: float
) -> Answer:
    """Whether a loss leads in podium points by more than chance gives the first."""
    grid = grid_of(table)
    if loss not in grid.losses:
        raise Untestable(f"no run of {loss}; needs runs of it")
    values = grid.means.mean(1 if rows == "dataset" else 0)
    points = np.sum([ranking.row_points(row) for row in values], axis=0)
    mine, best = points[grid.losses.index(loss)], points.max()
    leader = grid.losses[int(points.argmax())]
    chance = ranking.chance_of_podium(len(values), len(grid.losses))
    p = float((chance >= best - 1e-9).mean())
    leads = mine >= best
    verdict = NOT_SUPPORTED
    if p < LEVEL:
        verdict = SUPPORTED if leads else CONTRADICTED
    first = "it leads" if leads else f"{leader} leads with {best:g}"
    evidence = (
        f"{loss} has {mine:g} of {points.sum():g} points over {len(values)} "
        f"{WORDS[rows]}s here, {published:g} in the paper; {first}; the best of "
        f"{len(grid.losses)} equal losses has {best:g} or more with probability {p:.2f}"
    )
    decide = "" if verdict == SUPPORTED else "a mean difference, not more points"
    return Answer(verdict, evidence, decide)


@testable
def no_loss_best_in_every(table: pd.DataFrame, *, axes: Sequence[str]) -> Answer:
    """Whether no single loss may be the best in every data set (or with every model).

    In each row the losses are found that may be the best there (`verdicts.judge`, with
    Bonferroni's correction over the rows). Supported: none is among them in all rows.
    Contradicted: one is supported as the best in every row.
    """
    whole = grid_of(table)
    parts, emptied, everywhere = [], False, False
    for axis in axes:
        names = whole.names(axis)
        if len(names) < 2:
            continue
        level = LEVEL / len(names)
        rows = [whole.take(axis, [i]) for i in range(len(names))]
        found = [judge(row, level=level) for row in rows]
        if not all(v.scope for v in found):
            continue
        left = set(whole.losses).intersection(*(v.candidates for v in found))
        leaders = {v.leader for v in found}
        winners = {v.leader if v.supported else None for v in found}
        everywhere |= len(winners) == 1 and None not in winners
        emptied |= not left
        kept = [name for name in whole.losses if name in left]
        parts.append(
            f"over {len(names)} {WORDS[axis]}s the highest mean is that of "
            f"{', '.join(sorted(leaders))}; may be the best in all: "
            f"{', '.join(kept) or 'none'}"
        )
    if not parts:
        raise Untestable(
            f"one {' and one '.join(axes)}, or single runs; needs two of them with "
            "repeats"
        )
    verdict = SUPPORTED if emptied else CONTRADICTED if everywhere else NOT_SUPPORTED
    more = "" if verdict != NOT_SUPPORTED else "more repeats in every row"
    return Answer(verdict, "; ".join(parts), more)
