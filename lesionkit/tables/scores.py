"""Columns of scores: numbers of one unit, which way is better, what is no score.

Scores that lie between 0 and 1 are kept so, whatever unit the file has. Which unit it
is, is said a column at a time; two units in one column are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lesionkit import lookup
from lesionkit.tables.forms.cells import Cell, read
from lesionkit.tables.forms.headers import meaning
from lesionkit.tables.forms.spellings import PLAIN, SCORES

LOWER = {
    *("hd95", "hd", "assd", "asd", "mae", "mse", "rmse", "rvd", "fpr", "fnr", "fdr"),
    *("ece", "brier", "loss_value"),
}
FREE = {"hd95", "hd", "assd", "asd", "mae", "mse", "rmse", "rvd", "loss_value"}
BOUNDED = set(SCORES) - FREE - {"kappa", "mcc"}
NO_SCORE = {*PLAIN, "epochs_trained", "wall_seconds", "split_seed", "init_seed"}
NO_SCORE -= {"value"}
USUAL = 10.0  # the median of a column in percent lies above it
WIDEST = 0.71  # no deviation of numbers in [0, 1] is larger: sqrt(1 / 2) of two

UNSCORED = "no score"

Places = Callable[[pd.Index], str]


@dataclass
class Column:
    """A column of a file as numbers.

    Attributes:
        scores: NaN where there is no number.
        deviations: of ± or brackets; None where no cell has one.
        failed: the words of cells that stand for a run that failed, UNSCORED for a
            blank one, "" for the others: a dash is a run that is missing.
        said: what a reader should know of it.
        percent: whether it is in percent though nothing but its numbers says so.
    """

    scores: pd.Series
    deviations: pd.Series | None
    failed: pd.Series
    said: list[str] = field(default_factory=list)
    percent: bool = False


def numbers(texts: pd.Series, name: str, places: Places, percent: bool) -> Column:
    """A column of scores; those that are bounded come back between 0 and 1.

    Args:
        texts: the cells as they are in the file.
        name: our name of the column.
        places: some rows in words.
        percent: the file's scores are said to be percent.

    Raises:
        ValueError: a cell that is no number, two units in one column, or scores that
            are no scores in either.
    """
    cells = texts.map(read)
    kinds = cells.map(lambda cell: cell.kind)
    if (kinds == "text").any():
        text = kinds.index[kinds == "text"]
        where = f"{places(text)} ({str(texts[kinds == 'text'].iloc[0])!r})"
        raise ValueError(f"{name} is no number in {where}")
    _one_comma(texts[kinds == "number"], name)
    values = cells.map(lambda cell: cell.value).astype(float)
    deviations = cells.map(
        lambda cell: np.nan if cell.deviation is None else cell.deviation
    ).astype(float)
    failed = cells.map(_failure)
    said = _beside(cells, values, deviations, name, places)
    scale = 1.0
    if name in BOUNDED:
        scale, told = _unit(values, cells, texts, name, places, percent)
        said += told
    values, deviations = values / scale, deviations / scale
    if name in BOUNDED:
        check_spread(deviations, name, places)
    there = None if deviations.isna().all() else deviations
    signed = percent or cells.map(lambda cell: cell.percent).any()
    return Column(values, there, failed, said, bool(scale != 1 and not signed))


def _failure(cell: Cell) -> str:
    """Why a run has no score: its own word, or that there is none."""
    if cell.kind == "blank":
        return UNSCORED
    return cell.text if cell.kind == "failed" else ""


def check_spread(deviations: pd.Series, name: str, places: Places) -> None:
    """Refuse deviations that scores between 0 and 1 cannot have."""
    wide = deviations.index[deviations > WIDEST]
    if len(wide):
        value = deviations[deviations > WIDEST].iloc[0]
        raise ValueError(
            f"the deviation of {name} in {places(wide)} is {value:g} where scores are "
            "0 to 1, which is impossible. Is it in another unit, or not a deviation?"
        )


def unit_of(texts: pd.Series, name: str, percent: bool, places: Places) -> float:
    """What a column is divided by so that its scores are fractions."""
    cells = texts.map(read)
    values = cells.map(lambda cell: cell.value).astype(float)
    return _unit(values, cells, texts, name, places, percent)[0]


def _one_comma(texts: pd.Series, name: str) -> None:
    """Refuse decimal points and commas in one column."""
    marks = {mark for text in texts for mark in ",." if mark in str(text).split("±")[0]}
    if len(marks) > 1 and not any("," in t and "[" in t for t in map(str, texts)):
        both = [next(str(t) for t in texts if mark in str(t)) for mark in ".,"]
        raise ValueError(
            f"{name} has numbers with a point and with a comma ({both[0]!r}, "
            f"{both[1]!r}): a decimal comma, or thousands? Write one form"
        )


def _beside(
    cells: pd.Series,
    values: pd.Series,
    deviations: pd.Series,
    name: str,
    places: Places,
) -> list[str]:
    """What stands behind the numbers, and is taken as a deviation or left out."""
    said = []
    bracketed = cells.map(lambda cell: cell.bracketed)
    if bracketed.any():
        wide = bracketed & (deviations >= 0.5 * values.abs()) & (values != 0)
        if wide.sum() > bracketed.sum() / 2:
            shown = cells[wide].iloc[0].text
            raise ValueError(
                f"{name} has numbers in brackets that are too large for deviations "
                f"({shown!r} in {places(wide.index[wide])}): give them a column"
            )
        said.append(f"numbers in brackets behind {name} are read as deviations")
    elif deviations.notna().any():
        said.append(f"± behind {name} is read as its standard deviation")
    words = {
        "range": "intervals",
        "change": "changes",
        "rank": "whole numbers in brackets",
    }
    for kind, word in words.items():
        there = cells.map(lambda cell, kind=kind: cell.beside == kind)
        if there.any():
            said.append(f"{word} behind {name} are left out")
    return said


def _unit(
    values: pd.Series,
    cells: pd.Series,
    texts: pd.Series,
    name: str,
    places: Places,
    percent: bool,
) -> tuple[float, list[str]]:
    """100 for a column in percent, 1 for one of fractions, and what is said of it."""
    there = values.notna()
    known = values[there]
    signs = cells[there].map(lambda cell: cell.percent)
    if signs.any() and not signs.all():
        bad = signs.index[~signs]
        shown = texts[there][~signs].iloc[0]
        raise ValueError(
            f"{name} has a percent sign in some cells, and none in {places(bad)} "
            f"({shown}): one unit a column"
        )
    if known.empty:
        return 1.0, []
    if percent and not signs.any() and known.max() <= 1:
        raise ValueError(
            f"{name} is not in percent as --percent says: its largest number is "
            f"{known.max():g}. Leave --percent out (load_table: percent=False)"
        )
    small, large = (known > 0) & (known <= 1), known > 1
    in_percent = signs.all() or percent
    if not in_percent and known.between(0, 100).all() and not small.any():
        in_percent = bool(large.any() and known.median() > USUAL)
    wrong = ~known.between(0, 100 if in_percent else 1)
    if wrong.any():
        raise ValueError(_outside(known, texts[there], wrong, small, name, places))
    if in_percent:
        return 100.0, []
    if texts.name is not None and meaning(str(texts.name)).percent:
        return 1.0, [f"{texts.name!r} says percent, but holds fractions: read as those"]
    return 1.0, []


def _outside(
    known: pd.Series,
    texts: pd.Series,
    wrong: pd.Series,
    small: pd.Series,
    name: str,
    places: Places,
) -> str:
    """That scores lie outside their range, with the way out where it is a unit."""
    where = f"{places(wrong.index[wrong])} ({texts[wrong].iloc[0]})"
    said = f"{name} outside [0, 1] in {where}"
    if known.between(0, 100).all():
        if small.any():
            fraction = f"{places(small.index[small])} ({texts[small].iloc[0]})"
            said += f", inside in {fraction}: one unit a column"
        said += "; if these are percent, pass --percent (load_table: percent=True)"
    return said


def plain_numbers(texts: pd.Series) -> pd.Series:
    """A column that is no score: numbers where all its cells are, else its texts."""
    if not pd.api.types.is_object_dtype(texts) and texts.dtype.kind in "fiub":
        return texts
    cells = [read(text) for text in texts]
    if not all(_plain(cell) for cell in cells):
        return texts
    values = pd.Series([cell.value for cell in cells], texts.index, name=texts.name)
    if values.isna().all():
        return texts
    whole = values.notna().all() and (values % 1 == 0).all()
    return values.astype(int) if whole and values.abs().max() < 2**53 else values


def _plain(cell: Cell) -> bool:
    """Whether a cell is a bare number, or none."""
    if cell.kind == "number":
        return cell.deviation is None and not cell.percent and not cell.beside
    return cell.kind in ("blank", "missing", "failed")


def directions(table: pd.DataFrame) -> list[str]:
    """The columns of a table whose lowest value is known to be the best."""
    return [
        str(name)
        for name in table
        if meaning(str(name)).ours in LOWER or str(name).removesuffix("_sd") in LOWER
    ]


def check_metric(table: pd.DataFrame, metric: str) -> list[str]:
    """Refuse to rank by what is no score, or where it is not known which way is better.

    Returns:
        What a reader should know of the direction.

    Raises:
        UnknownName: a setting, a repeat and the like.
        ValueError: an unknown metric with values outside [0, 1], where it is not said
            which way is better.
    """
    if metric not in table or table[metric].dtype.kind not in "fiu":
        return []
    found = meaning(metric)
    bare_name = metric.removeprefix("pooled_").removeprefix("raw_mean_")
    if metric in NO_SCORE or (found.known and found.ours in NO_SCORE):
        scores = [n for n in SCORES if n in table and table[n].notna().any()]
        raise lookup.UnknownName(
            f"{metric} describes a run and is no score. Scores here: "
            f"{', '.join(scores) or 'none'}"
        )
    told = table.attrs.get("direction_known", ())
    known = found.known or bare_name in SCORES or metric.endswith(("_dice", "_iou"))
    if known or metric in told or metric in table.attrs.get("lower_is_better", ()):
        return []
    values = table[metric].dropna()
    if values.between(0, 1).all():
        return [f"{metric}: taken as the higher the better; --lower-is-better turns it"]
    near = lookup.nearest(metric, SCORES)
    hint = f" Is it {near}? Then --map {metric}={near}." if near else ""
    raise ValueError(
        f"{metric} is not known here and has values outside [0, 1] "
        f"({values.min():g} to {values.max():g}): say --lower-is-better or "
        f"--higher-is-better.{hint}"
    )


def check_there(table: pd.DataFrame, metric: str) -> None:
    """Refuse a score that a table does not have, with those that it has.

    Raises:
        UnknownName: it has no such column, and it does have scores.
    """
    there = [name for name in SCORES if name in table and table[name].notna().any()]
    if metric not in table and there:
        near = lookup.nearest(metric, there)
        hint = f" Did you mean {near!r}?" if near else ""
        raise lookup.UnknownName(
            f"unknown metric {metric!r}: the table has no column for it.{hint} Scores "
            f"here: {', '.join(there)}. Choose one with --metric {near or there[0]}, "
            "or name a column with --map"
        )
