"""Run records, or anybody's CSV, to one tidy table: a row a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lesionkit import lookup
from lesionkit.runs import RunRecord, find_records

METRICS = ("dice", "iou", "precision", "recall")
KEYS = ("dataset", "model", "loss", "repeat")
# What must be the same in all rows before losses are compared.
SETTING = (
    "protocol",
    "definition",
    "size",
    "split",
    "resize",
    "epochs",
    "patience",
    "stop_rule",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "scoring",
    "dtype",
    "pretrained",
    "deep_supervision",
    "sums",
    "smooth",
    "alpha",
    "gamma",
    "focal_form",
    "alpha_form",
)

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


def load_table(
    source: str | Path, *, columns: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """One row a run: dataset, model, loss, repeat, dice, iou, precision, recall.

    Args:
        source: a folder of run records (searched to any depth) or a CSV file.
        columns: for a CSV, its column names to ours, where they are not recognised.

    Returns:
        Records add every other parameter of the run, run_id, source (what the data
        set was prepared from) and further scores. Metrics are the mean over
        test images at the probability threshold, between 0 and 1.

    Raises:
        FileNotFoundError: nothing there, or no finished record in the folder.
        ValueError: a CSV lacks a column or holds values outside [0, 1].
    """
    path = Path(source)
    if path.is_dir():
        return _from_records(path)
    if path.is_file():
        return _from_csv(path, columns or {})
    raise FileNotFoundError(f"no run records and no table at {path.absolute()}")


def _from_records(folder: Path) -> pd.DataFrame:
    """A table of every finished record below a folder."""
    rows = [_row(record) for record in find_records(folder)]
    if not rows:
        raise FileNotFoundError(
            f"no finished run record below {folder.absolute()}. Make one with: "
            "lesionkit train -p loss ioufocal"
        )
    return pd.DataFrame(rows).sort_values(list(KEYS), ignore_index=True)


def _row(record: RunRecord) -> dict:
    """One finished run as a row."""
    identity, test = record.identity, record.metrics["test"]
    row = {name: identity[name] for name in (*KEYS, *_others(identity))}
    row |= {name: test["probability"]["image"][name] for name in METRICS}
    row["average_precision"] = test["average_precision"]
    for rule, aggregation in (("probability", "pooled"), ("raw_mean", "image")):
        label = "pooled" if aggregation == "pooled" else rule
        scores = test[rule][aggregation]
        row |= {f"{label}_{name}": scores[name] for name in METRICS}
    row["best_epoch"] = record.metrics["best_epoch"]
    row["epochs_trained"] = record.metrics["epochs"]
    row["wall_seconds"] = sum(
        session.get("wall_seconds", 0.0) for session in record.environment["sessions"]
    )
    row |= {name: record.metrics["data"][name] for name in ("source", "fingerprint")}
    row["run_id"] = record.config["run_id"]
    row["folder"] = str(record.folder)
    return row


def _others(identity: Mapping[str, object]) -> list[str]:
    """The parameters of a run that are not its place in a grid."""
    return [name for name in identity if name not in KEYS]


def select(table: pd.DataFrame, conditions: str) -> pd.DataFrame:
    """The rows that meet conditions such as "size=96 loss=dice,bce".

    Raises:
        ValueError: not of this form, no such column, or no row is left.
    """
    for condition in conditions.split():
        name, equals, values = condition.partition("=")
        if not equals:
            raise ValueError(f"expected NAME=VALUE, got {condition!r}")
        column = lookup.find("column", name, table)
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
    cell = table.groupby(["dataset", "model", "repeat"], sort=False)["loss"]
    dataset, model, repeat = cell.nunique().idxmax()
    rows = table[
        (table["dataset"] == dataset)
        & (table["model"] == model)
        & (table["repeat"] == repeat)
    ]
    return {row.loss: RunRecord(Path(row.folder)) for row in rows.itertuples()}


def _from_csv(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """A table of somebody's CSV, under our names."""
    table = pd.read_csv(path, skip_blank_lines=False).dropna(how="all")
    table = table.rename(columns=_renames(list(table.columns), columns))
    twice = list(table.columns[table.columns.duplicated()])
    if twice:
        raise ValueError(f"{path}: two columns are {twice[0]!r}; take one of them")
    for name in ("dataset", "model", "loss"):
        if name not in table:
            raise ValueError(
                f"{path}: no column for {name!r} (known spellings: {name}, "
                f"{', '.join(SPELLINGS[name])}). Columns: {', '.join(table.columns)}"
            )
    there = [name for name in METRICS if name in table]
    if not there:
        raise ValueError(f"{path}: none of the columns {', '.join(METRICS)} is there")
    if "repeat" not in table:
        table["repeat"] = table.groupby(["dataset", "model", "loss"]).cumcount()
    for name in there:
        numbers = pd.to_numeric(table[name], errors="coerce")
        wrong = table.index[~numbers.between(0, 1) & table[name].notna()]
        if len(wrong):
            raise ValueError(
                f"{path}: {name} outside [0, 1] in {len(wrong)} rows, first in line "
                f"{wrong[0] + 2} ({table[name][wrong[0]]})"
            )
        table[name] = numbers
    return table


def _renames(found: list[str], columns: Mapping[str, str]) -> dict[str, str]:
    """Somebody's column names to ours."""
    for theirs, ours in columns.items():
        lookup.find("column", ours, SPELLINGS)
        lookup.find("column of the file", theirs, dict.fromkeys(found))
    renames = dict(columns)
    for ours, spellings in SPELLINGS.items():
        if ours in found or ours in renames.values():
            continue
        match = next((name for name in found if name.lower() in spellings), None)
        if match is not None:
            renames[match] = ours
    return renames
