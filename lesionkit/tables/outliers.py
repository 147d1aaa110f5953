"""F2 to F4: cells far out of line, and networks whose losses fall into two groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from lesionkit.tables.findings import (
    Finding,
    finding,
    named,
    plural,
    span,
    spread,
)
from lesionkit.tables.reading import METRICS

FAR = 6.0  # robust deviations from the other losses of the data set and network
BESIDE = 4.5  # the same from where its loss usually lies: 7 in a million if normal
LEAST_CELL = 0.05  # Dice that a cell must be out of line: five times the usual margin
LEAST_GROUP = 3  # losses in each of two campaigns
LEAST_SHARE = 0.2  # of all losses; fewer are losses that do badly there
LEAST_GAP = 0.03  # Dice between the groups of losses
OFTEN = 1 / 3  # of the rows of the network, that have the same groups
ALIKE = 0.9  # of the losses that lie in the same group in two rows
FEW = 30  # losses, below which a row's spread is taken with its data set's
LEAST = 4  # losses, and rows, without which nothing is in line


@dataclass(frozen=True)
class Lines:
    """Cell means as rows (data set and network) and columns (losses).

    Attributes:
        wide: rows x losses; NaN where a cell is missing or failed.
        lowest: what counts as far in the metric's own unit; 0 where that is not known.
    """

    wide: pd.DataFrame
    metric: str

    @cached_property
    def apart(self) -> pd.DataFrame:
        """Scores less the median of their row."""
        return self.wide.sub(self.wide.median(axis=1), axis=0)

    @cached_property
    def left(self) -> pd.DataFrame:
        """What is left when each loss's median of `apart` is taken off, too."""
        return self.apart - self.apart.median()

    @cached_property
    def of_rows(self) -> pd.Series:
        """Robust deviation of the losses of each row.

        With few losses it is no less than that of the whole data set, for the median
        deviation of a handful of numbers may be small by chance.
        """
        own = pd.Series(spread(self.apart.to_numpy(), 1), self.wide.index)
        if self.wide.shape[1] >= FEW:
            return own
        sets = self.apart.groupby(level="dataset")
        whole = {name: float(spread(part.to_numpy())) for name, part in sets}
        return own.clip(lower=own.index.get_level_values("dataset").map(whole))

    def least(self, distance: float) -> float:
        """A distance in Dice for scores from 0 to 1; 0 for metrics of other units."""
        return distance if self.metric in METRICS else 0.0


def lines_of(table: pd.DataFrame, metric: str, failed: pd.Series) -> Lines | None:
    """The table's cells without its failed runs; None if there are too few."""
    rows = table[~failed]
    wide = rows.pivot_table(index=["dataset", "model"], columns="loss", values=metric)
    if min(wide.shape) < LEAST:
        return None
    return Lines(wide, metric)


def campaigns(table: pd.DataFrame, lines: Lines) -> Finding | None:
    """F4: a network or data set whose losses lie in the same two groups repeatedly.

    A row has two groups if the largest gap between its losses, beyond what each loss
    has elsewhere, leaves LEAST_GROUP and LEAST_SHARE or more on either side, and if the
    groups lie FAR robust deviations apart. They count if two rows or more, and
    OFTEN, of one network (or of one data set) have the same groups, but for a few.
    """
    groups = {key: low for key in lines.wide.index if (low := _split(lines, key))}
    told, chosen = [], set()
    for axis in (1, 0):
        every = lines.wide.index.get_level_values(axis)
        for name in every.unique():
            keys = [key for key in groups if key[axis] == name]
            same = _most_alike(keys, groups, lines.wide.shape[1])
            enough = len(same) >= max(2, OFTEN * (every == name).sum())
            if enough and not chosen >= set(same):
                chosen |= set(same)
                low = frozenset.intersection(*(groups[key] for key in same))
                told.append(_two_groups(lines, axis, name, same, low))
    if not told:
        return None
    pairs = pd.MultiIndex.from_frame(table[["dataset", "model"]])
    rows = pd.Series(pairs.isin(sorted(chosen)), table.index)
    return finding("F4", named(told, "; "), table, rows)


def _row_of(frame: pd.DataFrame, key: Any) -> pd.Series:
    """The losses of one data set and network."""
    row: Any = frame.loc[key]
    return row


def _split(lines: Lines, key: tuple[str, str]) -> frozenset[str]:
    """The lower of two groups of losses of a row; empty if it has not two."""
    place = lines.wide.index.get_loc(key)
    left, apart = lines.left.to_numpy()[place], lines.apart.to_numpy()[place]
    order = np.argsort(left)[: np.count_nonzero(~np.isnan(left))]  # NaN are last
    least = max(LEAST_GROUP, int(np.ceil(LEAST_SHARE * len(order))))
    places = range(least, len(order) - least + 1)
    if not places:
        return frozenset()
    values = left[order]
    cut = max(places, key=lambda i: values[i] - values[i - 1])
    low, high = values[:cut], values[cut:]
    gap = np.median(high) - np.median(low)
    if gap < lines.least(LEAST_GAP):
        return frozenset()
    within = spread(np.concatenate([low - np.median(low), high - np.median(high)]))
    shown = np.median(apart[order[cut:]]) - np.median(apart[order[:cut]])
    if gap < FAR * within or shown < gap / 2:
        return frozenset()
    return frozenset(lines.wide.columns[order[:cut]])


def _most_alike(
    keys: list[tuple[str, str]],
    groups: dict[tuple[str, str], frozenset[str]],
    count: int,
) -> list[tuple[str, str]]:
    """The rows whose groups are those of one of them, the one with the most."""
    families = [
        [key, *(k for k in keys if k != key and _same(groups[key], groups[k], count))]
        for key in keys
    ]
    return max(families, key=len, default=[])


def _same(one: frozenset[str], other: frozenset[str], count: int) -> bool:
    """Whether two divisions of the losses are the same, but for a few losses."""
    return 1 - len(one ^ other) / count >= ALIKE


def _two_groups(
    lines: Lines,
    axis: int,
    name: str,
    keys: list[tuple[str, str]],
    low: frozenset[str],
) -> str:
    """Which losses lie below which, where, and by how much."""
    apart = lines.apart.loc[keys]
    below = apart[sorted(low)].median(axis=1)
    others = [loss for loss in apart if loss not in low]
    gaps = (apart[others].median(axis=1) - below).to_numpy()
    what, places = ("network", "data set") if axis else ("data set", "network")
    return (
        f"{what} {name}: {len(low)} losses ({named(sorted(low))}) lie {span(gaps)} "
        f"below the other {len(others)} on {plural(len(keys), places)}"
    )


def out_of_line(
    table: pd.DataFrame, lines: Lines, besides: Finding | None
) -> list[Finding]:
    """F2 and F3: cells far above (below) the other losses of their row and column.

    Args:
        besides: of `campaigns`; its rows are not looked at again.
    """
    of_losses = pd.Series(spread(lines.left.to_numpy(), 0), lines.wide.columns)
    apart, left = lines.apart, lines.left
    far = apart.abs().gt(FAR * lines.of_rows, axis=0)
    far &= left.abs().gt(BESIDE * of_losses, axis=1) & (apart * left > 0)
    least = lines.least(LEAST_CELL)
    far &= (apart.abs() > least) & (left.abs() > least)
    for dataset, model, _ in besides.cells if besides else ():
        far.loc[(dataset, model)] = False
    cells = pd.MultiIndex.from_frame(table[["dataset", "model", "loss"]])
    found = []
    for code, word, there in (
        ("F2", "above", far & (apart > 0)),
        ("F3", "below", far & (apart < 0)),
    ):
        rows, columns = np.nonzero(there.to_numpy())
        index, losses = there.index.tolist(), there.columns.tolist()
        places = [(*index[i], losses[j]) for i, j in zip(rows, columns, strict=True)]
        if places:
            chosen = pd.Series(cells.isin(places), table.index)
            found.append(finding(code, _told(lines, there, word), table, chosen))
    return found


def _told(lines: Lines, there: pd.DataFrame, word: str) -> str:
    """How many cells lie out of line, and where most of them are."""
    counts = there.sum(axis=1)
    counts = counts[counts > 0].sort_values(ascending=False, kind="stable")
    each = named((_row(lines, there, key) for key in counts.index), "; ")
    cells = plural(int(counts.sum()), "cell lies", "cells lie")
    return f"{cells} far {word} the other losses there: {each}"


def _row(lines: Lines, there: pd.DataFrame, key: tuple[str, str]) -> str:
    """A row with its losses out of line, and the median loss."""
    chosen, row = _row_of(there, key), _row_of(lines.wide, key)
    losses, middle = list(row.index[chosen]), row.median()
    scores = row[losses].to_numpy()
    which = losses[0] if len(losses) == 1 else f"{len(losses)} losses"
    return f"{'/'.join(key)} ({which} {span(scores)}, median {middle:.2f})"
