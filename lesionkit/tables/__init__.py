"""Run records, or anybody's CSV, in; one tidy table with a row a run out.

Free of torch; `inference`, `papers`, `thresholds`, pages and commands import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lesionkit import lookup, published
from lesionkit.config import EXECUTION, PARAMETERS
from lesionkit.records.runs import RunRecord, find_records
from lesionkit.records.stores import is_url
from lesionkit.tables.reading import KEYS, METRICS, is_cells, read_foreign

__all__ = [
    "SETTING",
    "comparable_records",
    "findings",
    "forensics",
    "images",
    "load_table",
    "reading",
    "remarks",
    "select",
    "with_background",
]

# What must be the same in all rows before losses are compared: all that can change a
# result, but for what is compared. Variants belong to a model, seeds to a repeat.
_COMPARED = (*KEYS, "variant", "split_seed", "init_seed")
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
) -> pd.DataFrame:
    """One row a run: dataset, model, loss, repeat, dice, iou, precision, recall.

    Args:
        source: a folder of run records (searched to any depth) or the URL of one,
            such as s3://bucket/runs; a CSV file; or the name of a table that comes
            with the kit (published.TABLES): "public-rerun", "study-small" and others.
            What is read from a URL is kept in data/cache/records.
        columns: for a CSV, its column names to ours, where they are not recognised.
        percent: for a CSV, its scores are 0 to 100.

    Returns:
        Records add every other parameter of the run, run_id, source (what the data
        set was prepared from) and further scores. Metrics are the mean over
        test images at the probability threshold, between 0 and 1. A CSV of cell
        means has no column repeat, but n and dice_sd (and so on) where it has them.
        `remarks(table)` says what is unusual, a line each: blank rows, copies,
        scores and cells that are missing.

    Raises:
        FileNotFoundError: nothing there, or no finished record in the folder.
        ValueError: a CSV that cannot be used; the text names the lines.
        ImportError, OSError: a URL that needs a package, or cannot be read.
    """
    path, said = Path(source), []
    if published.is_table(source):
        table = published.TABLES[str(source)]()
        said = table.attrs.get("remarks", [])
    elif is_url(source) or path.is_dir():
        table = _from_records(source)
    elif path.is_file():
        table, said = read_foreign(path, columns or {}, percent=percent)
    else:
        near = lookup.nearest(path.name, published.TABLES)
        hint = f". Did you mean {near}?" if near else ""
        gone = f"no run records and no table at {path.absolute()}{hint}"
        raise FileNotFoundError(gone)
    table.attrs["remarks"] = said
    return table


def remarks(table: pd.DataFrame) -> list[str]:
    """What is unusual in a table, a line each: in its file, grid, and what made it."""
    said = [*table.attrs.get("remarks", ()), *_grid_remarks(table)]
    for column, why in MAKERS.items():
        counts = table[column].value_counts() if column in table else ()
        if len(counts) > 1:
            each = ", ".join(f"{name} ({count})" for name, count in counts.items())
            said.append(f"runs by more than one {column}: {each}; {why}")
    return said


def _grid_remarks(table: pd.DataFrame) -> list[str]:
    """Which cells of data set, model and loss are missing or have fewer runs."""
    axes = list(KEYS[:3])
    counts = table.groupby(axes, sort=False).size()
    every = pd.MultiIndex.from_product([list(table[a].unique()) for a in axes])
    said = []
    if len(lacking := every.difference(list(counts.index), sort=False)):
        missing = f"{len(lacking)} of {len(every)} cells are missing"
        said.append(f"{missing}: {_cells(lacking)}")
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
    return pd.DataFrame(rows).sort_values(list(KEYS), ignore_index=True)


def _row(record: RunRecord) -> dict:
    """One finished run as a row."""
    identity, test = record.identity, record.metrics["test"]
    row = {name: identity[name] for name in KEYS} | identity
    row |= {name: test["probability"]["image"][name] for name in METRICS}
    row["average_precision"] = test["average_precision"]
    row["test_images"] = test.get("images")
    pooled, raw_mean = test["probability"]["pooled"], test["raw_mean"]["image"]
    row |= {f"pooled_{name}": pooled[name] for name in METRICS}
    row |= {f"raw_mean_{name}": raw_mean[name] for name in METRICS}
    for stratum, scores in record.metrics.get("test_by_stratum", {}).items():
        row[f"{stratum}_dice"] = scores["probability"]["image"]["dice"]
    row["best_epoch"] = record.metrics["best_epoch"]
    row["epochs_trained"] = record.metrics["epochs"]
    sessions = record.environment["sessions"]
    row["wall_seconds"] = sum(session.get("wall_seconds", 0.0) for session in sessions)
    last = sessions[-1]
    row["commit"] = last.get("commit") or last.get("lesionkit")  # a release has none
    row["torch"] = last.get("torch")
    row["hardware"] = last.get("gpu") or last.get("device")
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


def select(table: pd.DataFrame, conditions: str) -> pd.DataFrame:
    """The rows that meet conditions such as "size=96 loss=dice,bce".

    Raises:
        ValueError: not of this form, no such column, or no row is left.
    """
    for condition in conditions.split():
        name, equals, values = condition.partition("=")
        if not equals:
            raise ValueError(f"expected NAME=VALUE, got {condition!r}")
        column = lookup.find("column", name, {str(n): table[n] for n in table})
        kept = table[column.astype(str).isin(values.split(","))]
        if kept.empty:
            there = ", ".join(str(value) for value in column.unique()[:12])
            raise ValueError(f"no run has {condition}; {name} is one of: {there}")
        table = kept
    return table


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
