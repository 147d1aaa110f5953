"""Somebody else's CSV under our names, with its problems said by line.

A table has a row a run, or a row a cell: the mean of its runs, with their deviation and
number where they are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from lesionkit import lookup
from lesionkit.catalogue import DATASETS, LOSSES, MODELS

METRICS = ("dice", "iou", "precision", "recall")
KEYS = ("dataset", "model", "loss", "repeat")

SPELLINGS = {
    "dataset": ("data_name", "data", "data_set", "dataset_name"),
    "model": ("model_name", "network", "arch", "architecture"),
    "loss": ("loss_name", "loss_function", "criterion"),
    "repeat": ("iter", "iteration", "fold", "trial", "run", "seed"),
    "dice": ("test_dice", "dsc", "f1", "dice_score"),
    "iou": ("test_iou", "jaccard", "miou"),
    "precision": ("test_precision", "prec", "ppv"),
    "recall": ("test_recall", "sensitivity", "tpr"),
}
COUNT = ("n", "runs", "n_runs", "count", "repeats")
ENDINGS = {"mean": "", "sd": "_sd", "std": "_sd", "stdev": "_sd"}  # theirs to ours


def read_foreign(
    path: Path, columns: Mapping[str, str], *, percent: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """A CSV as a tidy table, and what a reader should know of it, a line each.

    A cell table (dice_mean, or dice with dice_sd) comes back without the column
    repeat, with `n` and `<metric>_sd` where the file has them.

    Args:
        columns: column names of the file to ours, where they are not recognised.
        percent: the scores are 0 to 100.

    Raises:
        ValueError: not a CSV, a column lacking or there twice, a row without a name,
            a score that is no number or outside [0, 1], or two different results for
            one run; with the lines.
    """
    table, remarks = _read(path)
    table = table.rename(columns=_renames(list(table.columns), columns))
    table, of_cells = _cell_columns(table)
    _check_columns(path, table)
    remarks += _known_names(table)
    for name in scores_of(table):
        table[name] = _fractions(path, table[name], percent)
    if of_cells:
        table = table.drop(columns="repeat", errors="ignore")
    elif "repeat" not in table:
        table["repeat"] = table.groupby(list(KEYS[:3])).cumcount()
        remarks.append(
            "no column for repeat: the runs of a cell are numbered in their order, "
            "and paired across losses by it"
        )
    table = _without_copies(path, table, remarks)
    for name in scores_of(table):
        empty = table.index[table[name].isna()]
        if len(empty):
            remarks.append(f"no {name} in {_lines(empty)}")
    return table.reset_index(drop=True), remarks


def scores_of(table: pd.DataFrame) -> list[str]:
    """The metrics that a table has, with their deviations."""
    there = [name for name in METRICS if name in table]
    return there + [f"{name}_sd" for name in there if f"{name}_sd" in table]


def is_cells(table: pd.DataFrame) -> bool:
    """Whether a table has a row a cell, and not a row a run."""
    return "repeat" not in table and not table.duplicated(list(KEYS[:3])).any()


@contextmanager
def refusals_named(path: Path) -> Iterator[None]:
    """Turn pandas' errors at a file that is no CSV into a ValueError that names it."""
    try:
        yield
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: not a CSV that can be read: {reason}") from None


def _read(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The file's rows without the blank ones; the index counts all of them."""
    with refusals_named(path):
        table = pd.read_csv(path, skip_blank_lines=False, skipinitialspace=True)
    blank = table.index[table.isna().all(axis=1)]
    remarks = [f"blank: {_lines(blank)}"] if len(blank) else []
    table = table.drop(index=blank)
    if table.empty:
        raise ValueError(f"{path}: no row below the names of the columns")
    return table, remarks


def _renames(found: list[str], columns: Mapping[str, str]) -> dict[str, str]:
    """Somebody's column names to ours."""
    for theirs, ours in columns.items():
        lookup.find("column", ours, SPELLINGS)
        lookup.find("column of the file", theirs, dict.fromkeys(found))
    renames = dict(columns)
    for ours, spellings in SPELLINGS.items():
        if ours in found or ours in renames.values():
            continue
        known = (ours, *spellings)
        match = next((name for name in found if name.lower() in known), None)
        if match is not None:
            renames[match] = ours
    return renames


def _cell_columns(table: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """The table with a cell table's columns under our names, and whether it is one."""
    lower = {str(name).lower(): name for name in table.columns}
    renames = {
        lower[theirs]: metric + ours
        for metric in METRICS
        for spelling in (metric, *SPELLINGS[metric])
        for ending, ours in ENDINGS.items()
        if (theirs := f"{spelling}_{ending}") in lower
    }
    of_cells = bool(renames)
    count = next((lower[name] for name in COUNT if name in lower), None)
    if of_cells and count:
        renames[count] = "n"
    return table.rename(columns=renames), of_cells


def _check_columns(path: Path, table: pd.DataFrame) -> None:
    """Refuse a table that lacks a column or a name in one, or has a column twice."""
    twice = list(table.columns[table.columns.duplicated()])
    if twice:
        raise ValueError(f"{path}: two columns are {twice[0]!r}; take one of them")
    for name in KEYS[:3]:
        if name not in table:
            raise ValueError(
                f"{path}: no column for {name!r} (known spellings: {name}, "
                f"{', '.join(SPELLINGS[name])}). Columns: {', '.join(table.columns)}"
            )
    if not scores_of(table):
        raise ValueError(f"{path}: none of the columns {', '.join(METRICS)} is there")
    for name in KEYS[:3]:
        lacking = table.index[table[name].isna()]
        if len(lacking):
            raise ValueError(f"{path}: no {name} in {_lines(lacking)}")
        table[name] = table[name].astype(str).str.strip()  # no spaces around a name


def _known_names(table: pd.DataFrame) -> list[str]:
    """Rename losses, models and data sets that are ours in another spelling."""
    remarks = []
    for column, known in (("dataset", DATASETS), ("model", MODELS), ("loss", LOSSES)):
        meant = {name: _ours(name, known) for name in table[column].unique()}
        renames = {name: ours for name, ours in meant.items() if ours != name}
        if renames:
            table[column] = table[column].replace(renames)
            named = ", ".join(f"{theirs} as {ours}" for theirs, ours in renames.items())
            remarks.append(f"{column} read under the kit's names: {named}")
    return remarks


def _ours(name: str, known: Mapping[str, object]) -> str:
    """The kit's name that a name means, by letters and digits alone, or that name."""
    spelt = name.lower().replace("++", "plusplus").replace("v3+", "v3plus")
    plain = "".join(c for c in spelt if c.isalnum())
    for candidate in known:
        parts = getattr(known[candidate], "parts", ())
        swapped = "".join(reversed(parts)) if len(parts) == 2 else ""
        if plain in (candidate.replace("_", ""), swapped):
            return candidate
    return name


def _fractions(path: Path, values: pd.Series, percent: bool) -> pd.Series:
    """Scores between 0 and 1."""
    name, numbers = values.name, pd.to_numeric(values, errors="coerce")
    text = values.index[numbers.isna() & values.notna()]
    if len(text):
        where = f"{_lines(text)} ({values[text[0]]!r})"
        raise ValueError(f"{path}: {name} is no number in {where}")
    if percent:
        numbers = numbers / 100
    wrong = numbers.index[~numbers.between(0, 1) & numbers.notna()]
    if len(wrong):
        hint, where = "", f"{_lines(wrong)} ({values[wrong[0]]})"
        if not percent and numbers.dropna().between(0, 100).all():
            hint = "; if these are percent, pass --percent (load_table: percent=True)"
        raise ValueError(f"{path}: {name} outside [0, 1] in {where}{hint}")
    return numbers


def _without_copies(
    path: Path, table: pd.DataFrame, remarks: list[str]
) -> pd.DataFrame:
    """Each run once: the same row twice is said, two results are refused."""
    keys = [name for name in KEYS if name in table]
    compared = [name for name in scores_of(table) if not name.endswith("_sd")]
    copies = table.duplicated([*keys, *compared])
    if copies.any():
        remarks.append(f"the same run again: {_lines(table.index[copies])}; left out")
    table = table[~copies]
    again = table.duplicated(keys, keep=False)
    if again.any():
        first = table[again].iloc[0]
        same = (table[keys] == first[keys]).all(axis=1)
        named = ", ".join(f"{name} {first[name]}" for name in keys)
        raise ValueError(
            f"{path}: different results for {named} in {_lines(table.index[same])}; "
            "keep one, or give each a repeat of its own"
        )
    return table


def _lines(index: pd.Index) -> str:
    """Lines of the file, the header being line 1."""
    shown = ", ".join(str(i + 2) for i in index[:5])
    more = f" and {len(index) - 5} more" if len(index) > 5 else ""
    return f"line{'s' if len(index) > 1 else ''} {shown}{more}"
