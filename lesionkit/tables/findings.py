"""What a finding of forensics is, and how places of a table are named in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

AXES = ("dataset", "model", "loss")
NAMED = 3  # places that a text names; the rest is counted
KEPT = 100  # cells and rows that a finding keeps


@dataclass(frozen=True)
class Finding:
    """Something in a table that should be looked at before its answer is believed.

    Attributes:
        code: "F1" to "F8"; docs/forensics.md has a section for each.
        text: what the numbers show, in one line.
        cells: (dataset, model, loss) of the cells concerned.
        rows: their labels in the table's index.

    `shown` cuts both to KEPT for printing.
    """

    code: str
    text: str
    cells: tuple[tuple[str, str, str], ...] = ()
    rows: tuple[int, ...] = ()

    @property
    def page(self) -> str:
        """Where the documentation explains it."""
        return f"docs/forensics.md#{self.code.lower()}"

    def shown(self) -> dict[str, object]:
        """What a program reads of it, cells and rows cut to the first KEPT."""
        return {
            "code": self.code,
            "text": self.text,
            "page": self.page,
            "cell_count": len(self.cells),
            "row_count": len(self.rows),
            "cells": [list(cell) for cell in self.cells[:KEPT]],
            "rows": list(self.rows[:KEPT]),
        }


def finding(code: str, text: str, table: pd.DataFrame, chosen: pd.Series) -> Finding:
    """A finding on the rows of a table that a boolean series chooses."""
    rows = table[chosen]
    cells = rows[list(AXES)].drop_duplicates().astype(str)
    return Finding(
        code,
        text,
        tuple(cells.itertuples(index=False, name=None)),
        tuple(rows.index.tolist()),
    )


def named(names: Iterable[object], separator: str = ", ") -> str:
    """The first few names, and how many more there are."""
    every = [str(name) for name in names]
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return separator.join(every[:NAMED]) + more


def counted(values: pd.Series) -> str:
    """Each value with how often it is there, the most frequent first."""
    return named(f"{name} {count}" for name, count in values.value_counts().items())


def plural(count: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def span(values: Sequence[float] | np.ndarray, digits: int = 2) -> str:
    """The least and the largest of some numbers; one if they print alike."""
    low, high = (f"{float(end):.{digits}f}" for end in (np.min(values), np.max(values)))
    return low if low == high else f"{low} to {high}"


def spread(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Robust standard deviation around the median, without NaN.

    Source: 1.4826 times the median absolute deviation, which is the standard deviation
    of a normal law (Hampel, J. Am. Stat. Assoc. 69 (1974) 383-393).
    """
    middle = np.nanmedian(values, axis=axis, keepdims=axis is not None)
    return 1.4826 * np.nanmedian(np.abs(values - middle), axis=axis)


def unit(values: np.ndarray) -> float:
    """The last digit that numbers are printed with; 1e-12 at the least."""
    known = values[np.isfinite(values)][:2000]
    for decimals in range(12):
        if np.all(np.abs(known - np.round(known, decimals)) < 1e-13):
            return 10.0**-decimals
    return 1e-12
