"""F5 to F8: scores that no test set gives, other images, images as runs, constants."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from lesionkit.tables.findings import (
    AXES,
    Finding,
    counted,
    finding,
    named,
    plural,
    unit,
)
from lesionkit.tables.reading import METRICS, is_cells

NOTHING = 1e-8  # less than one true pixel in a thousand images of 5000 x 5000 gives
MANY = 20  # rows a cell; hardly anybody trains a cell as often
WIDE = 0.05  # deviation within a cell; the public re-run's 2,244 cells: median 0.011
EXACT = 0.02  # share of scores that are exactly 0 or 1
FINE = 1e-4  # the last digit from which on a deviation of 0 is not rounding
LEAST = 3  # equal scores that are a constant
IMAGES = (
    "images n_images num_images test_images n_test n_test_images image_count".split()
)


def nothing_marked(table: pd.DataFrame, metric: str) -> Iterator[Finding]:
    """F5: scores of exactly 0 or 1, or so small that not one pixel was found."""
    if metric not in METRICS:
        return
    scores = table[metric]
    low, high = scores < NOTHING, scores == 1
    if low.any():
        most = scores[low].max()
        said = plural(int(low.sum()), "score is", "scores are")
        small = f"0 or nearly 0, {most:.1g} at most" if most > 0 else "0"
        text = f"{said} {small} ({counted(table.loc[low, 'loss'])})"
        yield finding("F5", f"{text}: not one pixel of a lesion was found", table, low)
    if high.any():
        said = plural(int(high.sum()), "score is", "scores are")
        text = f"{said} exactly 1 ({counted(table.loc[high, 'loss'])})"
        yield finding("F5", f"{text}: not one pixel was wrong", table, high)


def other_images(table: pd.DataFrame) -> Iterator[Finding]:
    """F6: runs of one data set (and repeat) that were scored on other many images."""
    name = next((str(n) for n in table if str(n).lower() in IMAGES), None)
    if name is None or table[name].isna().all():
        return
    keys = ["dataset", *(["repeat"] if "repeat" in table else [])]
    usual = table.groupby(keys)[name].transform(lambda n: n.mode().iloc[0])
    other = table[name].notna() & (table[name] != usual)
    if other.any():
        rows = table[other].assign(usual=usual[other])
        each = named(
            f"{'/'.join(str(row[axis]) for axis in AXES)} {row[name]:g} (others "
            f"{row['usual']:g})"
            for row in rows.to_dict("records")
        )
        said = plural(int(other.sum()), "row was", "rows were")
        text = f"{said} scored on another number of images: {each}"
        yield finding("F6", text, table, other)


def images_as_runs(table: pd.DataFrame, metric: str) -> Iterator[Finding]:
    """F7: rows that look like test images and are taken for runs."""
    if is_cells(table) or metric not in METRICS:
        return
    cells = table.groupby(list(AXES), sort=False)[metric]
    rows, deviation = cells.size().median(), cells.std().median()
    exact = table[metric].isin((0, 1)).mean()
    if rows >= MANY and (deviation > WIDE or exact > EXACT):
        text = (
            f"{rows:.0f} rows a cell that differ with deviation {deviation:.2f} look "
            "like images, not like trainings; name the column of the image with "
            "--map COL=image"
        )
        yield finding("F7", text, table, pd.Series(True, table.index))


def constants(table: pd.DataFrame, metric: str) -> Iterator[Finding]:
    """F8: a score that is the same everywhere, of a loss, or where runs must differ."""
    rows = table.dropna(subset=[metric])
    told, chosen = [], pd.Series(False, table.index)
    for name in (n for n in dict.fromkeys((metric, *METRICS)) if n in table):
        values = table[name].dropna()
        if len(values) >= LEAST and values.min() == values.max():
            told.append(f"{name} is {values.iloc[0]:g} in all {len(values)} rows")
            chosen |= table[name].notna()
    if not told:
        for axis in AXES:
            for value, where in _same_everywhere(rows, metric, axis):
                told.append(f"{metric} of {axis} {value} is the same in every cell")
                chosen |= where.reindex(table.index, fill_value=False)
    still = _without_deviation(table, metric)
    if still.any():
        cells = plural(int(still.sum()), "cell has", "cells have")
        told.append(f"{cells} a deviation of exactly 0 over several runs")
        chosen |= still
    if told:
        yield finding("F8", named(told, "; "), table, chosen)


def _same_everywhere(
    rows: pd.DataFrame, metric: str, axis: str
) -> Iterator[tuple[str, pd.Series]]:
    """Names of an axis whose score is one number in all of their cells.

    Where the other names hardly vary either, rounding makes that; nothing is said.
    """
    size = unit(rows[metric].to_numpy(float))
    by_name = rows.groupby(axis, sort=False)[metric]
    ranges = by_name.max() - by_name.min()
    cells = rows.drop_duplicates(list(AXES)).groupby(axis, sort=False).size()
    if not ranges.median() > 20 * size:
        return
    for name in ranges.index[(ranges == 0) & (cells >= LEAST)]:
        yield str(name), rows[axis] == name


def _without_deviation(table: pd.DataFrame, metric: str) -> pd.Series:
    """Cells whose printed deviation is 0 although they have several runs."""
    name = f"{metric}_sd"
    none = pd.Series(False, table.index)
    if name not in table or "n" not in table or any(k == "repeat" for k in table):
        return none
    if unit(table[name].to_numpy(float)) > FINE:
        return none
    return (table[name] == 0) & (table["n"] > 1)
