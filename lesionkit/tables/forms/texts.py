"""The rows of a table that stands in a text: CSV in any separator, Markdown, LaTeX.

Each row keeps the line of the file that it begins on.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from contextlib import suppress

Rows = list[tuple[int, list[str]]]

SAMPLE = 400  # lines by which a separator is found
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_RULE = re.compile(r"^\s*[|+]?\s*:?[-=]+:?\s*([|+]\s*:?[-=]+:?\s*)*[|+]?\s*$")
_TABULAR = re.compile(
    r"\\begin\{(?:tabular[x*]?|longtable|tabu|tblr|array)\}(.*?)"
    r"\\end\{(?:tabular[x*]?|longtable|tabu|tblr|array)\}",
    re.DOTALL,
)
_RULES = re.compile(
    r"\\(?:top|mid|bottom|h|specialh)(?:rule|line)\b(?:\[[^\]]*\])?"
    r"|\\c(?:mid)?(?:rule|line)(?:\[[^\]]*\])?(?:\([^)]*\))?\{[^{}]*\}"
    r"|\\(?:addlinespace|noalign|arrayrulecolor|rowcolor)(?:\[[^\]]*\])?(?:\{[^{}]*\})?"
    r"|\\(?:endhead|endfoot|endfirsthead|endlastfoot|centering|small|footnotesize)\b"
)
_ALIGNED = r"^(?:\s*\[[^\]]*\])?(?:\s*\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})+"
_COLUMNS = re.compile(r"^\s*\\multicolumn\{(\d+)\}\{[^{}]*\}\{(.*)\}\s*$", re.DOTALL)
_ROWS = re.compile(r"\\multirow\{(\d+)\}")


def rows_of(text: str) -> tuple[Rows, str]:
    """The rows of the first table in a text, and in words how they are written.

    Raises:
        ValueError: no table is found in it, or a quote is never closed.
    """
    if found := _TABULAR.search(text):
        more = len(_TABULAR.findall(text)) - 1
        return _latex(text, found), "LaTeX" + _further(more)
    if re.search(r"&.*\\\\", text):
        return _latex_rows(text, 1), "LaTeX"
    lines = text.splitlines()
    rules = [
        i
        for i, line in enumerate(lines)
        if _RULE.match(line) and ("|" in line or "+" in line)
    ]
    if drawn := [i for i in rules if lines[i].lstrip()[:1] == "+"]:
        return _drawn(lines, drawn[0]), "a table drawn with lines"
    if rules and rules[0] > 0 and "|" in lines[rules[0] - 1]:
        return _markdown(lines, rules[0]), "Markdown" + _further(len(rules) - 1)
    start = "".join(f"{line}\n" for line in lines[:SAMPLE])
    del lines, rules
    if len(start) < len(text):
        with suppress(ValueError, csv.Error):
            mark, said = _separator(start)
            if mark:
                return _split(text, mark), said
    mark, said = _separator(text)
    if not mark:
        text, mark = re.sub(r"(?m)(?<=\S)[ \t]{2,}(?=\S)", "\t", text), "\t"
    return _split(text, mark), said


def _further(count: int) -> str:
    """That only the first of several tables is read."""
    return f", the first of {count + 1} tables" if count else ""


def _markdown(lines: list[str], rule: int) -> Rows:
    """The rows around the line of dashes."""
    rows = [(rule, _bars(lines[rule - 1]))]
    for number, line in enumerate(lines[rule + 1 :], rule + 2):
        if "|" not in line:
            break
        rows.append((number, _bars(line)))
    return rows


def _drawn(lines: list[str], first: int) -> Rows:
    """The rows of a table with lines above, below and perhaps between them."""
    rows: Rows = []
    for number, line in enumerate(lines[first:], first + 1):
        if "|" not in line and "+" not in line:
            break
        if not _RULE.match(line):
            rows.append((number, _bars(line)))
    return rows


def _bars(line: str) -> list[str]:
    r"""The cells between bars; \| is none."""
    inner = line.strip().removeprefix("|")
    inner = re.sub(r"(?<!\\)\|$", "", inner)
    return [c.replace(r"\|", "|").strip() for c in re.split(r"(?<!\\)\|", inner)]


def _latex(text: str, found: re.Match[str]) -> Rows:
    """The rows of a tabular, without the letters that align its columns."""
    body = re.sub(_ALIGNED, "", found[1], count=1)
    line = text.count("\n", 0, found.end(1) - len(body)) + 1
    return _latex_rows(body, line)


def _latex_rows(body: str, line: int) -> Rows:
    """Rows that end with two backslashes, with merged cells filled in."""
    rows: Rows = []
    open_rows: dict[int, tuple[int, str]] = {}
    for part in re.split(r"(\\\\(?:\[[^\]]*\])?)", body):
        first = line + part[: len(part) - len(part.lstrip())].count("\n")
        line += part.count("\n")
        plain = re.sub(r"(?<!\\)%.*", "", part)
        plain = _RULES.sub("", plain)
        if part.startswith("\\\\") or "&" not in plain:
            continue
        cells: list[str] = []
        for cell in re.split(r"(?<!\\)&", plain):
            spread = _COLUMNS.match(cell)
            cells += [spread[2]] * int(spread[1]) if spread else [cell.strip()]
        for place, cell in enumerate(cells):
            if spread := _ROWS.search(cell):
                open_rows[place] = (int(spread[1]) - 1, cell)
            elif not cell and open_rows.get(place, (0, ""))[0] > 0:
                left, cells[place] = open_rows[place]
                open_rows[place] = (left - 1, cells[place])
        rows.append((first, cells))
    return rows


def _separator(text: str) -> tuple[str, str]:
    """What stands between the cells, giving the most even columns; "" for blanks.

    Raises:
        ValueError: a quote is never closed.
    """
    best, found, broken = (0.0, 0), "", None
    for mark in SEPARATORS:
        try:
            rows = _split(text, mark)
        except csv.Error as error:
            broken = error
            continue
        widths = Counter(len(cells) for _, cells in rows if any(cells))
        if not widths:  # every cell is blank
            continue
        width, share = max(widths.items(), key=lambda w: (w[1] * (w[0] > 1), w[0]))
        even = share * width / sum(widths.values())
        if width > 1 and (even, width) > best:
            best, found = (even, width), mark
    if found:
        return found, f"CSV with {SEPARATORS[found]}"
    if broken:
        raise ValueError(f"no table that can be read: {broken}")
    return "", "text with blanks between its columns"


def _split(text: str, mark: str) -> Rows:
    """The rows of a CSV with the lines that they begin on.

    Raises:
        csv.Error: a quote that is never closed.
    """
    reader = csv.reader(
        io.StringIO(text, newline=None),
        delimiter=mark,
        skipinitialspace=True,
        strict=True,
    )
    rows, before = [], 0
    once: dict[str, str] = {}  # a name in a million rows is kept once
    for cells in reader:
        stripped = (cell.strip() for cell in cells)
        rows.append((before + 1, [once.setdefault(cell, cell) for cell in stripped]))
        before = reader.line_num
    return rows
