"""Which loss comes first, how often, and how much of that is chance."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from lesionkit import lookup
from lesionkit.inference.grids import cells
from lesionkit.tables import SETTING
from lesionkit.tables.reading import KEYS, METRICS

_BY_MODEL = ("alpha", "gamma", "beta")
SHOWN = 6  # values that a refusal names
TIES = ("share", "min", "dense", "first")


def check_comparable(table: pd.DataFrame) -> None:
    """Refuse a table whose rows were not made under one setting.

    Raises:
        ValueError: two protocols, sizes, numbers of epochs (and so on: tables.SETTING),
            two variants of one model, sources of one data set or seeds of one repeat,
            or one run twice; the text names the column and its values.
    """
    of_paper_b = set(table.get("protocol", ())) == {"paper_b"}
    for name in SETTING:
        if name in _BY_MODEL and of_paper_b:
            continue  # its protocol has numbers for each network
        values = table[name].dropna().unique() if name in table else []
        if len(values) > 1:
            raise ValueError(
                f"the runs differ in {name} ({_named(values)}) and are not comparable; "
                f"choose with --only {name}={values[0]} (the notebook: parameter "
                "only), or pass --mix to rank them all"
            )
    facts_of = [("model", "variant"), ("dataset", "source")]
    facts_of += [("repeat", "split_seed"), ("repeat", "init_seed")]
    if of_paper_b:
        facts_of += [("model", name) for name in _BY_MODEL]
    for axis, facts in facts_of:
        there = {axis, facts} <= set(table)
        for name, each in table.groupby(axis)[facts] if there else ():
            values = each.dropna().unique()
            if len(values) > 1:
                raise ValueError(
                    f"the runs of {'repeat ' * (axis == 'repeat')}{name} are of "
                    f"{facts}s {_named(values)}; choose with --only "
                    f"{facts}={values[0]}, or pass --mix"
                )
    for name in table.attrs.get("factors", ()):
        values = table[name].dropna().unique() if name in table else []
        if len(values) > 1:
            raise ValueError(
                f"runs of one data set, model and loss differ in {name} "
                f"({_named(values)}): other experiments, or repeats? Choose with "
                f"--only {name}={values[0]}, name repeats with --map {name}=repeat, or "
                "pass --mix to take them together"
            )
    _refuse_twice(table)


def _refuse_twice(table: pd.DataFrame) -> None:
    """Refuse two rows of one data set, model, loss and repeat: no mean is taken."""
    keys = [*KEYS, "image"] if "image" in table else list(KEYS)
    if "repeat" not in table or not (twice := table.duplicated(keys)).any():
        return
    row = table[twice].iloc[0]
    place = "/".join(str(row[name]) for name in ("dataset", "model", "loss"))
    same = table[(table[list(KEYS)] == row[list(KEYS)]).all(axis=1)]
    apart = [name for name in table if len(set(same[name].astype(str))) > 1]
    differs = [str(name) for name in apart if name not in METRICS][:3]
    raise ValueError(
        f"{place} has repeat {row['repeat']} more than once"
        + (f"; the rows differ in {', '.join(differs)}" if differs else "")
        + ". Choose with --only, or pass --mix to take their mean"
    )


def _named(values: Iterable[object]) -> str:
    """Values in a row, the first few of many."""
    shown = list(map(str, values))
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more


def means(table: pd.DataFrame, rows: str, metric: str = "dice") -> pd.DataFrame:
    """Mean of a metric: a row for each data set or model, a column for each loss.

    The mean is over cells, each of them the mean of its repeats, so a cell with more
    repeats does not weigh more.

    Args:
        table: a tidy table of runs.
        rows: "dataset" or "model".
        metric: a column of the table.

    Raises:
        UnknownName: other rows, or no such metric.
    """
    lookup.find("rows", rows, dict.fromkeys(("dataset", "model")))
    return cells(table, metric).pivot_table(
        index=rows, columns="loss", values="mean", sort=False
    )


def row_points(values: np.ndarray, ties: str = "share") -> np.ndarray:
    """3, 2 and 1 points for the first three of a row.

    Args:
        values: the higher the better; NaN ranks last and gets nothing.
        ties: "share" gives tied places the mean of their points, so a row always
            awards 6; "min" gives all tied the better place; "dense" skips no place;
            "first" takes the order of the row.

    Shape:
        values: (L,)
        returns: (L,) points

    Raises:
        UnknownName: another rule for ties.

    Example:
        >>> row_points(np.array([0.9, 0.9, 0.7, 0.6])).tolist()
        [2.5, 2.5, 1.0, 0.0]
    """
    lookup.find("tie rule", ties, dict.fromkeys(TIES))
    series = pd.Series(np.asarray(values, dtype=float))
    if ties == "share":
        first = series.rank(method="first", ascending=False)
        points = (4 - first).clip(lower=0)
        points = points.groupby(series).transform("mean")
    else:
        method: Any = ties  # one of TIES: pandas' own names but for "share"
        points = (4 - series.rank(method=method, ascending=False)).clip(lower=0)
    return points.fillna(0.0).to_numpy()


def podium(
    table: pd.DataFrame,
    rows: str = "dataset",
    metric: str = "dice",
    *,
    ties: str = "share",
) -> pd.DataFrame:
    """Podium points per row and loss, with their sum in the last row.

    Raises:
        UnknownName: other rows, no such metric, or another rule for ties.

    Source: paper A, Fig. 2B and 2C (3, 2, 1 points for the first three).
    """
    return points_of(means(table, rows, metric), ties)


def points_of(wide: pd.DataFrame, ties: str = "share") -> pd.DataFrame:
    """Podium points of a frame of scores, a row each, with their sum in the last row.

    The losses are sorted by their sum.
    """
    points = [row_points(values, ties) for values in wide.to_numpy()]
    result = pd.DataFrame(points, index=wide.index, columns=wide.columns)
    order = result.sum().sort_values(ascending=False, kind="stable").index
    result = result[order]
    result.loc["points"] = result.sum()
    return result


@lru_cache
def chance_of_podium(
    rows: int, losses: int, *, simulations: int = 100_000, seed: int = 0
) -> np.ndarray:
    """Points of the best of `losses` equal losses over `rows` rows, simulated.

    Every row deals 3, 2, 1 points to three losses at random.

    Returns:
        The best loss's total in each simulation, (simulations,).
    """
    random = np.random.default_rng(seed)
    totals = np.zeros((simulations, losses), np.int64)
    everyone = np.arange(simulations)
    for _ in range(rows):
        places = random.random((simulations, losses)).argsort(axis=1)[:, :3]
        for place, points in enumerate((3, 2, 1)[:losses]):
            totals[everyone, places[:, place]] += points
    return totals.max(axis=1)


def podium_sentence(points: pd.DataFrame, best: str | None = None) -> str:
    """What a podium table says of its leader, next to its chance level.

    Args:
        points: of `podium`.
        best: the loss that the verdict supports as the best, None for none. Chance
            takes rows for independent, which the verdict does not, so where only the
            points find a leader the sentence says so.
    """
    total = points.loc["points"]
    rows, losses = len(points) - 1, len(total)
    if losses < 2:
        return f"{total.index[0]} is the only loss here: there is nothing to compare."
    most = float(total.iloc[0])
    leaders = list(total.index[np.isclose(total, most)])
    leads = f"{leaders[0]} leads with"
    if len(leaders) > 1:
        leads = f"{', '.join(leaders)} lead, each with"
    name = "data set" if points.index.name == "dataset" else points.index.name
    if rows == 1:
        said = f"{leads} {most:g} of {total.sum():g} points over 1 {name}"
        return f"{said}: points say no more there than the means."
    chance = chance_of_podium(rows, losses)
    probability = float((chance >= most - 1e-9).mean())  # thirds of points are inexact
    text = (
        f"{leads} {most:g} of {total.sum():g} points over {rows} "
        f"{name}s (a loss can have {3 * rows}). If all {losses} losses were equal, the "
        f"best would collect {chance.mean():.1f} on average and {most:g} or more with "
        f"probability {probability:.2f}"
    )
    if probability > 0.05:
        return text + ": these points do not show that any loss is better."
    if best in leaders:
        return text + "."
    return (
        text + f". This takes every {name} for independent of the others, which is too "
        "optimistic: go by the verdict, which does not show this leader to be the best."
    )
