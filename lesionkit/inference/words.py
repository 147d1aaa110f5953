"""A verdict and its words: its sentence, and a note on each loss that needs one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesionkit.inference.grids import Grid

MOST = 0.5  # of the gap on one data set is worth a word
LITTLE = 0.2  # of the margin: where such a gap lies says nothing
STEADY = 0.8  # of the rows lower is worth a word
NAMED = 3  # names in a row; the rest is counted
TIED = 1e-12
WORDS = {"dataset": "data set", "model": "network"}


@dataclass(frozen=True)
class Verdict:
    """The answer to: is one loss the best, and what of the others?

    Attributes:
        leader: the loss with the best mean.
        runner_up: the next one.
        supported: whether the leader is shown to be the best of all.
        candidates: the losses that are not shown to be behind, the leader first.
        ruled_out: those that are.
        against: a row a loss, the best mean first: mean; behind, how far it is behind
            the best of the others (negative: ahead of them); low, high, the interval of
            that at the level that decides; answer; note, what a reader should know;
            p, of the difference to the leader; candidate.
        detectable: true difference of leader and runner-up that a table like this would
            show with probability 0.8; NaN where nothing can be said.
        detectable_range: from where to where it may lie (10 to 90 %).
        scope: what this speaks of; "" where nothing can be said.
        hangs_on: data sets and networks without which another loss leads, or the leader
            is not shown to be the best any more.
        sentence: all of it in plain words.
    """

    leader: str
    runner_up: str
    supported: bool
    candidates: tuple[str, ...]
    ruled_out: tuple[str, ...]
    against: pd.DataFrame
    detectable: float
    detectable_range: tuple[float, float]
    scope: str
    hangs_on: tuple[str, ...]
    sentence: str


def of_losses(grid: Grid, table: pd.DataFrame, margin: float) -> list[str]:
    """What a reader should know of each loss beside its answer, "" where nothing.

    Args:
        table: of the verdict: behind, low, high, answer; `limit`, the loss that `high`
            is due to; the losses in its index.
    """
    leader = table.index[0]
    behind = table["answer"] == "behind"
    last_shown = int(np.argmax(behind)) if behind.any() else len(table)
    found = []
    for place, loss in enumerate(table.index):
        said, row = _failures(grid, loss), table.iloc[place]
        if place and row["answer"] != "alike":
            small = abs(row["behind"]) < LITTLE * margin
            said += _against(grid, leader, loss, small=small)
        if not place and row["answer"] == "undecided" and np.isfinite(row["high"]):
            said.append(f"{row['limit']} may be up to {amount(row['high'])} ahead")
        if row["answer"] == "behind" and row["high"] < margin:
            said.append(f"by less than {margin:g}")
        if row["answer"] == "undecided" and place > last_shown:
            said.append(_unsteady(grid, leader, loss, table.index[last_shown]))
        found.append("; ".join(said))
    return found


def _failures(grid: Grid, loss: str) -> list[str]:
    """How many runs failed, and how many cells are missing."""
    said = []
    if count := grid.failed.get(loss, 0):
        said.append(f"{number_of(count, 'run')} failed")
    if grid.seen is not None:
        missing = int((~grid.seen[..., grid.losses.index(loss)]).sum())
        if missing:
            said.append(f"{missing} of {number_of(grid.cells, 'cell')} missing")
    return said


def _gaps(grid: Grid, leader: str, loss: str) -> tuple[str, np.ndarray, list[str]]:
    """Leader less a loss, a row a data set (of one data set: a network)."""
    axis = "dataset" if len(grid.datasets) > 1 else "model"
    level = grid.at_level(axis)
    return axis, (level[leader] - level[loss]).to_numpy(), list(grid.names(axis))


def _against(grid: Grid, leader: str, loss: str, *, small: bool) -> list[str]:
    """Whether a loss is lower everywhere, and where most of a larger gap is."""
    axis, gaps, names = _gaps(grid, leader, loss)
    if len(gaps) < 2 or gaps.sum() <= 0:
        return []
    side = "higher" if grid.lower_is_better else "lower"
    lower, many = int((gaps > 0).sum()), len(gaps)
    said = []
    if lower == many:
        every = "both" if many == 2 else f"all {many}"
        said.append(f"{side} than {leader} on {every} {WORDS[axis]}s")
    elif lower >= STEADY * many:
        said.append(f"{side} than {leader} on {lower} of {many} {WORDS[axis]}s")
    share = gaps.max() / np.abs(gaps).sum()
    if many > 2 and share > MOST and not small:
        said.append(f"{100 * share:.0f} % of its gap is on {names[int(gaps.argmax())]}")
    return said


def _unsteady(grid: Grid, leader: str, loss: str, other: str) -> str:
    """Why a loss is open that has a lower mean than one that is behind."""
    gaps = [_gaps(grid, leader, name)[1] for name in (loss, other)]
    if len(gaps[0]) > 1 and (least := float(gaps[1].std())) > 0:
        times = float(gaps[0].std()) / least
        return f"not shown: its gap varies {times:.1f} times that of {other}"
    return f"not shown: its gap varies more than that of {other}"


def sentence(grid: Grid, verdict: Verdict, margin: float) -> str:
    """The verdict in plain words."""
    leader, second, of = verdict.leader, verdict.runner_up, verdict.scope
    gap = -verdict.against["behind"].iloc[0]
    if not of:
        runs = "one run a cell" if grid.repeats else "a mean a cell"
        return (
            f"Nothing can be said: {leader} has the best mean {grid.metric}, "
            f"{amount(gap)} ahead of {second}, but {runs} on one data set with one "
            "network does not show how much runs differ by chance."
        )
    where = _where(grid)
    if verdict.supported:
        low, high = -verdict.against[["high", "low"]].iloc[0]
        return (
            f"{leader} is supported as the best of {len(verdict.against)} losses for "
            f"{of}: {amount(gap)} {grid.metric} ahead of {second} (95 % interval "
            f"{amount(low)} to {amount(high)}), {where}. {_stable(verdict)}"
        ).strip()
    text = (
        f"No loss is supported as the best for {of}: {first(verdict, grid.metric)}, "
        f"{where}. "
        f"{_stable(verdict)} {_power(verdict)} {_answers(verdict, margin)}"
    )
    return " ".join(text.split())


def first(verdict: Verdict, metric: str = "") -> str:
    """Who leads whom by how much, or who ties."""
    behind = verdict.against["behind"]
    gap, of = -behind.iloc[0], f" {metric}" if metric else ""
    if gap < TIED:
        return f"{_named(behind.index[behind.abs() < TIED])} tie in mean{of}"
    return f"{verdict.leader} leads {verdict.runner_up} by {amount(gap)}{of}"


def amount(value: float) -> str:
    """A difference with four decimals, a tiny one in powers of ten."""
    return f"{value:.1e}" if 0 < abs(value) < 0.0001 else f"{value:.4f}"


def _where(grid: Grid) -> str:
    """How much was looked at."""
    runs = f"{number_of(grid.repeats, 'run')} a cell" if grid.repeats else "cell means"
    text = (
        f"over {number_of(len(grid.datasets), 'data set')} and "
        f"{number_of(len(grid.models), 'network')} with {runs}"
    )
    if grid.seen is not None:
        text += f", {int((~grid.seen).sum())} of {grid.seen.size} cells missing"
    return text


def _stable(verdict: Verdict) -> str:
    """Data sets or networks without which another loss leads, in words."""
    if not verdict.hangs_on:
        return ""
    several = "any one of " if len(verdict.hangs_on) > 1 else ""
    without = f"without {several}{_named(verdict.hangs_on, 'or')} "
    if verdict.supported:
        return (
            f"This depends on single data sets or networks: {without}it is not shown."
        )
    of = "single data sets or networks"
    return f"The lead depends on {of}: {without}another loss leads."


def _power(verdict: Verdict) -> str:
    """Which difference would have been shown."""
    low, high = verdict.detectable_range
    if not verdict.detectable > 0:
        return ""
    return (
        "A table like this shows that two losses differ, with probability 0.8, if they "
        f"truly differ by {amount(verdict.detectable)} (an estimate: {amount(low)} to "
        f"{amount(high)})."
    )


def _answers(verdict: Verdict, margin: float) -> str:
    """Which losses are alike, undecided and behind."""
    words = verdict.against["answer"]
    alike, undecided, behind = (
        list(words.index[words == word]) for word in ("alike", "undecided", "behind")
    )
    parts = []
    if alike:
        parts.append(
            f"Best, or less than {margin:g} behind the best of the others: "
            f"{', '.join(alike)}" + ("; take any of them." if len(alike) > 1 else ".")
        )
    if undecided:
        named = ", ".join(undecided)
        if not (alike or behind) and len(undecided) > NAMED:
            named = f"all {len(undecided)} losses"
        parts.append(f"Undecided: {named}.")
    if behind:
        parts.append(f"Behind: {', '.join(behind)}.")
    return " ".join(parts)


def _named(names: pd.Index | tuple[str, ...], last: str = "and") -> str:
    """Names in a row, the first few."""
    shown = [str(name) for name in names]
    if len(shown) > NAMED:
        shown = [*shown[:NAMED], f"{len(shown) - NAMED} more"]
    if len(shown) == 1:
        return shown[0]
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}"


def number_of(count: int, name: str) -> str:
    """A number with its noun."""
    return f"{count} {name}{'' if count == 1 else 's'}"
