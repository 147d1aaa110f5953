"""A file of any kind to a frame of texts: what is in it, and how it is written.

CSV, TSV, Markdown, LaTeX, JSON and Excel's .xlsx, each also as .gz. Names of columns
and cells stay as they are; what they mean is read by `reading`.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from charset_normalizer import from_bytes

from lesionkit.tables.forms import exports, texts
from lesionkit.tables.forms.cells import as_text, bare, read
from lesionkit.tables.forms.headers import meaning
from lesionkit.tables.forms.spellings import KEYS
from lesionkit.tables.forms.texts import Rows

LEVELS = " » "  # between names that stand above one another
FIRST = 25  # rows in which the names of the columns are looked for
ENCODINGS = ("cp949", "gb18030", "shift_jis", "big5", "cp1251", "cp1252")
NOT_READ = {
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls): save it as .xlsx or CSV",
    b"PAR1": "a Parquet file: save it as CSV with pandas' to_csv",
    b"ARROW1": "a Feather file: save it as CSV with pandas' to_csv",
    b"%PDF": "a PDF: copy its table into a text file",
    b"\x89PNG": "a picture",
}


@dataclass(frozen=True)
class Sheet:
    """A table as texts.

    Attributes:
        frame: every cell as text, "" where there is none; the index holds the lines of
            the file, or the numbers of the records.
        kind: how the file is written, in words.
        said: what was left out or chosen, a line each.
        unit: what the index counts: "line", "row" or "record".
    """

    frame: pd.DataFrame
    kind: str
    said: list[str] = field(default_factory=list)
    unit: str = "line"

    def places(self, index: pd.Index) -> str:
        """Some rows in words: "lines 3, 4 and 2 more"."""
        index = index.unique()  # a line of a wide table is several rows
        shown = ", ".join(str(i) for i in index[:5])
        more = f" and {len(index) - 5} more" if len(index) > 5 else ""
        return f"{self.unit}{'s' if len(index) > 1 else ''} {shown}{more}"


def read_file(path: Path) -> Sheet:
    """The table that a file holds.

    Raises:
        ValueError: no table that can be read; the text names the file and what it is.
    """
    try:
        if path.suffix == ".json" and exports.is_nnunet(_json(path)):
            return nnunet([path])
        return _read(path.read_bytes(), "")
    except (ValueError, zipfile.BadZipFile, EOFError, zlib.error, OSError) as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: {reason}") from None


def nnunet(paths: list[Path]) -> Sheet:
    """The cases of nnU-Net's summary.json files as one table."""
    frame, said = exports.from_nnunet(paths)
    return Sheet(frame, f"summary.json of nnU-Net ({len(paths)})", said, "case")


def _json(path: Path) -> object:
    """What a JSON file holds; None where it is none."""
    try:
        return json.loads(path.read_text())
    except ValueError:
        return None


def _read(data: bytes, packed: str) -> Sheet:
    """The table in some bytes."""
    for start, what in NOT_READ.items():
        if data.startswith(start):
            raise ValueError(f"this is {what}")
    if data.startswith(b"\x1f\x8b"):
        return _read(gzip.decompress(data), ", gz")
    if data.startswith(b"PK"):
        return _zipped(data)
    if not data.strip():
        raise ValueError("the file is empty: no table that can be read")
    text, encoding = decoded(data)
    if text.lstrip()[:1] in "[{" and (frame := exports.from_json(text)) is not None:
        return Sheet(*frame, unit="record")
    if text.lstrip()[:1] == "<" and "<t" in text.lower():
        raise ValueError("this is a web page (HTML): save its table as CSV")
    rows, kind = texts.rows_of(text)
    return framed(rows, f"{kind}, {encoding}{packed}", "line")


def _zipped(data: bytes) -> Sheet:
    """The table of an Excel file, or of the one file in a .zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        names = [name for name in packed.namelist() if not name.endswith("/")]
        if "xl/workbook.xml" in names:
            return _excel(data)
        if len(names) != 1:
            raise ValueError(f"a .zip with {len(names)} files: unpack it, and give one")
        return _read(packed.read(names[0]), ", zip")


def _excel(data: bytes) -> Sheet:
    """The sheet of a workbook that holds a table, the first one of several."""
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(data), data_only=True)
    sheets = {sheet.title: _sheet_rows(sheet) for sheet in book.worksheets}
    there = {name: rows for name, rows in sheets.items() if len(rows) > 1}
    if not there:
        raise ValueError("an Excel file without a table")
    ranked = sorted(there, key=lambda name: -_heading(there[name])[1])
    found = framed(there[ranked[0]], f"Excel, sheet {ranked[0]!r}", "row")
    if len(there) > 1:
        others = ", ".join(repr(name) for name in there if name != ranked[0])
        found.said.append(
            f"only sheet {ranked[0]!r} is read; save another one ({others}) as a CSV "
            "of its own to read it"
        )
    return found


def _sheet_rows(sheet: object) -> Rows:
    """The rows of a sheet; merged cells hold their text everywhere."""
    values = {
        (cell.row, cell.column): cell.value
        for row in sheet.iter_rows()  # pyrefly: ignore
        for cell in row
    }
    for merged in sheet.merged_cells.ranges:  # pyrefly: ignore
        first = values.get((merged.min_row, merged.min_col))
        for place in merged.cells:
            values[place] = first
    width = max((column for _, column in values), default=0)
    height = max((row for row, _ in values), default=0)
    rows = [
        (r, [as_text(values.get((r, c))) for c in range(1, width + 1)])
        for r in range(1, height + 1)
    ]
    return [row for row in rows if any(row[1])]


def decoded(data: bytes) -> tuple[str, str]:
    """A text and its encoding.

    Where it is neither UTF-8 nor UTF-16, the encoding under which the first lines hold
    the most known names of columns is taken; of equals the one that charset-normalizer
    finds likeliest.
    """
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16")):
        if data.startswith(mark):
            return data.decode(name), name.upper().removesuffix("-SIG")
    if data.startswith(b"\xfe\xff"):
        return data.decode("utf-16"), "UTF-16"
    if data[1:2] == b"\0" or data[:1] == b"\0":
        name = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
        with suppress(UnicodeDecodeError):
            return data.decode(name), name.upper()
    try:
        return data.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        pass
    likely = from_bytes(data).best()
    names = [likely.encoding] if likely else []
    found: list[tuple[int, str, str]] = []
    for name in dict.fromkeys([*names, *ENCODINGS]):
        try:
            text = data.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
        found.append((_familiar(text), name, text))
    if not found:
        raise ValueError(
            "no table that can be read: this is no text, or its encoding is not known;"
            " save the table as CSV in UTF-8"
        )
    _, name, text = max(found, key=lambda each: each[0])
    return text, name


def _familiar(text: str) -> int:
    """How many known names of columns the first lines hold."""
    try:
        rows, _ = texts.rows_of("\n".join(text.splitlines()[:FIRST]))
    except ValueError:
        return 0
    return max((_known(cells) for _, cells in rows), default=0)


def _known(cells: list[str]) -> int:
    """How many cells are known names of columns."""
    return sum(meaning(cell).known for cell in cells if cell)


def _heading(rows: Rows) -> tuple[int, int]:
    """Which row holds the names of the columns, and how many of them are known.

    It stands above the first row with a number; of several rows there it is the one
    with the most known names, and of equals the first that is filled.
    """
    first = next((i for i, (_, cells) in enumerate(rows) if _numbers(cells)), len(rows))
    if first == 0:
        return 0, _known(rows[0][1])
    width = max(len(cells) for _, cells in rows[:first])
    likely = [
        (i, _known(rows[i][1]))
        for i in range(min(first, FIRST))
        if sum(map(bool, rows[i][1])) > 1
    ]
    if not likely:
        return 0, 0
    full = [sum(map(bool, rows[i][1])) >= width / 2 for i, _ in likely]
    best = max(zip(likely, full, strict=True), key=lambda e: (e[0][1], e[1], -e[0][0]))
    return best[0]


def _numbers(cells: list[str]) -> bool:
    """Whether a row has a number."""
    return any(read(cell).kind == "number" for cell in cells)


def framed(rows: Rows, kind: str, unit: str) -> Sheet:
    """Rows as a frame under the names of their columns.

    Raises:
        ValueError: no names, no row below them, or a row that is too long.
    """
    above = [row for row in rows if any(row[1])]
    if not above:
        raise ValueError("no table that can be read: all cells are blank")
    at, _ = _heading(above)
    if _numbers(above[at][1]) and not _known(above[at][1]):
        shown = ", ".join(above[at][1][:4])
        raise ValueError(
            f"the columns have no names: the first row is {shown}, ... ({kind})"
        )
    line, names = above[at]
    names, upper = _two_levels(above, at, names)
    said = [
        f"left out above the table: {' '.join(filter(None, cells))!r} ({unit} {number})"
        for number, cells in above[:at]
        if (number, cells) != upper
    ]
    body = [row for row in rows if row[0] > line]
    if at + 1 < len(above) and _names_index(above[at + 1][1]):
        last, under = above[at + 1]
        names = [u or n for u, n in zip(under + [""] * len(names), names, strict=False)]
        body = [row for row in rows if row[0] > last]
    while body and not any(body[-1][1]):
        body.pop()
    frame = _frame(names, body, kind, unit)
    return _tidied(Sheet(frame, kind, said, unit))


def _names_index(cells: list[str]) -> bool:
    """Whether a row holds the names of the first columns alone, as pandas writes."""
    given = [cell for cell in cells if cell]
    first = len(given) <= len(cells) / 2 and cells[: len(given)] == given
    return bool(given) and first and all(meaning(c).ours in KEYS for c in given)


def _two_levels(
    above: Rows, at: int, names: list[str]
) -> tuple[list[str], tuple[int, list[str]] | None]:
    """Names that stand in two rows, as one: "Kvasir" over "Dice" is "Kvasir » Dice"."""
    given = [name for name in names if name]
    if at == 0 or len(set(given)) == len(given):
        return names, None
    upper = above[at - 1][1]
    if sum(map(bool, upper)) < 2:
        return names, None
    upper = upper + [""] * (len(names) - len(upper))
    spread, last = [], ""
    for over in upper:
        last = over or last
        spread.append(last)
    twice = {name for name in given if given.count(name) > 1}
    joined = [
        LEVELS.join(filter(None, (over, name))) if name in twice or not name else name
        for over, name in zip(spread, names, strict=False)
    ]
    return joined, above[at - 1]


def _frame(names: list[str], body: Rows, kind: str, unit: str) -> pd.DataFrame:
    """The frame of a body; short rows are filled up with blanks."""
    widths = [
        max((i for i, cell in enumerate(c, 1) if cell), default=0) for _, c in body
    ]
    named = max((i for i, name in enumerate(names, 1) if name), default=0)
    width = max(named, min(len(names), max(widths, default=0)))
    for (line, cells), wide in zip(body, widths, strict=True):
        if wide > width:
            raise ValueError(
                f"{unit} {line} has {len(cells)} cells under {width} names ({kind}); a "
                "decimal comma needs quotes, or semicolons between cells"
            )
    cells = [(c + [""] * width)[:width] for _, c in body]
    return pd.DataFrame(cells, [n for n, _ in body], names[:width], dtype=object)


def _tidied(sheet: Sheet) -> Sheet:
    """Without blank rows and columns, a column that numbers the rows, names again."""
    frame, said = sheet.frame, sheet.said
    kept = [
        bool(name) or not _counts_rows(frame.iloc[:, place])
        for place, name in enumerate(frame.columns)
    ]
    frame = frame.loc[:, kept]
    frame.columns = [n or f"column {i}" for i, n in enumerate(frame.columns, 1)]
    blank = (frame == "").all(axis=1)
    if blank.any():
        said.append(f"blank: {sheet.places(frame.index[blank])}")
    again = (frame == list(frame.columns)).all(axis=1)
    if again.any():
        where = sheet.places(frame.index[again])
        said.append(f"the names of the columns again: {where}; left out")
    frame = frame[~(blank | again)]
    if frame.empty:
        shown = ", ".join(map(str, frame.columns))
        raise ValueError(
            f"no row below the names of the columns ({shown}; {sheet.kind})"
        )
    frame.columns = [bare(name) for name in frame.columns]
    return Sheet(frame, sheet.kind, said, sheet.unit)


def _counts_rows(values: pd.Series) -> bool:
    """Whether a column without a name is blank, or holds the numbers of the rows."""
    return all(text.isdigit() for text in values if text)
