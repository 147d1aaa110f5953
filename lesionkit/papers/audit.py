"""The arithmetic of a printed table, checked by rule.

Nothing here knows a paper: a finding follows from the numbers alone, each taken as all
the values that round to it. A row is consistent, or possible only under a condition
that is named, or impossible however averaged: only where the condition is excluded by
what is known of the table. The laws are those of `laws`, the conditions of `ways`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pandas as pd

from lesionkit import lookup, published
from lesionkit.papers.laws import LAWS, Law, laws_of, outside
from lesionkit.papers.numbers import (
    ROW_POINTS,
    SCORES,
    SHOWN,
    Finding,
    Row,
    Table,
    column,
    decimals,
    gamma_remark,
    in_percent,
    numeral,
    our_name,
    plain,
    read_table,
)
from lesionkit.papers.summaries import summary
from lesionkit.papers.text import audit_statements
from lesionkit.papers.ways import Told, Way, runs_apart, ways
from lesionkit.records.stores import is_url
from lesionkit.tables.reading import KEYS

__all__ = [
    "Finding",
    "audit_published",
    "audit_statements",
    "audit_table",
    "coverage",
    "open_table",
    "summary",
]


def open_table(
    source: str | Path | pd.DataFrame,
    name: str = "",
    columns: Mapping[str, str] | None = None,
) -> Table:
    """A printed table to audit; "public-rerun" is the cells that come with the kit.

    Args:
        columns: names of its columns to ours, where they are not recognised.

    Raises:
        FileNotFoundError: no such file.
        UnknownName: run records, whose scores nobody printed.
        ValueError: no CSV, or two columns of one meaning.
    """
    if not isinstance(source, pd.DataFrame):
        ours = published.is_table(source)
        if ours and str(source) == published.NAME:
            source, name = published.printed_rerun(), name or published.NAME
        elif ours or is_url(source) or Path(source).is_dir():
            raise lookup.UnknownName(
                f"{source} is a folder or URL of run records, whose scores are computed"
                " and not printed: check them with lesionkit status --verify. The audit"
                f" takes a CSV or {published.NAME}"
            )
    return read_table(source, name, columns)


def audit_table(
    source: str | Path | pd.DataFrame | Table,
    *,
    name: str = "",
    aggregation: str | None = None,
    empty: float | None = None,
    runs: int | None = None,
) -> list[Finding]:
    """What cannot be right in a table of scores or points, or needs a word.

    Args:
        source: a CSV file or a frame: a row a result, in percent or fractions; or
            points alone, a row a data set or model and a column a loss. Or
            "public-rerun": the cells that come with the kit. Or what `open_table` read.
        name: what the findings call it; by default the file's name.
        aggregation: "pooled", "image" or "median" where that is known of the table.
        empty: the share of images without lesion, 0 to 1, where it is known.
        runs: how many runs a row is the mean of, where it is known.

    Returns:
        The findings row by row, then those of the whole table.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another aggregation, a share that is none, fewer than one run; or
            see `open_table`; or a table with neither scores nor points.

    Source: the laws and ways named above; paper A for the points.
    """
    told = Told(aggregation, empty, runs)
    table = source if isinstance(source, Table) else open_table(source, name)
    found = [finding for row in table.rows for finding in audit_row(row, told)]
    found += [*_unread(table), *_points(table), *_gammas(table), *_spread(table)]
    found += [*_twice(table), *_mean_iou(table)]
    return [replace(f, source=table.name, rows=len(table.rows)) for f in found]


def coverage(table: Table) -> list[Finding]:
    """How many rows and cells of a table each law could be asked of.

    The last is of the range; its `asked` counts the rows that any law was asked of.
    """
    rows, found = len(table.rows), []
    inside = [{*row.scores} for row in table.rows if not outside(row.scores)]
    for law, scores in LAWS.items():
        asked = sum({*scores} <= there for there in inside)
        if asked:
            named = " and ".join(SHOWN.get(score, score) for score in scores[1:])
            says = f"{law.partition(' ')[0]} against {named} in {asked} of {rows} rows"
            cells = f"{says} ({asked * len(scores)} cells)"
            found.append(Finding(law, "checked", "whole table", cells, asked=asked))
    there = sum(len(row.scores) for row in table.rows)
    says = f"0 to 100 percent in {there} cells"
    says += f"; {table.missing} without a score" if table.missing else ""
    if there and not found:
        says += "; no law could be asked: it takes IoU and F1, or one of them with "
        says += "precision and recall"
    if there:
        asked = sum(any({*s} <= own for s in LAWS.values()) for own in inside)
        found.append(Finding("range", "checked", "whole table", says, asked=asked))
    return [replace(f, source=table.name, rows=rows) for f in found]


def audit_row(row: Row, told: Told) -> list[Finding]:
    """What the laws say of one row; of numbers outside 0 to 100 percent only that."""
    if wrong := outside(row.scores):
        return [Finding("range", "impossible", row.label, says) for says in wrong]
    laws = laws_of(row.scores, medians=told.aggregation == "median")
    if broken := _worst([law for law in laws if law.side]):
        return [_verdict(row, broken, ways(row.scores, broken, told), told)]
    unequal = _worst([law for law in laws if not law.equal])
    if not unequal or told.aggregation in ("image", "median"):
        return []
    if told.aggregation == "pooled":
        open_ways = runs_apart(row.scores, unequal, told)
        return [_verdict(row, unequal, open_ways, told)]
    return [Finding(law.name, "not pooled", row.label, _apart(law)) for law in unequal]


def _worst(laws: Sequence[Law]) -> list[Law]:
    """The laws that say something of their own: IoU of both only where it is alone."""
    own = [law for law in laws if law.name == "F1" or "F1" in law.given]
    return own or list(laws)


def _verdict(row: Row, laws: Sequence[Law], left: list[Way], told: Told) -> Finding:
    """A row that breaks laws, and what would make it possible, if anything would."""
    says = "; ".join(law.says for law in laws)
    rule = " and ".join(dict.fromkeys(law.name for law in laws))
    needs = "; ".join(law.needs for law in laws if law.needs)
    needs = f" ({needs})" if needs else ""
    if not left:
        says += f": impossible as told ({told}){needs}"
        return Finding(rule, "impossible", row.label, says)
    says += f": possible only {', or '.join(way.says for way in left)}{needs}"
    share = min((way.share for way in left if way.share), default=0.0)
    return Finding(rule, "only if", row.label, says, share=share)


def _apart(law: Law) -> str:
    """A number that is no pooled value, and may be a mean over images."""
    says = f"{law.says}: not equal, so not pooled; possible as means over images"
    return f"{says}; {law.needs}" if law.needs else says


def _unread(table: Table) -> Iterator[Finding]:
    """The cells of scores that are no number."""
    for where, text in table.unread:
        yield Finding("cell", "not read", where, f"{text} is no score")


def _twice(table: Table) -> Iterator[Finding]:
    """A remark on a second column of one measure, which no law was asked of."""
    for name in table.columns:
        ours = our_name(name)
        if name == ours or ours not in table.headers:
            continue
        other = column([row.texts[name] for row in table.rows])
        pairs = [
            (r.scores.get(ours), o) for r, o in zip(table.rows, other, strict=True)
        ]
        both = [(one, two) for one, two in pairs if one and two]
        off = [abs(a.value - b.value) for a, b in both if not a.meets(b.low, b.high)]
        if off:
            says = f"{table.headers[ours]} and {name} are one measure over the same "
            says += f"pixels, but differ in {len(off)} of {len(both)} rows, by up to "
            says += f"{in_percent(max(off))} points: they were averaged in different "
            says += f"ways. {table.headers[ours]} was checked"
            yield Finding("twice", "remark", "whole table", says)


def _mean_iou(table: Table) -> Iterator[Finding]:
    """A remark on mIoU: a mean that holds the background is no IoU of the lesion."""
    header = table.headers.get("iou", "")
    if plain(header).startswith(("miou", "mean_")):
        says = (
            f"{header} was taken for the IoU of the lesion; where it is the mean with "
        )
        says += "that of the background, the laws of IoU do not hold for it"
        yield Finding("mean IoU", "remark", "whole table", says)


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
