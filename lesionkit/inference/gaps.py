"""Runs that failed and cells that are missing: found, said, and never to a loss's gain.

A run failed if it has no score, or collapsed: its score is below half of what its loss
usually reaches. What a loss usually reaches is its median share of the median score of
all losses on that data set with that model, so that hard data are no failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from lesionkit.tables.reading import is_cells

AXES = ("dataset", "model", "loss")
LEAST = 0.5  # of its cells, that a loss, data set or model must have
STEPS = 50
WAYS = ("charged", "left out", "as they are")
COLLAPSED = 0.5  # of what a loss usually reaches
NAMED = 3  # runs that are named; the rest is counted
_ROW = ["dataset", "model"]


def collapsed(table: pd.DataFrame, metric: str) -> pd.Series:
    """Which rows have a score, and one below half of what their loss usually reaches.

    Scores have to be the better the higher, and above 0; else no row has collapsed.
    """
    score = table[metric]
    none = pd.Series(False, table.index)
    if lower_is_better(table, metric) or not (score.dropna() >= 0).all():
        return none
    middle = score.groupby([table[name] for name in _ROW]).transform("median")
    share = score / middle.where(middle > 0)
    usual = share.groupby(table["loss"]).transform("median")
    return (share < COLLAPSED * usual).fillna(False)


def missing(table: pd.DataFrame, metric: str) -> pd.Series:
    """Which runs are said to be missing, by a dash or n/a: they count for nothing.

    Only a file says so (the column failed is blank); elsewhere a run without a score is
    one that failed.
    """
    if "failed" not in table or metric not in table:
        return pd.Series(False, table.index)
    return table[metric].isna() & (table["failed"] == "")


def settle(
    table: pd.DataFrame, metric: str, way: str
) -> tuple[pd.DataFrame, dict[str, int], list[str]]:
    """The table with its failed runs dealt with.

    Returns:
        The table; of each loss with failed runs how many; and a remark that names them.
    """
    if metric not in table or table[metric].dtype.kind not in "fiu":
        return table, {}, []
    worst = collapsed(table, metric)
    unscored = table[metric].isna() & (not is_cells(table)) & ~missing(table, metric)
    failed = worst | unscored
    if not failed.any():
        return table, {}, []
    counts = table.loc[failed, "loss"].value_counts(sort=False).to_dict()
    worst_end = "highest" if lower_is_better(table, metric) else "lowest"
    said = [_told(table[failed], metric, way, worst_end), *_hopeless(table, failed)]
    if way == "as they are":
        return table[~unscored], counts, said
    kept = table[~failed]
    if way == "charged":
        kept = table[~failed | table["loss"].isin(kept["loss"])].copy()
        charge = _charges(table, metric, failed)
        kept[metric] = kept[metric].mask(failed.loc[kept.index], charge)
    return kept, counts, said


def _charges(table: pd.DataFrame, metric: str, failed: pd.Series) -> pd.Series:
    """The worst score that worked on each row's data set with its model."""
    worked = table[metric].mask(failed)
    how = "max" if lower_is_better(table, metric) else "min"
    by_row = worked.groupby([table[name] for name in _ROW]).transform(how)
    return by_row.fillna(worked.agg(how))


def _told(failed: pd.DataFrame, metric: str, way: str, worst_end: str) -> str:
    """The failed runs by name, and what counts for them."""
    names = []
    for row in failed.head(NAMED).to_dict("records"):
        place = "/".join(str(row[n]) for n in ("dataset", "model", "loss"))
        if "repeat" in row:
            place += f" repeat {row['repeat']}"
        score = row[metric]
        names.append(f"{place} ({'no score' if np.isnan(score) else f'{score:.3g}'})")
    more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    each = failed["loss"].value_counts()
    by_loss = ", ".join(f"{name} {count}" for name, count in each.items())
    done = {
        "charged": f"each counts as the {worst_end} score of that data set and network",
        "left out": "they are left out",
        "as they are": "their scores count as they are",
    }[way]
    number = f"{len(failed)} {'run' if len(failed) == 1 else 'runs'} failed"
    return f"{number} ({by_loss}): {', '.join(names)}{more}; {done}"


def _hopeless(table: pd.DataFrame, failed: pd.Series) -> list[str]:
    """Losses of which no run worked."""
    never = sorted(set(table["loss"]) - set(table.loc[~failed, "loss"]))
    return [f"no run of {name} worked: it is left out" for name in never]


def lower_is_better(table: pd.DataFrame, metric: str) -> bool:
    """Whether the lowest value of a metric is the best."""
    return metric in table.attrs.get("lower_is_better", ())


def complete(
    there: np.ndarray, names: Mapping[str, Sequence[str]]
) -> tuple[list[list[int]], list[str]]:
    """Places along the three axes of what has half of its cells or more.

    The one that lacks most goes first, of equals a loss, until none is left.

    Shape:
        there: (D, M, L), False where a cell is missing

    Raises:
        ValueError: fewer than two losses are left.
    """
    kept = [list(range(n)) for n in there.shape]
    remarks = []
    while True:
        block = there[np.ix_(*kept)]
        shares = [block.mean(tuple({0, 1, 2} - {axis})) for axis in range(3)]
        axis = min((2, 0, 1), key=lambda a: shares[a].min(initial=1.0))
        if shares[axis].min(initial=1.0) >= LEAST:
            break
        place = kept[axis].pop(int(np.argmin(shares[axis])))
        name, share = names[AXES[axis]][place], shares[axis].min()
        remarks.append(
            f"{AXES[axis]} {name} left out: {100 * share:.0f} % of its cells are there"
        )
    if len(kept[2]) < 2:
        here = ", ".join(map(str, names["loss"]))
        raise ValueError(
            "two losses with half of their cells or more are needed for a comparison; "
            f"here: {here}"
        )
    return kept, remarks


def check_common(there: np.ndarray, names: Mapping[str, Sequence[str]]) -> None:
    """Refuse two losses that were never run on one data set with one model.

    Raises:
        ValueError: there are two such losses; the text names them.
    """
    for a, b in combinations(range(there.shape[2]), 2):
        if not (there[..., a] & there[..., b]).any():
            one, other = (names["loss"][i] for i in (a, b))
            raise ValueError(
                f"{one} and {other} share no data set and model, so nothing compares "
                f"them; choose with --only loss={one},... or run the missing cells"
            )


def filled(means: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Means with their gaps filled, and where they were seen; None: everywhere.

    A gap gets the level of its data set and model, and what its loss is above or below
    that on this data set and with this model, all found together by repeated fitting.

    Shape:
        means: (D, M, L), NaN where a cell is missing

    Source: Yates, Empire J. Exp. Agric. 1 (1933) 129-142.
    """
    seen = ~np.isnan(means)
    if seen.all():
        return means, None
    level = np.nanmean(means, 2, keepdims=True)
    level = np.where(np.isnan(level), np.nanmean(means), level)
    found = np.where(seen, means, level)
    for _ in range(STEPS):
        level = found.mean(2, keepdims=True)
        apart = found - level
        loss = apart.mean((0, 1))
        fit = level + apart.mean(0, keepdims=True) + apart.mean(1, keepdims=True) - loss
        found = np.where(seen, means, fit)
    return found, seen


def typical(values: np.ndarray) -> np.ndarray:
    """Numbers a cell with the median one where a cell is missing; NaN stays if all are.

    Shape:
        values: (D, M, L)
    """
    known = ~np.isnan(values)
    return np.where(known, values, np.median(values[known]) if known.any() else np.nan)


def remarks(seen: np.ndarray, names: Mapping[str, Sequence[str]]) -> list[str]:
    """Which cells were filled in, the first few by name."""
    gaps = np.argwhere(~seen)
    named = [
        "/".join(str(names[axis][i]) for axis, i in zip(AXES, gap, strict=True))
        for gap in gaps[:NAMED]
    ]
    more = f" and {len(gaps) - NAMED} more" if len(gaps) > NAMED else ""
    return [
        f"{len(gaps)} of {seen.size} cells are missing ({', '.join(named)}{more}): "
        "the others are used, and what rests on the gaps counts for less"
    ]
