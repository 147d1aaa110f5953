"""What a paper states in words and numbers, held against itself and its table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from lesionkit.papers.numbers import (
    ROW_POINTS,
    SCORES,
    Finding,
    Printed,
    Row,
    ends,
    gamma_remark,
    harmonic,
    in_percent,
    numeral,
    our_name,
    plain,
    printed,
    read_table,
    read_texts,
    same,
    shown,
)

# "all losses: points over models" or "podium over models: points awarded"
AWARDED = re.compile(r"^(?:all|podium).*?_over_(?:the_)?(.+?)(?:_points.*)?$")


@dataclass(frozen=True)
class Said:
    """One statement, all of it text; an empty value is one that is missing."""

    subject: str
    quantity: str
    value: str
    place: str = ""
    remark: str = ""
    paper: str = ""

    @property
    def name(self) -> str:
        return our_name(self.quantity)

    @property
    def where(self) -> str:
        return f"{self.subject} ({self.place})" if self.place else self.subject

    @property
    def score(self) -> Printed | None:
        """The value as a score, if the quantity is one and there is a number."""
        number = numeral(self.value)
        if self.name not in SCORES or number is None:
            return None
        of_hundred = "percent" in self.remark or Fraction(number) > 1
        return printed(number, percent=of_hundred)


def audit_statements(
    statements: pd.DataFrame | str | Path,
    table: pd.DataFrame | str | Path | None = None,
) -> list[Finding]:
    """What the statements contradict, each other or the table, or leave open.

    Args:
        statements: a row a statement, or a CSV of them: subject, quantity, value (empty
            for "not stated"), and paper, place, remark where known. A subject such as
            "unet/focal" is that row of the table.
        table: the table they are about.

    Raises:
        ValueError: no CSV, or a column is missing.
        FileNotFoundError: no such file.

    Source: paper A and B state what the rules look for; published/statements.csv.
    """
    if not isinstance(statements, pd.DataFrame):
        statements = read_texts(statements)
    if not {"subject", "quantity", "value"} <= {*statements}:
        got = ", ".join(map(str, statements.columns))
        needed = "subject, quantity, value"
        raise ValueError(f"statements need the columns {needed}, got {got}")
    fields = [f for f in Said.__dataclass_fields__ if f in statements]
    records: list[Any] = statements[fields].fillna("").astype(str).to_dict("records")
    said = [Said(**record) for record in records]
    rows = read_table(table).rows if table is not None else []
    return [
        replace(finding, source=f"paper {paper}" if paper else "")
        for paper in dict.fromkeys(s.paper for s in said)
        for finding in _of_paper([s for s in said if s.paper == paper], rows)
    ]


def _of_paper(said: Sequence[Said], rows: Sequence[Row]) -> Iterator[Finding]:
    """Every rule over the statements of one paper."""
    yield from _against_rows(said, rows)
    yield from _attributions(said, rows)
    for rule in (_points, _several_values, _seeds):
        yield from rule(said)
    larger = [s.value for s in said if plain(s.quantity) == "larger_gamma"]
    for one in said:
        if one.name == "gamma" and "focal" in plain(one.subject):
            yield from gamma_remark(one.value, one.where, *larger[:1])
        if plain(one.quantity) == "cases_shown" and one.value not in ("", "all"):
            says = f"cases shown: {one.value}; no evidence for the others"
            yield Finding("cases", "remark", one.where, says)
    for one in said:
        if not one.value.strip():
            why = f" ({one.remark})" if one.remark else ""
            says = f"{one.quantity}: not stated{why}"
            yield Finding("not stated", "not stated", one.where, says)


def _agrees(one: Said, row: Row) -> bool:
    """Whether a statement has a row's number: scores up to rounding."""
    stated, in_table = one.score, row.scores.get(one.name)
    if stated and in_table:
        return stated.meets(in_table.low, in_table.high)
    return same(one.value, row.texts.get(one.name, ""))


def _against_rows(said: Sequence[Said], rows: Sequence[Row]) -> Iterator[Finding]:
    """Statements about a row of the table that is not theirs."""
    for one in said:
        row = next((row for row in rows if row.is_called(one.subject)), None)
        if not row or not one.value or not row.texts.get(one.name) or _agrees(one, row):
            continue
        text, cell = one.value, row.texts[one.name]
        if one.score and one.name in row.scores:
            both = one.score, row.scores[one.name]
            text, cell = (shown(one.name, score) for score in both)
        says = f"{one.quantity} is {text} in the text, {cell} in the table"
        told = f"{says}{_f1_told(one, row)}"
        yield Finding("text", "inconsistent", one.where, told)


def _f1_told(one: Said, row: Row) -> str:
    """Which of text and table the printed F1 agrees with."""
    scores = ("dice", "precision", "recall")
    if one.score is None or one.name not in scores or not {*scores} <= {*row.scores}:
        return ""
    told, agree = [], []
    of_text = {**row.scores, one.name: one.score}
    for whose, got in (("the text's", of_text), ("the table's", row.scores)):
        low, f1, high = ends(harmonic, got["precision"], got["recall"])
        told.append(f"{whose} gives F1 {in_percent(f1)}")
        agree += [whose] * got["dice"].meets(low, high)
    verdict = f"{' and '.join(agree) or 'neither'} agrees"
    if one.name == "dice":
        return f"; precision and recall give F1 {in_percent(f1)}: {verdict}"
    return f"; {', '.join(told)}, F1 is printed as {row.scores['dice']}: {verdict}"


def _attributions(said: Sequence[Said], rows: Sequence[Row]) -> Iterator[Finding]:
    """Sets of scores that are stated for some parameters, but are not that row's."""
    for subject in dict.fromkeys(s.subject for s in said if rows):
        of_subject = [s for s in said if s.subject == subject and s.value]
        scores = [s for s in of_subject if s.score]
        stated = [s for s in of_subject if s.name in {*rows[0].texts} - {*SCORES}]
        called = any(row.is_called(subject) for row in rows)
        if len(scores) < 2 or not stated or called:
            continue
        theirs = [row for row in rows if all(_agrees(s, row) for s in scores)]
        meant = [row for row in rows if all(_agrees(s, row) for s in stated)]
        if any(row in meant for row in theirs):
            continue
        values = " / ".join(s.value for s in scores)
        parameters = ", ".join(f"{s.quantity} {s.value}" for s in stated)
        says = f"{values} are stated for {parameters}; "
        for row in theirs:
            own = (f"{s.quantity} {row.texts[s.name] or 'none'}" for s in stated)
            says += f"they are the numbers of row {row.label}, whose own are "
            says += ", ".join(own)
        says += "" if theirs else "no row has these numbers"
        for row in meant:
            there = [s.name for s in scores if s.name in row.scores]
            own = (shown(name, row.scores[name]) for name in there)
            says += f"; row {row.label}, which has what is stated, has "
            says += " / ".join(own)
        yield Finding("attribution", "inconsistent", scores[0].where, says)


def _awarded(said: Sequence[Said]) -> dict[str, Fraction]:
    """All points awarded over an axis such as "models"."""
    awarded = {}
    for one in said:
        text = plain(f"{one.subject} {one.quantity}")
        match, number = AWARDED.search(text), numeral(one.value)
        if "points" in text and match and number:
            awarded[match[1]] = Fraction(number)
    return awarded


def _counts(said: Sequence[Said], *words: str) -> list[int]:
    """The numbers stated of subjects with one of these words."""
    return [
        int(Fraction(number))
        for one in said
        if plain(one.quantity) in ("count", "number")
        and any(word in plain(one.subject) for word in words)
        and (number := numeral(one.value))
    ]


def _points(said: Sequence[Said]) -> Iterator[Finding]:
    """Points that are no whole number of rows, or of another number than stated."""
    for axis, total in _awarded(said).items():
        stated, rows = _counts(said, axis), total / ROW_POINTS
        says = f"{total} points are {float(rows):g} rows of {ROW_POINTS}"
        if rows.denominator > 1:
            says += ", which is no whole number"
        elif stated and rows not in stated:
            says += f", stated {'/'.join(map(str, stated))}"
        else:
            continue
        yield Finding("points", "inconsistent", "points awarded", says)


def _several_values(said: Sequence[Said]) -> Iterator[Finding]:
    """One quantity with several values, and which of them the points agree with."""
    quantities: dict[tuple[str, str], dict[str, list[str]]] = {}
    for one in said:
        if one.value:
            key = plain(one.subject), plain(one.quantity)
            values = quantities.setdefault(key, {})
            value = next((v for v in values if same(v, one.value)), one.value)
            values.setdefault(value, []).append(one.place or "text")
    awarded = _awarded(said)
    for (axis, quantity), values in quantities.items():
        if len(values) == 1:
            continue
        often = sorted(values, key=lambda value: -len(values[value]))
        told = ", but ".join(f"{v} ({', '.join(values[v])})" for v in often)
        says = f"{quantity} is {told}"
        if axis in awarded:
            rows = awarded[axis] / ROW_POINTS
            agree = [value for value in often if same(value, str(rows))]
            says += f"; the {awarded[axis]} points awarded are {float(rows):g} rows of "
            says += f"{ROW_POINTS}: {' and '.join(agree) or 'none'} agrees"
        yield Finding("values", "inconsistent", axis, says)


def _seeds(said: Sequence[Said]) -> Iterator[Finding]:
    """Fewer seeds than random splits."""
    seeds, splits = _counts(said, "seed"), _counts(said, "split", "repeat")
    if seeds and splits and max(seeds) < max(splits):
        names = ("seed_value", "seeds_value")
        named = [s.value for s in said if plain(f"{s.subject} {s.quantity}") in names]
        says = (
            f"{max(seeds)} seed{f' ({named[0]})' if named else ''}, {max(splits)} "
            "random splits: one seed gives one split, so it is not said how they differ"
        )
        yield Finding("seeds", "inconsistent", "seeds and splits", says)
