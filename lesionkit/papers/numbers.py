"""Printed text as exact numbers: each stands for every value that rounds to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from lesionkit import lookup
from lesionkit.catalogue import LOSSES
from lesionkit.tables.forms import headers
from lesionkit.tables.forms.cells import bare
from lesionkit.tables.forms.files import read_file
from lesionkit.tables.forms.headers import plain
from lesionkit.tables.reading import KEYS, METRICS

Ends = tuple[Fraction, Fraction, Fraction]
SCORES = (*METRICS, "average_precision")
OTHERS = {  # what only the audit knows
    **dict.fromkeys(("podium", "podium_points"), "points"),
    "focal_gamma": "gamma",
    "miou": "iou",  # a mean over images obeys the same laws
}
MOST_DECIMALS = 9  # floats written in full are not exact in their last digits
ROW_POINTS = 6  # 3 + 2 + 1, also where tied places share them
SHOWN = {"dice": "F1", "iou": "IoU", "average_precision": "AP"}
NUMERAL = re.compile(r"[-+\u2212]?\d+(?:[.,]\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
# What may stand after a number: a unit, a deviation, an interval, marks of a footnote.
AFTER = re.compile(
    r"\s*%?\s*((\u00b1|\+/?-|[(\[]).*|[*\u2020\u2021\u00a7^\u2191\u2193]+)?"
)
MISSING = {*" - -- \u2013 \u2014 / na n/a n.a. nan none null missing".split(" ")}
SPREAD = re.compile(r"(^|_)(sd|std|se|sem|ci|iqr|interval|variance)(\d|_|$)")


@dataclass(frozen=True)
class Finding:
    """What a rule found: one line with the numbers, and where they stand.

    `rule` is one word or two. `severity` is "impossible" (however averaged,
    as far as was told), "only if" (possible under a condition that it names),
    "inconsistent" (two numbers that cannot both be right), "not pooled" (possible as a
    mean over images, not over pooled pixels), "not read" (a cell that is no number),
    "not stated", "remark", or "checked" (what a rule was asked of). `rows` is how many
    rows the table has, 0 for what is no table; `share` the share of empty images that a
    condition takes; `asked` of how many rows a rule was asked, where it says so.
    """

    rule: str
    severity: str
    where: str
    says: str
    source: str = ""
    rows: int = 0
    share: float = 0.0
    asked: int = 0


@dataclass(frozen=True)
class Printed:
    """A score as printed: every value from low to high, fractions of 1, rounds to it.

    `decimals` are those of the number in percent.
    """

    low: Fraction
    high: Fraction
    decimals: int

    @property
    def value(self) -> Fraction:
        return (self.low + self.high) / 2

    @property
    def cut(self) -> Printed:
        """The same where digits may have been cut off instead of rounded."""
        width = self.high - self.low
        return replace(self, high=self.high + width / 2)

    def meets(self, low: Fraction, high: Fraction) -> bool:
        """Whether one of its values lies between low and high."""
        return self.low <= high and low <= self.high

    def __str__(self) -> str:
        return in_percent(self.value, min(self.decimals, 4))


@dataclass(frozen=True)
class Row:
    """One row of a table: its name, its scores, and every cell as text."""

    label: str
    scores: Mapping[str, Printed]
    texts: Mapping[str, str]

    def is_called(self, subject: str) -> bool:
        """Whether a subject such as "unet/focal" is this row, in any order."""
        names = [text for key in KEYS[:3] if (text := self.texts.get(key))]
        names, parts = names or [self.label], re.split(r"\s*[/+,]\s*", subject)
        found = (any(same(part, name) for name in names) for part in parts)
        return len(names) == len(parts) and all(found)


@dataclass(frozen=True)
class Table:
    """A table under our column names; others keep theirs in small letters.

    `headers` has what it calls our scores, `unread` where a score is no number, and the
    text that stands there; `missing` counts its cells without a score.
    """

    name: str
    rows: Sequence[Row]
    columns: Sequence[str]
    has_spread: bool
    headers: Mapping[str, str]
    unread: Sequence[tuple[str, str]]
    missing: int


def harmonic(precision: Fraction, recall: Fraction) -> Fraction:
    """The F1 of pooled pixels; 0 where both are 0."""
    total = precision + recall
    return 2 * precision * recall / total if total else Fraction(0)


def ends(law: Callable[..., Fraction], *given: Printed) -> Ends:
    """A law that grows with each number: at its least, as printed, and at its most."""
    low = (max(number.low, Fraction(0)) for number in given)
    high = (min(number.high, Fraction(1)) for number in given)
    return law(*low), law(*(number.value for number in given)), law(*high)


def in_percent(value: Fraction, places: int = 2, sign: str = "") -> str:
    """A fraction of 1 in percent, as text."""
    return f"{float(100 * value):{sign}.{places}f}"


def shown(name: str, score: Printed) -> str:
    """A score in percent, average precision as a fraction of 1."""
    if name == "average_precision":
        return f"{float(score.value):.{score.decimals + 2}f}"
    return str(score)


def numeral(text: str) -> str | None:
    """The number that a text begins with ("81.20 (1.5)", "81,20 %"), or None."""
    match = NUMERAL.match(text.strip())
    return match[0].replace(",", ".").replace("\u2212", "-") if match else None


def score_in(text: str) -> str | None:
    """The number of a cell of scores, or None where more stands there than one score.

    Example:
        >>> score_in("81,2 % (1.5)"), score_in("0.81/0.79"), score_in("~0.8")
        ('81.2', None, None)
    """
    match = NUMERAL.match(text.strip())
    rest = text.strip()[match.end() :] if match else ""
    return numeral(text) if AFTER.fullmatch(rest) else None


def decimals(number: str) -> int:
    """How many decimals are printed."""
    return max(0, -int(Decimal(number).as_tuple().exponent))


def printed(number: str, *, percent: bool, places: int | None = None) -> Printed:
    """What a printed number, in percent or not, can have been before it was rounded.

    `places` are its decimals, where trailing zeros were dropped.

    Example:
        >>> str(printed("0.8120", percent=False))
        '81.20'
    """
    places = min(decimals(number) if places is None else places, MOST_DECIMALS)
    half, unit = Fraction(1, 2 * 10**places), 100 if percent else 1
    value = Fraction(number)
    shown = places if percent else max(0, places - 2)
    return Printed((value - half) / unit, (value + half) / unit, shown)


def column(texts: Iterable[str]) -> list[Printed | None]:
    """A column of scores; None where a cell is no number, with what may follow one.

    All numbers have the decimals of the longest, and one unit: percent where the middle
    number is above 1, so that one wrong number does not change the unit of the others.
    """
    numbers = [score_in(text) for text in texts]
    there = [number for number in numbers if number is not None]
    places = max(map(decimals, there), default=0)
    percent = bool(there) and median(map(Fraction, there)) > 1
    return [
        None if n is None else printed(n, percent=percent, places=places)
        for n in numbers
    ]


def same(one: str, other: str) -> bool:
    """Whether two texts are one number, or one name up to case and punctuation."""
    if NUMERAL.fullmatch(one) and NUMERAL.fullmatch(other):
        return Fraction(numeral(one) or 0) == Fraction(numeral(other) or 0)
    return plain(one).replace("_", "") == plain(other).replace("_", "")


def our_name(name: object) -> str:
    """What we call a column: ours where it is known, else theirs in small letters."""
    ours = headers.our_name(name)
    return OTHERS.get(ours, ours)


def read_texts(source: str | Path) -> pd.DataFrame:
    """A table of any kind of file (`tables.forms.files`) with every cell as text.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no table.
    """
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"no table at {path.absolute()}")
    return read_file(path).frame.map(bare)


def read_table(
    source: str | Path | pd.DataFrame,
    name: str = "",
    columns: Mapping[str, str] | None = None,
) -> Table:
    """A table with its numbers as printed.

    Args:
        source: a CSV file, or a frame. Numbers that are not text have lost trailing
            zeros: the column's longest number says how many decimals there were.
        name: what the findings call it; by default the file's name.
        columns: names of its columns to ours, which win.

    Raises:
        FileNotFoundError, ValueError: see read_texts; two scores have one meaning; or a
            column to be renamed that is not there.
    """
    if not isinstance(source, pd.DataFrame):
        name, source = name or Path(source).stem, read_texts(source)
    names = _names(list(source.columns), name, columns or {})
    texts = source.map(_text).rename(columns=names)
    texts = texts[(texts != "").any(axis=1)]
    scores = {s: column(texts[s]) for s in SCORES if s in texts}
    records: list[Any] = texts.to_dict("records")
    rows = [
        Row(label, {s: got for s, v in scores.items() if (got := v[i])}, record)
        for i, (label, record) in enumerate(zip(_labels(texts), records, strict=True))
    ]
    headers = {ours: str(theirs) for theirs, ours in names.items() if ours in scores}
    without = [(row, s) for row in rows for s in scores if s not in row.scores]
    unread = [
        (row.label, f"{headers[s]} {row.texts[s]!r}")
        for row, s in without
        if row.texts[s].lower() not in MISSING
    ]
    spread = any(SPREAD.search(str(name)) for name in texts) or any(
        re.search(r"\u00b1|\+/?-|\(", text) for s in scores for text in texts[s]
    )
    missing = len(without) - len(unread)
    return Table(name, rows, list(texts.columns), spread, headers, unread, missing)


def _text(cell: Any) -> str:
    """A cell as text, nothing for a missing one."""
    text = "" if pd.isna(cell) else str(cell).strip()
    return text.removesuffix(".0") if isinstance(cell, float | np.floating) else text


def _names(
    columns: list[object], name: str, given: Mapping[str, str]
) -> dict[object, str]:
    """Somebody's column names to ours, none of them twice; our own spelling wins."""
    for theirs in given:
        lookup.find("column of the file", theirs, dict.fromkeys(map(str, columns)))
    own = {c: plain(c) or f"column_{i}" for i, c in enumerate(columns, 1)}
    exact = {*own.values()}
    ours = {c: our_name(c) or name for c, name in own.items()}
    names = {c: own[c] if ours[c] in exact else ours[c] for c in columns}
    if len(exact & {*LOSSES} - {*SCORES}) > 1:  # then iou and dice are losses, too
        names |= {c: f"{n}_loss" for c, n in names.items() if n in LOSSES}
    names |= {c: given[str(c)] for c in columns if str(c) in given}
    chosen = {*given.values()}
    for c, ours_name in names.items():  # the others keep their names
        if str(c) not in given and ours_name in chosen:
            names[c] = f"{ours_name} ({c})"
    for c in [c for c, n in names.items() if n in KEYS][::-1]:
        if list(names.values()).count(names[c]) > 1:  # run_id and seed
            names[c] = f"{names[c]} ({c})"
    for ours, times in Counter(names.values()).items():
        if times > 1:
            theirs = ", ".join(str(c) for c, n in names.items() if n == ours)
            first = next(str(c) for c, n in names.items() if n == ours)
            means = (
                f"columns {theirs} all mean {ours!r}; take one of them: "
                f"--map '{first}={ours}'"
            )
            raise ValueError(f"{name or 'table'}: {means}")
    return names


def _labels(texts: pd.DataFrame) -> list[str]:
    """A name for each row: data set, model, loss, repeat, or its first words."""
    keys = [key for key in KEYS if key in texts]
    words = [c for c in texts if not any(numeral(text) for text in texts[c])]
    rows = texts[keys or words[:1]].itertuples(index=False, name=None)
    labels = ["/".join(filter(None, row)) for row in rows] or [""] * len(texts)
    named, times = [], Counter(labels)
    for i, label in enumerate(labels, 1):
        row = f"row {i}"
        named.append(f"{label} ({row})" if label and times[label] > 1 else label or row)
    return named


def gamma_remark(text: str, where: str, larger: str = "") -> list[Finding]:
    """A remark on a focal gamma below 1, which leaves easy pixels their weight.

    `larger` is what is said of a larger gamma, if anything is.

    Source: the focusing weight (1 - p)^gamma of Lin 2017.
    """
    number = numeral(text) or "0"
    if not 0 < float(number) < 1:
        return []
    ours, usual = (((1 - 0.9) / (1 - 0.5)) ** gamma for gamma in (float(number), 2))
    says = (
        f"gamma {number}: (1 - p)^gamma hardly falls; a pixel at p = 0.9 has "
        f"{ours:.2f} of the weight of one at 0.5, with gamma 2 it has {usual:.2f}"
    )
    says += f"; of a larger gamma is said: {larger}" if larger else ""
    return [Finding("gamma", "remark", where, says)]
