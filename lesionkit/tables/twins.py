"""F1: runs or cells that agree in every score under two names.

Two equal numbers may be chance if they are printed with few digits. So each pair of
names is tested: do more of their rows agree than rounding alone would make?
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import gammainc

from lesionkit.tables.findings import Finding, finding, named, plural, spread, unit
from lesionkit.tables.reading import KEYS

LEVEL = 0.001  # chance that any pair of names is found in a table without copies
SIMILAR = 3.0  # times as often as the others may two like names agree
COARSE = 0.001  # of rows that rounding makes agree
LEAST = 4  # names or rows from which effects of both can be taken off
Pair = tuple[str, str]


def same_scores(table: pd.DataFrame, metric: str, columns: list[str]) -> list[Finding]:
    """Which names have the same scores, an axis of the table a finding.

    Args:
        columns: the scores that have to agree, all of them.
    """
    scores = table[columns]
    real = scores.notna().all(axis=1) & table[metric].between(1e-8, 1 - 1e-8)
    rows = table[real]
    if not len(rows) or rows[metric].min() == rows[metric].max():
        return []
    chance = _chance(rows, columns)
    found = []
    for axis in (name for name in reversed(KEYS) if name in table):
        pairs = _agreeing(rows, axis, columns)
        kept = _beyond_chance(rows, axis, pairs, chance)
        if kept:
            found.append(_told(table, axis, kept))
    return found


def _agreeing(
    rows: pd.DataFrame, axis: str, columns: list[str]
) -> dict[Pair, list[int]]:
    """Pairs of names with the index labels of the rows in which they agree."""
    others = [name for name in KEYS if name in rows and name != axis]
    alike = rows[rows.duplicated([*others, *columns], keep=False)]
    found: dict[Pair, list[int]] = {}
    for _, group in alike.groupby([*others, *columns], sort=False):
        labels = zip(group[axis].astype(str), group.index, strict=True)
        for (a, i), (b, j) in combinations(sorted(labels), 2):
            if a != b:
                found.setdefault((a, b), []).extend((i, j))
    return found


def _beyond_chance(
    rows: pd.DataFrame,
    axis: str,
    pairs: dict[Pair, list[int]],
    chance: pd.Series,
) -> dict[Pair, list[int]]:
    """The pairs of names that agree more often than rounding makes them.

    What rounding makes is the larger of `_chance` and SIMILAR times the rate at which
    the other pairs of names agree, those found before left out. Where it makes many
    rows agree (COARSE), two names also have to agree in half of theirs.
    """
    names = rows[axis].astype(str)
    sizes, expected = names.value_counts(), chance.groupby(names).sum()
    tests = len(sizes) * (len(sizes) - 1) / 2
    total = sum(map(len, pairs.values())) / 2
    kept = {}
    for pair, labels in sorted(pairs.items(), key=lambda item: -len(item[1])):
        agree, shared = len(labels) / 2, min(sizes[name] for name in pair)
        others = (total - agree) / max(tests - 1, 1)
        rate = max(min(expected[name] for name in pair), SIMILAR * others)
        beyond = len(KEYS) * tests * gammainc(agree, rate) < LEVEL
        if beyond and (rate < COARSE * shared or agree >= shared / 2):
            kept[pair] = labels
            total -= agree
    return kept


def _chance(rows: pd.DataFrame, columns: list[str]) -> pd.Series:
    """The chance that another row in the place of each has the same printed scores.

    The difference of two rows is taken as normal, with twice the covariance of what is
    left of the scores when the effects of losses and of places are taken off; its
    density at 0 times the volume of the last digits is the chance. Rounding adds its
    own variance, so that two columns that say the same count once.
    """
    units = np.array([unit(rows[name].to_numpy(float)) for name in columns])
    left = np.column_stack([_left(rows, name) for name in columns])
    found = pd.Series(1.0, rows.index)
    for where in rows.groupby("dataset", sort=False).indices.values():
        part = left[where]
        sizes = np.maximum(spread(part, 0), units)
        shares = pd.DataFrame(part).corr("spearman").fillna(1.0).to_numpy()
        covariance = shares * np.outer(sizes, sizes) + np.diag(units**2 / 12)
        _, size = np.linalg.slogdet(4 * np.pi * covariance)
        chance = np.exp(np.log(units).sum() - size / 2)
        found.iloc[where] = min(1.0, float(chance))
    return found


def _left(rows: pd.DataFrame, name: str) -> np.ndarray:
    """What is left of a score without the effects of its loss and of its place."""
    others = [n for n in KEYS if n in rows and n != "loss"]
    values = rows[name].astype(float)
    left = values - values.groupby([rows[n] for n in others]).transform("median")
    of_loss = left.groupby(rows["loss"])
    if rows["loss"].nunique() < LEAST or of_loss.size().min() < LEAST:
        return left.to_numpy() / 2  # effects are still in it: take it as narrower
    return (left - of_loss.transform("median")).to_numpy()


def _told(table: pd.DataFrame, axis: str, pairs: dict[Pair, list[int]]) -> Finding:
    """One line on the pairs of names of an axis."""
    what = "runs" if "repeat" in table else "cells"
    counts = Counter({pair: len(labels) // 2 for pair, labels in pairs.items()})
    total = counts.total()
    each = named(f"{a} = {b} ({n})" for (a, b), n in counts.most_common())
    kind = {"loss": "", "model": "network ", "dataset": "data set "}.get(axis, axis)
    text = (
        f"{plural(total, f'pair of {what} agrees', f'pairs of {what} agree')} in every "
        f"score under two names: {kind}{' ' if axis == 'repeat' else ''}{each}"
    )
    labels = {label for rows in pairs.values() for label in rows}
    return finding("F1", text, table, table.index.to_series().isin(labels))


def rerun_noise(table: pd.DataFrame, metric: str, first: str, second: str) -> pd.Series:
    """Differences of two losses that compute the same, run by run or cell by cell.

    Their standard deviation is the noise of running the same again: a network that is
    not deterministic, for split and seed are the same.

    Returns:
        A difference for each data set, model and repeat that both have.
    """
    others = [name for name in KEYS if name in table and name != "loss"]
    wide = table.pivot_table(index=others, columns="loss", values=metric)
    return (wide[first] - wide[second]).dropna()
