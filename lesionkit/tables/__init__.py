"""Run records, or anybody's table, in; one tidy table with a row a run out.

Free of torch; `inference`, `papers`, `thresholds`, pages and commands import it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lesionkit import lookup, published
from lesionkit.catalogue import own
from lesionkit.config import EXECUTION, PARAMETERS
from lesionkit.records.runs import RunRecord, find_records
from lesionkit.records.sessions import over_all
from lesionkit.records.stores import is_url
from lesionkit.tables import names, scores
from lesionkit.tables.forms.exports import nnunet_files
from lesionkit.tables.forms.files import nnunet
from lesionkit.tables.forms.headers import metric_name
from lesionkit.tables.images import collapsed
from lesionkit.tables.reading import (
    KEYS,
    METRICS,
    is_cells,
    read_foreign,
    read_sheet,
)

__all__ = [
    "SETTING",
    "comparable_records",
    "findings",
    "forensics",
    "forms",
    "images",
    "load_table",
    "reading",
    "remarks",
    "scores",
    "select",
    "with_background",
]

# What must be the same in all rows before losses are compared: all that can change a
# result, but for what is compared. Variants belong to a model, seeds to a repeat, and
# the options and the code of one's own to its name.
_COMPARED = (*KEYS, "variant", "split_seed", "init_seed", "loss_options", "loss_code")
_COMPARED = (*_COMPARED, "model_options", "model_code")
SETTING = [n for n in PARAMETERS if n not in (*EXECUTION, *_COMPARED)]

# What made a run, and why it matters that it differs: the same parameters then may have
# meant another training.
MAKERS = {
    "commit": "what changed the numbers stands in CHANGELOG.md under Numbers",
    "torch": "last bits differ, and a whole training can follow them",
    "hardware": "last bits differ, and a whole training can follow them",
}


def load_table(
    source: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    percent: bool = False,
    settings: Mapping[str, str] | None = None,
    metric: str | None = None,
    lower_is_better: Iterable[str] = (),
    higher_is_better: Iterable[str] = (),
) -> pd.DataFrame:
    """One row a run: dataset, model, loss, repeat, dice, iou, precision, recall.

    Args:
        source: a folder of run records (searched to any depth) or the URL of one,
            such as s3://bucket/runs; a file with a table of any form (docs/tables.md);
            or the name of a table that comes with the kit (published.TABLES):
            "public-rerun", "study-small" and others. What is read from a URL is kept
            in data/cache/records.
        columns: for a file, its column names to ours, where they are not recognised.
        percent: for a file, its scores are 0 to 100.
        settings: for a file, what holds for all its rows: `{"model": "unet"}`; or
            `metric` and `columns` of a wide table (`reading.read_foreign`).
        metric: for a wide file, what its numbers are, where nothing in it says so.
        lower_is_better, higher_is_better: scores of which the kit does not know it.

    Returns:
        Records add every other parameter of the run, run_id, source (what the data
        set was prepared from) and further scores. Metrics are the mean over
        test images at the probability threshold, between 0 and 1. A table of cell
        means has no column repeat, but n and dice_sd (and so on) where it has them;
        one with a row an image has the column image.
        `remarks(table)` says what is unusual, a line each: blank rows, copies,
        scores and cells that are missing. `table.attrs["lower_is_better"]` names the
        scores whose lowest value is the best.

    Raises:
        FileNotFoundError: nothing there, or no finished record in the folder.
        ValueError: a file that cannot be used; the text names the lines.
        ImportError, OSError: a URL that needs a package, or cannot be read.
    """
    path, said = Path(source), []
    if published.is_table(source):
        table = published.TABLES[str(source)]()
        said = table.attrs.get("remarks", [])
    elif path.is_dir() and not _has_records(path) and (found := nnunet_files(path)):
        given = {"settings": settings, "percent": percent}
        table, said = read_sheet(nnunet(found), str(path), columns or {}, **given)
    elif is_url(source) or path.is_dir():
        if settings:
            raise ValueError(f"--set is for files; {source} holds run records")
        table = _from_records(source)
    elif path.is_file():
        how = {"settings": settings, "metric": metric and metric_name(metric)}
        table, said = read_foreign(path, columns or {}, percent=percent, **how)
    else:
        there = [each.name for each in path.absolute().parent.glob("*.csv")]
        near = lookup.nearest(path.name, [*published.TABLES, *there])
        hint = f". Did you mean {near}?" if near else ""
        gone = f"no run records and no table at {path.absolute()}{hint}"
        raise FileNotFoundError(gone)
    table.attrs["remarks"] = said
    _directions(table, list(lower_is_better), list(higher_is_better))
    return table


def _has_records(folder: Path) -> bool:
    """Whether a folder holds a finished run record."""
    return next(folder.rglob("DONE"), None) is not None


def _directions(table: pd.DataFrame, lower: list[str], higher: list[str]) -> None:
    """Note in the table which scores are the better the lower."""
    lower, higher = ([metric_name(n) for n in given] for given in (lower, higher))
    for name in (*lower, *higher):
        lookup.find("score", name, dict.fromkeys(map(str, table)))
    known = [*table.attrs.get("lower_is_better", scores.directions(table)), *lower]
    table.attrs["lower_is_better"] = [
        name for name in dict.fromkeys(known) if name not in higher
    ]
    table.attrs["direction_known"] = [
        *table.attrs.get("direction_known", ()),
        *lower,
        *higher,
    ]


def remarks(table: pd.DataFrame, *, missing: bool = True) -> list[str]:
    """What is unusual in a table, a line each: in its file, grid, and what made it.

    Args:
        missing: name the cells that are missing; a verdict says by itself what it
            makes of them.
    """
    said = [*table.attrs.get("remarks", ()), *_grid_remarks(table, missing)]
    for name in table.attrs.get("factors", ()):
        if name in table and len(values := table[name].dropna().unique()) > 1:
            shown = ", ".join(map(str, values[:4]))
            said.append(f"runs of one cell differ in {name} ({shown}): one experiment?")
    for column, why in MAKERS.items():
        counts = table[column].value_counts() if column in table else ()
        if len(counts) > 1:
            each = ", ".join(f"{name} ({count})" for name, count in counts.items())
            said.append(f"runs by more than one {column}: {each}; {why}")
    return said


def _grid_remarks(table: pd.DataFrame, missing: bool) -> list[str]:
    """Which cells of data set, model and loss are missing or have fewer runs."""
    table, axes = collapsed(table), list(KEYS[:3])
    counts = table.groupby(axes, sort=False).size()
    every = pd.MultiIndex.from_product([list(table[a].unique()) for a in axes])
    said = []
    lacking = every.difference(list(counts.index), sort=False)
    if missing and len(lacking):
        share = f"{len(lacking)} of {len(every)} cells are missing"
        said.append(f"{share}: {_cells(lacking)}")
    most = int(counts.mode().max())
    if len(fewer := counts.index[counts < most]) and not is_cells(table):
        said.append(f"{len(fewer)} cells have fewer than {most} runs: {_cells(fewer)}")
    return said


def _cells(index: pd.Index) -> str:
    """The first few cells by name."""
    shown = ", ".join("/".join(map(str, key)) for key in index[:3])
    return shown + (f" and {len(index) - 3} more" if len(index) > 3 else "")


def _from_records(root: str | Path) -> pd.DataFrame:
    """A table of every finished record below a folder or a URL."""
    rows = [_row(record) for record in find_records(root)]
    if not rows:
        place = root if is_url(root) else Path(root).absolute()
        raise FileNotFoundError(
            f"no finished run record below {place}. Make one with: "
            "lesionkit train -p loss ioufocal"
        )
    table = pd.DataFrame(rows)
    for name in ("loss", "model"):
        table[name] = _told_apart(table[name], table[f"{name}_code"])
    return table.sort_values(list(KEYS), ignore_index=True)


def _told_apart(names: pd.Series, codes: pd.Series) -> pd.Series:
    """Names of one's own with the first digits of their code where it was changed."""
    several = codes.groupby(names).transform("nunique") > 1
    if not several.any():
        return names
    return names.where(~several, names + "@" + codes.astype(str).str[:6])


def _row(record: RunRecord) -> dict:
    """One finished run as a row."""
    identity, test = record.identity, record.metrics["test"]
    row = {name: identity[name] for name in KEYS} | identity
    for name in ("loss", "model"):
        row[name] = own.titled(identity[name], identity[f"{name}_options"])
        row[f"{name}_options"] = json.dumps(identity[f"{name}_options"])
    row |= {name: test["probability"]["image"][name] for name in METRICS}
    row["average_precision"] = test["average_precision"]
    row["test_images"] = test.get("images")
    pooled, raw_mean = test["probability"]["pooled"], test["raw_mean"]["image"]
    row |= {f"pooled_{name}": pooled[name] for name in METRICS}
    row |= {f"raw_mean_{name}": raw_mean[name] for name in METRICS}
    for stratum, found in record.metrics.get("test_by_stratum", {}).items():
        row[f"{stratum}_dice"] = found["probability"]["image"]["dice"]
    row["best_epoch"] = record.metrics["best_epoch"]
    row["epochs_trained"] = record.metrics["epochs"]
    sessions = record.environment["sessions"]
    row["wall_seconds"] = sum(session.get("wall_seconds", 0.0) for session in sessions)
    row["commit"] = over_all(sessions, "commit", "lesionkit")  # a release has none
    row["torch"] = over_all(sessions, "torch")
    row["hardware"] = over_all(sessions, "gpu", "device")
    row |= {name: record.metrics["data"][name] for name in ("source", "fingerprint")}
    row["run_id"] = record.config["run_id"]
    row["folder"] = str(record.folder)
    return row


def with_background(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the share of background that each run marks on its test images.

    The columns background (probability 0.5) and raw_mean_background are means over the
    images of false pixels over background pixels, from the counts that records keep. A
    table that is not made of run records comes back as it is.
    """
    if "folder" not in table:
        return table
    shares = []
    for folder in table["folder"]:
        images = RunRecord(Path(folder)).images
        share = images["fp"] / (images["fp"] + images["tn"])
        shares.append(share.groupby(images["threshold"]).mean())
    return table.assign(
        background=[share["probability"] for share in shares],
        raw_mean_background=[share["raw_mean"] for share in shares],
    )


def select(table: pd.DataFrame, conditions: str | Iterable[str]) -> pd.DataFrame:
    """The rows that meet conditions such as "size=96 loss=dice,bce".

    Args:
        conditions: one text, or one for each condition. A value may hold blanks
            ("dataset=Liver Tumor"), and names may be spelt as in the file.

    Raises:
        UnknownName: not of this form, or a column or value that is not there.
    """
    if isinstance(conditions, str):
        conditions = re.split(r"\s+(?=[^\s=]+=)", conditions.strip())
    whole = table
    for condition in filter(None, conditions):
        name, equals, values = condition.partition("=")
        if not equals:
            raise lookup.UnknownName(f"expected NAME=VALUE, got {condition!r}")
        every = {str(n): whole[n].astype(str) for n in whole}
        texts = lookup.find("column", name, every)
        wanted = [values] if values in set(texts) else values.split(",")
        found = [_value(name, each.strip(), texts) for each in wanted]
        kept = table[table[name].astype(str).isin(found)]
        if kept.empty:
            there = ", ".join(table[name].astype(str).unique()[:12])
            raise lookup.UnknownName(
                f"no run has {condition}. {name} is one of: {there}"
            )
        table = kept
    return table


def _value(name: str, wanted: str, texts: pd.Series) -> str:
    """A value of a column, asked for in its own or the kit's spelling.

    Raises:
        UnknownName: no row has it.
    """
    there = list(map(str, texts.unique()))
    if wanted in there:
        return wanted
    kit = names.ours(wanted, name) if name in names.KNOWN else wanted
    by_case = {text.casefold(): text for text in there}
    if found := by_case.get(kit.casefold()) or by_case.get(wanted.casefold()):
        return found
    near = None if wanted.isdigit() else lookup.nearest(wanted, there)
    hint = f". Did you mean {near!r}?" if near else "."
    more = f" and {len(there) - 12} more" if len(there) > 12 else ""
    raise lookup.UnknownName(
        f"no run has {name}={wanted}{hint} {name} is one of: "
        f"{', '.join(there[:12])}{more}"
    )


def comparable_records(table: pd.DataFrame) -> dict[str, RunRecord]:
    """One record a loss, all of one data set, model and repeat: for figures.

    Taken is the data set and model with the most losses (the first in the table of
    equals), at its first repeat.

    Returns:
        Loss to record; empty for a table that is not made of run records.
    """
    if "folder" not in table:
        return {}
    cells = table.groupby(["dataset", "model", "repeat"], sort=False)
    where: Any = cells["loss"].nunique().idxmax()  # a label of the three levels
    rows = cells.get_group(where)
    folders = zip(rows["loss"], rows["folder"], strict=True)
    return {loss: RunRecord(Path(folder)) for loss, folder in folders}
