"""Somebody else's table under our names, with its problems said by line.

A table has a row a run, or a row a cell: the mean of its runs, with their deviation and
number where they are known; or a row an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lesionkit import lookup
from lesionkit.tables import names, repeats, roles, scores
from lesionkit.tables.forms import exports
from lesionkit.tables.forms.cells import bare, read
from lesionkit.tables.forms.files import Sheet, read_file
from lesionkit.tables.forms.headers import meaning
from lesionkit.tables.forms.spellings import KEYS, METRICS, SCORES
from lesionkit.tables.shapes import AXES, lengthened

__all__ = ["KEYS", "METRICS", "is_cells", "read_foreign", "read_sheet", "scores_of"]

SETTABLE = (*KEYS, "metric", "columns")
NO_NAME = {"dataset": "one data set", "model": "one network"}
STOPPED = ("failed", "crashed", "killed", "preempted", "running", "scheduled")


def read_foreign(
    path: Path,
    columns: Mapping[str, str],
    *,
    percent: bool = False,
    settings: Mapping[str, str] | None = None,
    metric: str | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """A file as a tidy table, and what a reader should know of it, a line each.

    A cell table (dice_mean, dice with dice_sd, or a wide one) comes back without the
    column repeat, with `n` and `<metric>_sd` where the file has them. A table with a
    row an image has the column image. `table.attrs` says which scores are the better
    the lower, and which columns tell experiments apart ("factors").

    Args:
        columns: column names of the file to ours, where they are not recognised.
        percent: the scores are 0 to 100.
        settings: what holds for every row: dataset, model, loss or repeat, where the
            file has no column for it; `metric`, what the numbers of a wide table are;
            `columns`, what the names of its columns are.
        metric: what the numbers of a wide table are, where nothing says it.

    Raises:
        ValueError: no table, a column lacking or there twice, a row without a name, a
            score that is no number or outside its range, or two different results for
            one run; with the lines.
    """
    return read_sheet(
        read_file(path),
        str(path),
        columns,
        percent=percent,
        settings=settings,
        metric=metric,
    )


def read_sheet(
    sheet: Sheet,
    name: str,
    columns: Mapping[str, str],
    *,
    percent: bool = False,
    settings: Mapping[str, str] | None = None,
    metric: str | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """The same of a table that is in texts already; `name` is what refusals call it."""
    given = dict(settings or {})
    for key in given:
        lookup.find("name to set", key, dict.fromkeys(SETTABLE))
    try:
        return _tidy(sheet, columns, percent, given, metric or METRICS[0])
    except lookup.UnknownName:
        raise
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _tidy(
    sheet: Sheet,
    columns: Mapping[str, str],
    percent: bool,
    given: dict[str, str],
    metric: str,
) -> tuple[pd.DataFrame, list[str]]:
    """The steps from texts to a tidy table."""
    frame, said = exports.unpacked(sheet.frame), list(sheet.said)
    _check_twice(frame)
    found = roles.assigned(frame, columns)
    frame = _without_summaries(frame, found, sheet, said)
    long = lengthened(
        frame, found.names, given.get("columns"), given.get("metric", metric)
    )
    if long.wide or long.frame is not frame:
        kept = {n: r for n, r in found.names.items() if n in long.frame}
        found = roles.Roles(kept, [*found.said, *long.said])
        again = roles.assigned(long.frame, {})
        found.names = {**again.names, **kept, **{a: a for a in AXES if a in long.frame}}
        found.said += again.said
    said += found.said
    table = _named(long.frame, found, sheet, given, said)
    read_scores, table = _numbers(table, found, sheet, percent, said, metric)
    said += names.settled(table)
    of_cells = _of_cells(table, found, long.wide)
    table = _with_repeats(table, found, of_cells, given, said)
    table = table.drop(columns=[c for c in table if str(c).startswith("repeat:")])
    table.attrs["factors"] = repeats.factors(table, read_scores)
    table = _without_copies(table, read_scores, sheet, said)
    for score in read_scores:
        _say_missing(table, score, sheet, said)
    arrows = {found.names.get(h, h): meaning(h).lower for h in map(str, frame)}
    lower = [*scores.directions(table), *(n for n, down in arrows.items() if down)]
    table.attrs["lower_is_better"] = [n for n in dict.fromkeys(lower) if n in table]
    said_so = [name for name, down in arrows.items() if down is not None]
    table.attrs["direction_known"] = said_so
    return table.reset_index(drop=True), list(dict.fromkeys(said))


def _check_twice(frame: pd.DataFrame) -> None:
    """Refuse two columns of one name."""
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise ValueError(f"two columns are {str(twice[0])!r}; rename one of them")


def _without_summaries(
    frame: pd.DataFrame, found: roles.Roles, sheet: Sheet, said: list[str]
) -> pd.DataFrame:
    """The rows without those of means over others."""
    keys = [theirs for theirs, ours in found.names.items() if ours in KEYS]
    given = list(map(str, frame.columns))
    words = [
        c for c in given if c in keys or meaning(c).ours == "note" or c == given[0]
    ]
    of_means = pd.Series(False, frame.index)
    for word in words:
        found_here = [text for text in frame[word].unique() if names.is_summary(text)]
        of_means |= frame[word].isin(found_here)
    if of_means.any() and not of_means.all():
        row = frame.loc[of_means, words].iloc[0]
        name = next(text for text in row if names.is_summary(text))
        where = sheet.places(frame.index[of_means])
        said.append(f"summary of other rows ({bare(name)}): {where}; left out")
        return frame[~of_means]
    return frame


def _named(
    frame: pd.DataFrame,
    found: roles.Roles,
    sheet: Sheet,
    given: dict[str, str],
    said: list[str],
) -> pd.DataFrame:
    """The frame under our names, with data set, model and loss in every row."""
    many = {"repeat", "image"}
    names_of = {n: r for n, r in found.names.items() if r not in many and n in frame}
    taken = {name: names_of.get(name, name) for name in map(str, frame)}
    ours = set(names_of.values())
    for theirs, name in taken.items():
        if theirs not in names_of and name in ours:
            taken[theirs] = f"{name} ({theirs})" if theirs != name else f"{name} (file)"
    table = frame.rename(columns=taken)
    for key in ("loss", "dataset", "model"):
        if key in given and key in table:
            raise ValueError(f"--set {key}: the table has a column for it")
        if key in given:
            table.insert(0, key, given[key])
        elif key not in table:
            if key == "loss" or roles.candidates(key, frame, found):
                raise ValueError(roles.refusal(key, frame, found, sheet))
            table.insert(0, key, NO_NAME[key])
            said.append(
                f"no column for {key}: all rows are taken for one; --set {key}=NAME "
                "names it"
            )
        table[key] = table[key].map(bare)
        lacking = table.index[table[key] == ""]
        if len(lacking):
            hint = "; if it is that of the row above, write it in each row"
            above = hint if lacking[0] != table.index[0] else ""
            raise ValueError(f"no {key} in {sheet.places(lacking)}{above}")
    if all(read(name).kind == "number" for name in table["loss"].unique()):
        codes = ", ".join(table["loss"].unique()[:4])
        said.append(f"losses are named by numbers: {codes}")
    return table


def _numbers(
    table: pd.DataFrame,
    found: roles.Roles,
    sheet: Sheet,
    percent: bool,
    said: list[str],
    metric: str,
) -> tuple[list[str], pd.DataFrame]:
    """Scores, deviations and all other columns of numbers, in the unit they mean.

    A score that cannot be read is refused if it is the one that is asked for, else left
    out with a remark.
    """
    there = [name for name in SCORES if name in table]
    if not there:
        likely = roles.candidates("dice", table.drop(columns=list(KEYS[:3])), found)
        hint = (
            f". If {likely[0]!r} is a score: --map '{likely[0]}=dice'" if likely else ""
        )
        shown = ", ".join(str(c) for c in table.columns if c not in KEYS)
        raise ValueError(
            f"none of the columns {', '.join(METRICS)} is there, nor another known "
            f"score. Columns: {shown} ({sheet.kind}){hint}"
        )
    failed, in_percent = pd.Series("", table.index), []
    left_out: list[str] = []
    for name in there:
        given = table[name].rename(_theirs(name, found))
        try:
            column = scores.numbers(given, name, sheet.places, percent)
        except ValueError as error:
            if name == metric or metric not in there:
                raise
            said.append(f"{given.name} is left out: {error}")
            table = table.drop(columns=[name, f"{name}_sd"], errors="ignore")
            left_out.append(name)
            continue
        said += column.said
        spread = table.get(f"{name}_sd")
        if spread is not None:
            unit = scores.unit_of(given, name, percent, sheet.places)
            bounded = name in scores.BOUNDED
            table[f"{name}_sd"] = spread.map(lambda t: read(t).value) / (
                unit if bounded else 1.0
            )
            if bounded:
                scores.check_spread(table[f"{name}_sd"], name, sheet.places)
        elif column.deviations is not None:
            table[f"{name}_sd"] = column.deviations
        table[name] = column.scores
        failed = failed.where(failed != "", column.failed)
        in_percent += [name] * column.percent
    if in_percent:
        are = "is" if len(in_percent) == 1 else "are"
        said.append(f"{', '.join(in_percent)} {are} in percent, and read as fractions")
    there = [name for name in there if name not in left_out]
    failed = _stopped(table, there, failed)
    if table[there].isna().any(axis=None):
        table["failed"] = failed
    done = {*KEYS[:3], "failed", *there, *(f"{name}_sd" for name in there)}
    table = table.drop(columns="folder", errors="ignore")  # no record of this machine
    for name in [str(c) for c in table if c not in done]:
        table[name] = scores.plain_numbers(table[name])
    return there, table


def _theirs(ours: str, found: roles.Roles) -> str:
    """The file's name of one of our columns."""
    return next(iter(found.columns(ours)), ours)


def _stopped(table: pd.DataFrame, there: list[str], failed: pd.Series) -> pd.Series:
    """Take the scores from runs that a tracker says to have crashed or not ended."""
    if "state" not in table:
        return failed
    state = table["state"].str.casefold().str.strip()
    stopped = state.isin(STOPPED)
    table.loc[stopped, there] = float("nan")
    return failed.where(~stopped, state)


def _of_cells(table: pd.DataFrame, found: roles.Roles, wide: bool) -> bool:
    """Whether a row is the mean of a cell's runs."""
    means = any(meaning(theirs).part == "mean" for theirs in found.names)
    spread = any(f"{name}_sd" in table for name in SCORES if name in table)
    repeated = bool(found.columns("repeat"))
    unique = not table.duplicated(list(KEYS[:3])).any()
    return (
        means
        or (spread and not (repeated and not unique))
        or (wide and unique and not repeated)
    )


def _with_repeats(
    table: pd.DataFrame,
    found: roles.Roles,
    of_cells: bool,
    given: dict[str, str],
    said: list[str],
) -> pd.DataFrame:
    """The column repeat, and those of images; or neither in a table of cells."""
    counts = [c for c in found.columns("repeat") if c in table]
    if of_cells:
        return table.drop(columns=counts)
    pictures = [c for c in found.columns("image") if c in table]
    of_images = repeats.image_columns(table, pictures, counts)
    table = table.copy()
    if of_images:
        image, group = of_images
        table["image"] = table[image].astype(str)
        if group:
            table["group"] = table[group].astype(str)
        drop = [c for c in (image, group) if c and c not in ("image", "group")]
        table = table.drop(columns=drop)
        counts = [c for c in counts if c in table]
        said.append(
            f"rows are images ({image}), not trainings: {len(table['image'].unique())} "
            "images; runs are the means of theirs"
        )
    if "repeat" in given:
        repeat = repeats.whole(pd.Series(given["repeat"], table.index))
    elif counts:
        repeat = repeats.numbered(table, counts, said)
    elif of_images:
        repeat = pd.Series(0, table.index)
    else:
        repeat = repeats.counted(table, said)
    place = (
        list(table.columns).index(counts[0]) if len(counts) == 1 else len(table.columns)
    )
    table = table.drop(columns=counts)
    table.insert(min(place, len(table.columns)), "repeat", repeat)
    return table


def scores_of(table: pd.DataFrame) -> list[str]:
    """The metrics that a table has, with their deviations."""
    there = [name for name in METRICS if name in table]
    return there + [f"{name}_sd" for name in there if f"{name}_sd" in table]


def is_cells(table: pd.DataFrame) -> bool:
    """Whether a table has a row a cell, and not a row a run."""
    return "repeat" not in table and not table.duplicated(list(KEYS[:3])).any()


def _without_copies(
    table: pd.DataFrame, there: list[str], sheet: Sheet, said: list[str]
) -> pd.DataFrame:
    """Each run once: the same row twice is said, two results are refused.

    Rows that differ in a setting are left to who compares them.
    """
    keys = [name for name in (*KEYS, "image") if name in table]
    keys += table.attrs["factors"]
    copies = table.duplicated([*keys, *there])
    if copies.any():
        where = sheet.places(table.index[copies])
        said.append(f"the same run again: {where}; left out")
    table = table[~copies]
    again = table.duplicated(keys, keep=False)
    if again.any():
        first = table[again].iloc[0]
        same = (table[keys] == first[keys]).all(axis=1)
        named = ", ".join(f"{name} {first[name]}" for name in keys)
        raise ValueError(
            f"different results for {named} in {sheet.places(table.index[same])}; "
            f"keep one, or give each a repeat of its own{_unnamed(first)}"
        )
    return table


def _unnamed(row: pd.Series) -> str:
    """Which key of a row no column named."""
    lacking = [key for key, name in NO_NAME.items() if row[key] == name]
    if not lacking:
        return ""
    return f". No column is the {lacking[0]}; if one is, --map COLUMN={lacking[0]}"


def _say_missing(
    table: pd.DataFrame, score: str, sheet: Sheet, said: list[str]
) -> None:
    """Which rows have no score, and which of those failed."""
    empty = table[score].isna()
    if not empty.any():
        return
    reasons = table.loc[empty, "failed"]
    blank = reasons.index[reasons == scores.UNSCORED]
    missing, broken = reasons.index[reasons == ""], reasons[reasons != ""].drop(blank)
    if len(blank):
        said.append(f"no {score} in {sheet.places(blank)}")
    if len(missing):
        said.append(f"{score} is said to be missing in {sheet.places(missing)}")
    if len(broken):
        where = sheet.places(broken.index)
        said.append(f"failed ({broken.iloc[0]}), so without {score}: {where}")
