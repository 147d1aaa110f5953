"""Which runs of a cell are repeats of one another, and which rows are no runs."""

from __future__ import annotations

import pandas as pd

from lesionkit.config import PARAMETERS
from lesionkit.tables.forms.headers import meaning, plain
from lesionkit.tables.forms.spellings import KEYS, SETTINGS

CELL = ["dataset", "model", "loss"]
PATIENTS = {"patient", "patientid", "subject", "subjectid", "환자", "患者", "paciente"}


def numbered(table: pd.DataFrame, candidates: list[str], said: list[str]) -> pd.Series:
    """The repeat of each row, from the columns that may name it.

    A column that is the same throughout names nothing, nor does one whose every row is
    another one, as the id of a run. Of several, one that tells the runs of every cell
    apart is taken, `repeat` itself before any other; else fold and seed together are
    the repeat.
    """
    used = ["image"] if "image" in table else []
    if "repeat" in candidates and not _twice(table, ["repeat"], used):
        return whole(table["repeat"])
    counts = {name: len(table[name].unique()) for name in candidates}
    varied = [name for name, count in counts.items() if 1 < count < len(table)]
    if not varied and max(counts.values()) == len(table) > len(
        table[CELL].value_counts()
    ):
        return counted(table, said)
    if not varied:
        varied = candidates[:1]
    alone = [name for name in varied if _names_runs(table, name, used)]
    if alone:
        name = alone[0]
        if others := [c for c in candidates if c != name]:
            more = ", ".join(map(repr, others))
            said.append(f"repeat is taken from {name!r}; {more} tells no more")
        return whole(table[name])
    if len(varied) > 1:
        said.append(f"each pair of {' and '.join(varied)} is a repeat")
        return table[varied].astype(str).agg(" ".join, axis=1)
    return whole(table[varied[0]])


def _twice(table: pd.DataFrame, names: list[str], more: list[str]) -> bool:
    """Whether rows of one cell agree in these columns."""
    return bool(table.duplicated([*CELL, *names, *more]).any())


def _names_runs(table: pd.DataFrame, name: str, more: list[str]) -> bool:
    """Whether a column tells the runs of each cell apart."""
    return not _twice(table, [name], more)


def whole(values: pd.Series) -> pd.Series:
    """Repeats as whole numbers where all of them are."""
    found = pd.to_numeric(values, errors="coerce")
    if found.notna().all() and (found % 1 == 0).all():
        return found.astype(int)
    return values.astype(str)


def counted(table: pd.DataFrame, said: list[str]) -> pd.Series:
    """Repeats in the order of the rows, where no column names them."""
    found = table.groupby(CELL).cumcount()
    if found.max() > 0:
        said.append(
            "no column for repeat: the runs of a cell are numbered in their order, "
            "and paired across losses by it"
        )
    return found


def image_columns(
    table: pd.DataFrame, candidates: list[str], counts: list[str]
) -> tuple[str, str] | None:
    """The columns of images and of what groups them; None where rows are no images.

    Rows are images where a run has several of them, each another one, and others have
    them too. A column of files that names what each run left is none.

    Args:
        candidates: columns that may name images or patients.
        counts: columns that may name repeats.
    """
    groups = [c for c in candidates if plain(c).replace("_", "") in PATIENTS]
    images = [c for c in candidates if c not in groups] or groups
    run = [*CELL, *counts]
    if not images or table.groupby(run).size().max() < 2:
        return None
    shared = len(table[images[0]].unique()) < len(table)
    if not shared or table[images[0]].nunique() < 2:
        return None
    if table.groupby(run)[images[0]].nunique().max() < 2:
        return None
    group = next((c for c in groups if c not in images), "")
    return images[0], group


def factors(table: pd.DataFrame, scores: list[str]) -> list[str]:
    """Columns of settings, and others of words, that tell rows of one cell apart.

    A column whose every row is another one, a name or a time, tells nothing.
    """
    found = []
    cell = [*CELL, "image"] if "image" in table else CELL
    used = {*KEYS, "image", "group", "n", "failed", *scores}
    for name in map(str, table):
        role = meaning(name)
        told = role.ours in SETTINGS or role.ours in CELL  # an encoder beside a model
        if name in used or (role.known and not told):
            continue
        values = table[name]
        setting = told or name in PARAMETERS
        if not setting and (
            values.dtype.kind in "fiub" or values.nunique() > len(table) / 2
        ):
            continue
        if table.groupby(cell)[name].nunique().max() > 1:
            found.append(name)
    return found
