"""The findings of an audit as text: what they come to, and the gravest of each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lesionkit.papers.numbers import Finding

SEVERITIES = (
    "impossible",
    "only if",
    "inconsistent",
    "not read",
    "not pooled",
    "remark",
    "not stated",
)
MANY = 12  # findings of one kind in one table, of which only the first are printed
FEW = 3
MOST_ALONE = {"not pooled": 1}  # no fault: a line for all of them


def summary(findings: Sequence[Finding], *, every: bool = False) -> str:
    """The findings as text: what they come to, then a line each, the gravest first.

    Where a table has more than a dozen of a kind, the three that take most are printed,
    and the number of the others.

    Args:
        every: print each of them all the same.

    Example:
        >>> summary([])
        'Nothing contradicts itself, and nothing needs a remark.'
    """
    checked = [f for f in findings if f.severity == "checked"]
    found = [f for f in findings if f.severity != "checked"]
    lines = [*_rows_told(findings), *_counted(found, checked)]
    for severity in SEVERITIES:
        of_kind = [f for f in found if f.severity == severity]
        for source in dict.fromkeys(f.source for f in of_kind):
            lines += _lines([f for f in of_kind if f.source == source], every)
    return "\n".join(lines)


def _counted(found: Sequence[Finding], checked: Sequence[Finding]) -> Iterator[str]:
    """How many findings there are, and what was asked at all."""
    if found:
        counts = Counter(f.severity for f in found)
        told = [f"{counts[each]} {each}" for each in SEVERITIES if counts[each]]
        yield f"Findings: {', '.join(told)}."
    elif any(f.rule != "range" for f in checked) or not checked:
        yield "Nothing contradicts itself, and nothing needs a remark."
    if checked:
        yield f"Checked: {'; '.join(f.says for f in checked)}."


def _lines(found: Sequence[Finding], every: bool) -> Iterator[str]:
    """Findings of one kind in one table, a line each, or the first few of many."""
    most = MOST_ALONE.get(found[0].severity, MANY)
    if every or len(found) <= most or not found[0].rows:
        yield from map(_line, found)
        return
    rows = len({f.where for f in found})
    few = sorted(found, key=lambda f: -f.share)[:FEW]
    if found[0].severity in MOST_ALONE:
        few = few[:1]
    yield from map(_line, few)
    if len(found) > len(few):
        shares = [100 * f.share for f in found if f.share]
        takes = f", {min(shares):.1f} to {max(shares):.1f} % empty" if shares else ""
        kind, told = found[0].severity, f"{len(found)} in all, {rows} row"
        yield f"{kind}: {told}{'s' * (rows != 1)}{takes} (--all prints each)"


def _line(finding: Finding) -> str:
    """One finding with its place."""
    return f"{finding.severity}: {_place(finding, finding.where)}{finding.says}"


def _place(finding: Finding, where: str) -> str:
    """Table and row, with a colon, as far as they are known."""
    parts = ", ".join(part for part in (finding.source, where) if part)
    return f"{parts}: " if parts else ""


def _rows_told(findings: Sequence[Finding]) -> Iterator[str]:
    """A sentence for each table: how many of its rows have which verdict."""
    kinds = {
        "impossible": "impossible",
        "only if": "possible only under a condition",
        "not pooled": "consistent as means over images, not as pooled values",
    }
    for source, rows in dict.fromkeys((f.source, f.rows) for f in findings if f.rows):
        of_table = [f for f in findings if f.source == source and f.rows]
        wrong = {k: {f.where for f in of_table if f.severity == k} for k in kinds}
        parts = [f"{len(wrong[kind])} {kinds[kind]}" for kind in kinds if wrong[kind]]
        of_laws = {
            f.where for f in of_table if f.severity in kinds and f.rule != "range"
        }
        asked = sum(f.asked for f in of_table if f.rule == "range")
        if asked > len(of_laws):
            parts.append(f"{asked - len(of_laws)} consistent")
        if parts:
            yield f"{source or 'table'}, {rows} rows: {'; '.join(parts)}."
