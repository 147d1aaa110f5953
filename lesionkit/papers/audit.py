"""The arithmetic of a printed table, and of what is said about it, checked by rule.

Nothing here knows a paper: a finding follows from the numbers alone, each taken as all
the values that round to it.

Over pooled pixels F1 is the harmonic mean of precision and recall, and IoU is
F1 / (2 - F1). Means over images, all of the same images, obey

    P + R - 1 <= F1 <= 2 P R / (P + R)    and    F1 / (2 - F1) <= IoU <= F1

for the harmonic mean is concave, IoU a convex function of F1, and the first bound holds
for each image. Means over repeats, of either, obey the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pandas as pd

from lesionkit import lookup, published
from lesionkit.papers.numbers import (
    ROW_POINTS,
    SCORES,
    SHOWN,
    Ends,
    Finding,
    Printed,
    Row,
    Table,
    decimals,
    ends,
    gamma_remark,
    harmonic,
    in_percent,
    numeral,
    read_table,
)
from lesionkit.papers.text import audit_statements
from lesionkit.records.stores import is_url
from lesionkit.tables.reading import KEYS, METRICS

__all__ = ["Finding", "audit_published", "audit_statements", "audit_table", "summary"]

SEVERITIES = ("impossible", "inconsistent", "not pooled", "remark", "not stated")


def audit_table(
    path_or_frame: str | Path | pd.DataFrame,
    *,
    name: str = "",
    aggregation: str | None = None,
) -> list[Finding]:
    """What cannot be right in a table of scores or points, or needs a word.

    Args:
        path_or_frame: a CSV file or a frame: a row a result, in percent or fractions;
            or points alone, a row a data set or model and a column a loss. Or
            "public-rerun": the cells that come with the kit.
        name: what the findings call it; by default the file's name.
        aggregation: "pooled" or "image" where the table says so; None for unknown.

    Returns:
        The findings row by row, then those of the whole table.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another aggregation, no CSV, two columns of one meaning, a table
            with neither scores nor points, or run records, whose scores nobody printed.

    Source: the laws of this module; paper A for the points.
    """
    if aggregation is not None:
        lookup.find("aggregation", aggregation, dict.fromkeys(("pooled", "image")))
    if not isinstance(path_or_frame, pd.DataFrame):
        ours = published.is_table(path_or_frame)
        if ours and str(path_or_frame) == published.NAME:
            path_or_frame, name = published.CELLS, name or published.NAME
        elif ours or is_url(path_or_frame) or Path(path_or_frame).is_dir():
            raise ValueError(
                f"{path_or_frame} holds run records, whose scores are computed and not "
                "printed: lesionkit status --verify checks them; the audit takes a CSV "
                f"or {published.NAME}"
            )
    table = read_table(path_or_frame, name)
    found = [finding for row in table.rows for finding in audit_row(row, aggregation)]
    found += [*_points(table), *_gammas(table), *_spread(table)]
    return [replace(f, source=table.name, rows=len(table.rows)) for f in found]


@dataclass(frozen=True)
class _Law:
    """What the other numbers of a row leave open for one of them, F1 or IoU.

    Over pooled pixels it is `pooled`; as a mean over images it lies between `least`
    and `most`. `given` names the others, `needs` what they would have to be.
    """

    name: str
    score: Printed
    given: str
    pooled: Ends
    least: Ends
    most: Ends
    needs: str = ""


def audit_row(row: Row, aggregation: str | None) -> list[Finding]:
    """What the laws say of one row; of numbers outside 0 to 100 percent only that.

    "pooled" allows equality alone, "image" the whole range; None says which is broken.
    """
    outside = [
        f"{SHOWN.get(name, name)} {score} is outside 0 to 100 percent"
        for name, score in row.scores.items()
        if score.low > 1 or score.high < 0
    ]
    if outside:
        return [Finding("range", "impossible", row.label, says) for says in outside]
    f1, iou, precision, recall = (row.scores.get(name) for name in METRICS)
    laws = [_f1(f1, precision, recall)] if f1 and precision and recall else []
    laws += [_iou(iou, f1)] if iou and f1 else []
    found = [f for law in laws if (f := _judge(row.label, law, aggregation))]
    if iou and precision and recall:
        # This mostly says the same again: only what is graver than the two.
        third = _judge(row.label, _iou_of_both(iou, precision, recall), aggregation)
        graver = not any(f.severity == "impossible" for f in found)
        if third and (not found or (graver and third.severity == "impossible")):
            found.append(third)
    return found


def _f1(f1: Printed, precision: Printed, recall: Printed) -> _Law:
    """F1 of precision and recall."""
    pooled = ends(harmonic, precision, recall)
    needed = []
    for name, other in (("recall", precision), ("precision", recall)):
        left = 2 * other.value - f1.value
        if left > 0 and (value := f1.value * other.value / left) <= 1:
            needed.append(f"{name} {in_percent(value)}")
    needs = f"{f1} needs {' or '.join(needed)}" if needed else ""
    if f1.low > max(precision.high, recall.high):
        needs = "it is above both of them"
    given, least = _of_both(precision, recall)
    return _Law("F1", f1, given, pooled, least, pooled, needs)


def _of_both(precision: Printed, recall: Printed) -> tuple[str, Ends]:
    """Both in words, and the least F1 or IoU of images of these means."""
    least = ends(lambda p, r: max(p + r - 1, Fraction(0)), precision, recall)
    return f"precision {precision} and recall {recall} give", least


def _iou(iou: Printed, f1: Printed) -> _Law:
    """IoU of F1."""
    pooled = ends(_iou_of, f1)
    needs = f"IoU {iou} needs F1 {in_percent(2 * iou.value / (1 + iou.value))}"
    return _Law("IoU", iou, f"F1 {f1} gives", pooled, pooled, ends(Fraction, f1), needs)


def _iou_of(f1: Fraction) -> Fraction:
    return f1 / (2 - f1)


def _iou_of_both(iou: Printed, precision: Printed, recall: Printed) -> _Law:
    """IoU of precision and recall: 1 / IoU = 1 / P + 1 / R - 1 in one image."""
    pooled = ends(lambda p, r: _iou_of(harmonic(p, r)), precision, recall)
    given, least = _of_both(precision, recall)
    return _Law("IoU", iou, given, pooled, least, ends(min, precision, recall))


def _judge(where: str, law: _Law, aggregation: str | None) -> Finding | None:
    """A number against its law, each as all values that round to it."""
    score = law.score
    places = min(4, max(2, score.decimals))
    laws = law.pooled, law.least, law.most
    pooled, least, most = (in_percent(each[1], places) for each in laws)
    severity = "impossible"
    if score.low > law.most[2]:
        why = f"too high, pooled (equal) or as means over the same images (<= {most})"
    elif score.high < law.least[0]:
        why = f"too low, pooled (equal) or as means over the same images (>= {least})"
    elif score.meets(law.pooled[0], law.pooled[2]) or aggregation == "image":
        return None
    elif aggregation == "pooled":
        why = "not equal, as pooled values must be"
    else:
        severity = "not pooled"
        why = "not equal, so not pooled; possible as means over images"
    off = in_percent(score.value - law.pooled[1], places, "+")
    says = f"{law.name} {score}, {law.given} {pooled} ({off}): {why}"
    says += f"; {law.needs}" if law.needs else ""
    return Finding(law.name, severity, where, says)


def _points(table: Table) -> Iterator[Finding]:
    """Points, in a column or as the whole table: each data set or model awards 6.

    In a column, what is ranked is the loss, or the last of the columns that name a row.
    """
    totals: dict[str, list[str]] = {}
    if "points" in table.columns:
        named = [key for key in KEYS[:3] if key in table.columns]
        for row in table.rows:
            group = "/".join(row.texts[key] for key in named[:-1])
            totals.setdefault(group, []).append(row.texts["points"])
    elif not {*SCORES} & {*table.columns}:
        totals = _grid_of_points(table)
    for group, texts in totals.items():
        yield from _total(group, texts)


def _grid_of_points(table: Table) -> dict[str, list[str]]:
    """The points of each row; of each column where the rows are the losses.

    Points are 0 to 3, at least three columns of them, and half of the rows award 6.
    """
    texts = pd.DataFrame([r.texts for r in table.rows], [r.label for r in table.rows])
    columns = [c for c in texts if all(numeral(t) for t in texts[c] if t)]
    grid = texts[[c for c in columns if c not in ("total", "sum")]]
    if "loss" in texts and not {"dataset", "model"} & {*texts}:
        grid = grid.T
    totals = {str(label): list(points) for label, points in grid.T.items()}
    numbers = [float(numeral(t) or 0) for t in grid.to_numpy().ravel()]
    right = sum(not _total(*row) for row in totals.items())
    if grid.shape[1] < 3 or max(numbers) > 3 or 2 * right < len(totals):
        raise ValueError(
            f"{table.name or 'table'} needs a column of scores ({', '.join(SCORES)}) "
            "or of points, or nothing but points, 6 a row; got columns "
            f"{', '.join(table.columns)}"
        )
    return totals


def _total(group: str, texts: Sequence[str]) -> list[Finding]:
    """The points of one row, or of all rows together where they have no name."""
    numbers = [number for text in texts if (number := numeral(text))]
    total = sum(map(Fraction, numbers))
    # Whole and half points are printed in full; other shares of tied places are not.
    rounded = [n for n in numbers if (2 * Fraction(n)).denominator > 1]
    slack = sum(Fraction(1, 2 * 10 ** decimals(n)) for n in rounded)
    wanted = ROW_POINTS if group else ROW_POINTS * max(1, round(total / ROW_POINTS))
    if abs(total - wanted) <= slack:
        return []
    says = f"its points sum to {float(total):g}, but 3 + 2 + 1 are {ROW_POINTS}"
    if not group:
        says = f"the points sum to {float(total):g}, no multiple of {ROW_POINTS}"
    says += " (tied places that share their points keep the sum)"
    return [Finding("points", "inconsistent", group or "all rows", says)]


def _gammas(table: Table) -> Iterator[Finding]:
    """A remark on each gamma of a column."""
    labels: dict[str, list[str]] = {}
    for text, label in sorted((r.texts.get("gamma", ""), r.label) for r in table.rows):
        labels.setdefault(text, []).append(label)
    for text, named in labels.items():
        yield from gamma_remark(text, ", ".join(named))


def _spread(table: Table) -> Iterator[Finding]:
    """A remark on means without a spread; a table of single runs needs none."""
    scores = [SHOWN.get(s, s) for s in SCORES if s in table.columns]
    if scores and not table.has_spread and "repeat" not in table.columns:
        says = f"no deviation or interval beside {', '.join(scores)}"
        yield Finding("spread", "remark", "whole table", says)


def audit_published() -> list[Finding]:
    """What the rules find in both papers: the printed table, and what they state.

    Source: published/*.csv; each finding names its paper.
    """
    path = published.FOLDER / "paper_b_table1.csv"
    found = audit_table(path, name="paper B, Table 1")
    found += audit_statements(published.statements("A"))
    return found + audit_statements(published.statements("B"), path)


def summary(findings: Sequence[Finding]) -> str:
    """The findings as text: what they come to, then a line each, the gravest first.

    Example:
        >>> summary([])
        'Nothing contradicts itself, and nothing needs a remark.'
    """
    if not findings:
        return "Nothing contradicts itself, and nothing needs a remark."
    counts = Counter(f.severity for f in findings)
    told = [f"{counts[each]} {each}" for each in SEVERITIES if counts[each]]
    lines = [f"Findings: {', '.join(told)}."]
    for f in sorted(findings, key=lambda found: SEVERITIES.index(found.severity)):
        place = ", ".join(part for part in (f.source, f.where) if part)
        lines.append(f"{f.severity}: {place}: {f.says}")
    return "\n".join([*_rows_told(findings), *lines])


def _rows_told(findings: Sequence[Finding]) -> Iterator[str]:
    """A sentence for each table: how many of its rows cannot be right, or pooled."""
    for source, rows in dict.fromkeys((f.source, f.rows) for f in findings if f.rows):
        of_table = [f for f in findings if f.source == source and f.rows]
        wrong = {f.where for f in of_table if f.severity == "impossible"}
        apart = wrong | {f.where for f in of_table if f.severity == "not pooled"}
        parts = [f"{len(wrong)} of {rows} rows cannot be right"] if wrong else []
        if apart > wrong:
            parts.append(f"{len(apart)} of {rows} rows cannot be pooled values")
        if parts:
            yield f"{source or 'table'}: {', '.join(parts)}."
