"""What programs write: JSON, exports of trackers, the scores of nnU-Net."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lesionkit.tables.forms.cells import as_text


def from_json(text: str) -> tuple[pd.DataFrame, str] | None:
    """A frame of texts and how it was written; None if this is no JSON.

    Records may be nested: names are joined by a dot.

    Raises:
        ValueError: JSON without a table in it.
    """
    try:
        found, kind = json.loads(text), "JSON"
    except json.JSONDecodeError:
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except json.JSONDecodeError:
            return None
        kind = "JSON lines"
    return _texts(pd.json_normalize(_records(found))), kind


def _records(found: Any) -> list[dict[str, Any]]:
    """The records in what JSON holds: a list of them, or pandas' other orders."""
    if isinstance(found, list) and found and all(isinstance(r, dict) for r in found):
        return found
    if isinstance(found, dict):
        if {"columns", "data"} <= set(found):  # pandas' order "split"
            rows = found["data"]
            return [dict(zip(found["columns"], row, strict=True)) for row in rows]
        for name in ("data", "results", "runs", "rows", "records"):
            if isinstance(found.get(name), list):
                return _records(found[name])
        if found and all(isinstance(v, dict | list) for v in found.values()):
            rows: Any = pd.DataFrame(found).to_dict("records")  # a list a column
            return rows
    raise ValueError("JSON without a table: a list of records is needed")


def _texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Every cell as text, the first record being number 1."""
    texts = frame.astype(object).map(as_text)
    texts.index = pd.RangeIndex(1, len(texts) + 1)
    return texts


def unpacked(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns that hold a dict as text, as W&B's own script writes, as columns."""
    for name in [c for c in frame if c in ("summary", "config")]:
        held = [_dict(text) for text in frame[name]]
        if any(held):
            parts = pd.json_normalize([each or {} for each in held])
            own = [c for c in parts if str(c).startswith("_")]
            parts = _texts(parts.drop(columns=own))
            parts.index = frame.index
            parts = parts[[c for c in parts if c not in frame]]
            frame = pd.concat([frame.drop(columns=name), parts], axis=1)
    return frame


def _dict(text: str) -> dict[str, Any] | None:
    """The dict that a text holds, or None."""
    try:
        found = ast.literal_eval(text) if text.startswith("{") else None
    except (ValueError, SyntaxError):
        return None
    return found if isinstance(found, dict) else None


NNUNET = "summary.json"
_DATASET = re.compile(r"^(?:Dataset|Task)\d+_(.+)$")
_FOLD = re.compile(r"^fold_(\d+|all)$")


def nnunet_files(folder: Path) -> list[Path]:
    """The summary.json files of nnU-Net below a folder."""
    return sorted(folder.rglob(NNUNET))


def from_nnunet(paths: Iterable[Path]) -> tuple[pd.DataFrame, list[str]]:
    """A row a case of nnU-Net's summary.json files, and what is said of it.

    Data set, trainer and fold are read from the folders that a file lies in. With
    several labels a case has the mean over those that it has.

    Raises:
        ValueError: a file that is none of nnU-Net's.
    """
    rows, labels = [], set()
    for path in paths:
        found = json.loads(path.read_text())
        if not is_nnunet(found):
            raise ValueError(f"{path} has no scores by case")
        where = _of_folders(path)
        for case in _cases(found):
            scores = pd.DataFrame(case["metrics"])  # scores x labels
            labels |= set(map(str, scores.columns))
            rows.append(where | {"image": case["image"]} | dict(scores.mean(axis=1)))
    said = ["rows are cases of nnU-Net; the loss is read from the trainer's name"]
    if len(labels) > 1:
        said.append(f"a case has the mean over its labels {', '.join(sorted(labels))}")
    return _texts(pd.DataFrame(rows)), said


def is_nnunet(found: Any) -> bool:
    """Whether JSON is a summary.json of nnU-Net, of its first or second version."""
    if not isinstance(found, dict):
        return False
    results = found.get("results")
    return "metric_per_case" in found or (
        isinstance(results, dict) and "all" in results
    )


def _cases(found: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """The name and the scores by label of each case; label 0 is the background."""
    if "metric_per_case" in found:
        for case in found["metric_per_case"]:
            name = case.get("reference_file") or case.get("prediction_file", "")
            yield {"image": Path(name).name, "metrics": _lesions(case["metrics"])}
        return
    for case in found["results"]["all"]:
        scores = {k: v for k, v in case.items() if isinstance(v, dict)}
        name = Path(str(case.get("reference", ""))).name
        yield {"image": name, "metrics": _lesions(scores)}


def _lesions(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of all labels but the background."""
    return {label: each for label, each in scores.items() if str(label) != "0"}


def _of_folders(path: Path) -> dict[str, str]:
    """What nnU-Net's folders say: Dataset001_X/TRAINER__PLANS__2d/fold_0/..."""
    found = {}
    for part in path.absolute().parts:
        if named := _DATASET.match(part):
            found["dataset"] = named[1]
        elif fold := _FOLD.match(part):
            found["fold"] = fold[1]
        elif "__" in part and part.startswith("nnUNetTrainer"):
            trainer, *rest = part.split("__")
            found |= {"loss": trainer, "model": " ".join(rest)}
    return found
