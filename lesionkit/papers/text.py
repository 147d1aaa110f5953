"""What a paper states in words and numbers, held against itself and its table."""

from __future__ import annotations

import re
from collections.abc import Sequence
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

COUNT = ("count", "number")
SEED = ("seed_value", "seeds_value")
COLUMNS = ("subject", "quantity", "value")
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
    if not {*COLUMNS} <= {*statements}:
        raise ValueError(
            f"statements need the columns {', '.join(COLUMNS)}, got "
            f"{', '.join(map(str, statements.columns))}"
        )
    fields = [f for f in Said.__dataclass_fields__ if f in statements]
    records: list[Any] = statements[fields].fillna("").astype(str).to_dict("records")
    said = [Said(**record) for record in records]
    rows = read_table(table).rows if table is not None else []
    found = []
    for paper in dict.fromkeys(s.paper for s in said):
        source = f"paper {paper}" if paper else ""
        of_paper = _of_paper([s for s in said if s.paper == paper], rows)
        found += [replace(f, source=source) for f in of_paper]
    return found


def _of_paper(said: Sequence[Said], rows: Sequence[Row]) -> list[Finding]:
    """Every rule over the statements of one paper."""
    found = _against_rows(said, rows) + _attributions(said, rows)
    found += _points(said) + _several_values(said) + _seeds(said)
    larger = [s.value for s in said if plain(s.quantity) == "larger_gamma"]
    for one in said:
        if one.name == "gamma" and "focal" in plain(one.subject):
            found += gamma_remark(one.value, one.where, *larger[:1])
        if plain(one.quantity) == "cases_shown" and one.value not in ("", "all"):
            says = f"cases shown: {one.value}; no evidence for the others"
            found.append(Finding("cases", "remark", one.where, says))
    for one in said:
        if not one.value.strip():
            why = f" ({one.remark})" if one.remark else ""
            says = f"{one.quantity}: not stated{why}"
            found.append(Finding("not stated", "not stated", one.where, says))
    return found


def _agrees(one: Said, row: Row) -> bool:
    """Whether a statement has a row's number: scores up to rounding."""
    stated, in_table = one.score, row.scores.get(one.name)
    if stated and in_table:
        return stated.meets(in_table.low, in_table.high)
    return same(one.value, row.texts.get(one.name, ""))


def _against_rows(said: Sequence[Said], rows: Sequence[Row]) -> list[Finding]:
    """Statements about a row of the table that is not theirs."""
    found = []
    for one in said:
        row = next((row for row in rows if row.is_called(one.subject)), None)
        if row is None or not one.value or not row.texts.get(one.name):
            continue
        if not _agrees(one, row):
            text, cell = one.value, row.texts[one.name]
            if one.score and one.name in row.scores:
                text, cell = (
                    shown(one.name, s) for s in (one.score, row.scores[one.name])
                )
            says = f"{one.quantity} is {text} in the text, {cell} in the table"
            says += _f1_told(one, row)
            found.append(Finding("text", "inconsistent", one.where, says))
    return found


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


def _attributions(said: Sequence[Said], rows: Sequence[Row]) -> list[Finding]:
    """Sets of scores that are stated for some parameters, but are not that row's."""
    found = []
    for subject in dict.fromkeys(s.subject for s in said if rows):
        of_subject = [s for s in said if s.subject == subject and s.value]
        scores = [s for s in of_subject if s.score]
        rest = [s for s in of_subject if s.name not in SCORES]
        parameters = [s for s in rest if s.name in rows[0].texts]
        called = any(row.is_called(subject) for row in rows)
        if len(scores) < 2 or not parameters or called:
            continue
        theirs = [row for row in rows if all(_agrees(s, row) for s in scores)]
        meant = [row for row in rows if all(_agrees(p, row) for p in parameters)]
        if not any(row in meant for row in theirs):
            says = _attributed(scores, parameters, theirs, meant)
            where = scores[0].where
            found.append(Finding("attribution", "inconsistent", where, says))
    return found


def _attributed(
    scores: Sequence[Said],
    parameters: Sequence[Said],
    theirs: Sequence[Row],
    meant: Sequence[Row],
) -> str:
    """Whose scores and whose parameters these are, in words."""
    stated = ", ".join(f"{p.quantity} {p.value}" for p in parameters)
    says = f"{' / '.join(s.value for s in scores)} are stated for {stated}; "
    for row in theirs:
        own = (f"{p.quantity} {row.texts[p.name] or 'none'}" for p in parameters)
        says += f"they are the numbers of row {row.label}, whose own are "
        says += ", ".join(own)
    says += "" if theirs else "no row has these numbers"
    for row in meant:
        there = [s.name for s in scores if s.name in row.scores]
        own = (shown(name, row.scores[name]) for name in there)
        says += f"; row {row.label}, which has what is stated, has {' / '.join(own)}"
    return says


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
        if plain(one.quantity) in COUNT
        and any(word in plain(one.subject) for word in words)
        and (number := numeral(one.value))
    ]


def _points(said: Sequence[Said]) -> list[Finding]:
    """Points that are no whole number of rows, or of another number than stated."""
    found = []
    for axis, total in _awarded(said).items():
        stated, rows = _counts(said, axis), total / ROW_POINTS
        told = f"{total} points are {float(rows):g} rows of {ROW_POINTS}"
        if rows.denominator > 1:
            found.append(f"{told}, which is no whole number")
        elif stated and rows not in stated:
            found.append(f"{told}, stated {'/'.join(map(str, stated))}")
    return [Finding("points", "inconsistent", "points awarded", s) for s in found]


def _several_values(said: Sequence[Said]) -> list[Finding]:
    """One quantity with several values, and which of them the points agree with."""
    quantities: dict[tuple[str, str], dict[str, list[str]]] = {}
    for one in said:
        if one.value:
            key = plain(one.subject), plain(one.quantity)
            values = quantities.setdefault(key, {})
            value = next((v for v in values if same(v, one.value)), one.value)
            values.setdefault(value, []).append(one.place or "text")
    found, awarded = [], _awarded(said)
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
        found.append(Finding("values", "inconsistent", axis, says))
    return found


def _seeds(said: Sequence[Said]) -> list[Finding]:
    """Fewer seeds than random splits."""
    seeds, splits = _counts(said, "seed"), _counts(said, "split", "repeat")
    if not seeds or not splits or max(seeds) >= max(splits):
        return []
    named = [s.value for s in said if plain(f"{s.subject} {s.quantity}") in SEED]
    says = (
        f"{max(seeds)} seed{f' ({named[0]})' if named else ''}, {max(splits)} random "
        "splits: one seed gives one split, so it is not said how they differ"
    )
    return [Finding("seeds", "inconsistent", "seeds and splits", says)]
