"""What programs write: JSON of records, lines or columns, and trackers' exports."""

from __future__ import annotations

import ast
import json
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
