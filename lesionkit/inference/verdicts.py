"""What a table says of its losses: a winner, those that are ruled out, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesionkit.inference.contrasts import Contrast, contrast, scope
from lesionkit.inference.grids import Grid

LEVEL = 0.05  # of a false winner, and of ruling out the best loss
MARGIN = 0.01  # differences below this are alike in practice; Dice points


@dataclass(frozen=True)
class Verdict:
    """The answer to: is one loss the best, and which may be?

    Attributes:
        leader: the loss with the highest mean.
        runner_up: the next one.
        supported: whether the leader is shown to be the best of all.
        candidates: the losses that may be the best, the leader first.
        ruled_out: those that are shown not to be the best.
        against: a row a loss in the order of the means: mean, behind (the leader less
            the loss), low, high (95 %), p, candidate.
        detectable: smallest difference between leader and runner-up that a table like
            this would show with probability 0.8; NaN where nothing can be said.
        scope: what this speaks of; "" where nothing can be said.
        sentence: all of it in plain words.
    """

    leader: str
    runner_up: str
    supported: bool
    candidates: tuple[str, ...]
    ruled_out: tuple[str, ...]
    against: pd.DataFrame
    detectable: float
    scope: str
    sentence: str


def judge(grid: Grid, *, level: float = LEVEL, margin: float = MARGIN) -> Verdict:
    """The verdict on a grid.

    The leader is supported as the best if the two-sided test against every other loss
    is below `level`: then a table of equal losses has a supported winner at most that
    often, whoever it is. A loss is ruled out if another one beats it with a two-sided p
    below level / (losses - 1): then the best loss is ruled out at most that often.

    Args:
        level: of both errors.
        margin: difference below which two losses are alike in practice.

    Source: Gutmann and Maymi, Ann. Statist. 15 (1987) 456-460 (the winner); Hsu, Ann.
    Statist. 12 (1984) 1136-1144, with Bonferroni's bound (those that may be the best).
    """
    order = np.argsort(-grid.overall, kind="stable")
    count = len(order)
    behind = contrast(grid, np.full(count - 1, order[0]), order[1:])
    supported = bool((behind.p < level).all() and (behind.mean > 0).all())
    allowed = np.arange(count) == 0
    if not supported:
        allowed[1:] = [_may_be_best(grid, loss, level) for loss in order[1:]]
    table = _against(grid, order, behind, allowed)
    names, detectable = table.index, float(behind.detectable(1 - level)[0])
    return Verdict(
        leader=names[0],
        runner_up=names[1],
        supported=supported,
        candidates=tuple(names[allowed]),
        ruled_out=tuple(names[~allowed]),
        against=table,
        detectable=detectable,
        scope=scope(grid),
        sentence=_sentence(grid, table, supported, detectable, margin),
    )


def _may_be_best(grid: Grid, loss: int, level: float) -> bool:
    """Whether no other loss surely beats this one."""
    others = np.delete(np.arange(len(grid.losses)), loss)
    ahead = contrast(grid, others, np.full(len(others), loss))
    return not ((ahead.mean > 0) & (ahead.p * len(others) < level)).any()


def _against(
    grid: Grid, order: np.ndarray, behind: Contrast, allowed: np.ndarray
) -> pd.DataFrame:
    """Each loss against the leader, in the order of the means."""
    low, high = behind.interval()
    columns = {
        "mean": grid.overall[order],
        "behind": np.append(0.0, behind.mean),
        "low": np.append(np.nan, low),
        "high": np.append(np.nan, high),
        "p": np.append(np.nan, behind.p),
        "candidate": allowed,
    }
    names = pd.Index([grid.losses[i] for i in order], name="loss")
    return pd.DataFrame(columns, index=names)


def _sentence(
    grid: Grid,
    table: pd.DataFrame,
    supported: bool,
    detectable: float,
    margin: float,
) -> str:
    """The verdict in plain words."""
    (leader, second), of, where = table.index[:2], scope(grid), _where(grid)
    gap, low, high = table.loc[second, ["behind", "low", "high"]]
    if not of:
        return (
            f"Nothing can be said: {leader} has the highest mean {grid.metric}, "
            f"{gap:.4f} above {second}, but one run a cell on one data set does not "
            "show how much runs differ by chance."
        )
    if supported:
        return (
            f"{leader} is supported as the best of {len(table)} losses for "
            f"{of}: {gap:.4f} {grid.metric} above {second} "
            f"(95 % interval {low:.4f} to {high:.4f}), {where}."
        )
    text = (
        f"No loss is supported as the best for {of}: {leader} leads "
        f"{second} by {gap:.4f} {grid.metric}, and {where} a difference "
        f"below {detectable:.4f} would not show. "
    )
    return text + _candidates(table, margin)


def _where(grid: Grid) -> str:
    """How much was looked at."""
    runs = f"{number_of(grid.repeats, 'run')} a cell" if grid.repeats else "cell means"
    return (
        f"over {number_of(len(grid.datasets), 'data set')} and "
        f"{number_of(len(grid.models), 'network')} with {runs}"
    )


def number_of(count: int, name: str) -> str:
    """A number with its noun."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def _candidates(table: pd.DataFrame, margin: float) -> str:
    """Which losses are left, and whether they are alike."""
    left, out = table[table["candidate"]], table[~table["candidate"]]
    named = ", ".join(left.index)
    if out.empty:
        text = f"None of the {len(left)} losses is ruled out."
    else:
        text = f"May be the best: {named}. Ruled out: {', '.join(out.index)}."
    if len(left) > 1 and (left["high"].iloc[1:] < margin).all():
        text += (
            f" Those that are left differ from {left.index[0]} by less than "
            f"{margin:g}: take any of them."
        )
    return text
