"""Files of your own: pictures below a folder, tables, paths that stay inside."""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath

from lesionkit.datasets.pairs import existing_folder, is_visible, natural_order, refuse

SETTINGS = ("pairs.csv", "groups.csv", "groups.txt", "lesion_values.txt")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
# Pictures as well: to pass over them would lose samples without a word.
UNREAD = (".gif", ".jfif", ".jp2", ".heic", ".heif", ".avif", ".dcm")
_BREAKS = ("Cc", "Cs", "Zl", "Zp")  # control characters, bytes that are no text, lines


def pictures(raw: Path, folder: Path) -> list[Path]:
    """The visible pictures of `folder` and the folders below, in natural order.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: links out of `raw` or to folders, what is no file though it is
            named as a picture, pictures of a kind that is not read, names of several
            lines; how many, and the first of them.
    """
    if leaves(folder, raw):
        refuse("folder", f"lead out of {raw}", [folder])
        return []
    found = natural_order(_entries(existing_folder("folder", folder)))
    defects = {
        f"are links that lead out of {raw}": lambda path: leaves(path, raw),
        "are links to folders, which are not followed": Path.is_dir,
        "are not files": lambda path: not path.is_file(),
        f"are none of {', '.join(SUFFIXES)}": lambda path: not is_read(path),
        "have line breaks in their names": lambda path: breaks_line(path.as_posix()),
    }
    for defect, has in defects.items():
        bad = {path for path in found if has(path)}
        refuse("folder", defect, [path for path in found if path in bad])
        found = [path for path in found if path not in bad]
    return found


def is_read(path: Path) -> bool:
    """Whether the suffix is one of SUFFIXES, in whatever case."""
    return path.suffix.lower() in SUFFIXES


def _entries(folder: Path) -> Iterator[Path]:
    """Visible links to folders, and all else that is named as a picture."""
    for place, folders, files in os.walk(folder, onerror=_stop):
        folders[:] = [name for name in folders if is_visible(Path(name))]
        yield from (p for p in map(Path(place).joinpath, folders) if p.is_symlink())
        for path in map(Path(place).joinpath, files):
            if path.suffix.lower() in SUFFIXES + UNREAD and is_visible(path):
                yield path


def _stop(error: OSError) -> None:
    """A folder that cannot be looked into is not passed over."""
    raise error


def breaks_line(text: str) -> bool:
    """Whether a path would not stay in one line of text."""
    return any(unicodedata.category(mark) in _BREAKS for mark in text)


def leaves(path: Path, folder: Path) -> bool:
    """Whether a path, links followed, lies outside of `folder`."""
    real = Path(os.path.realpath(path))
    return not real.is_relative_to(os.path.realpath(folder))


def settings(raw: Path, root: Path) -> dict[str, Path]:
    """The files of SETTINGS in the raw folder or in the one below that is used.

    Raises:
        ValueError: one of them twice, in capital letters, or a link out of `raw`.
    """
    found: dict[str, Path] = {}
    places = dict.fromkeys((raw, root))
    for path in chain.from_iterable(map(Path.iterdir, places)):
        name = path.name.lower()
        if name not in SETTINGS:
            continue
        if path.name != name:
            raise ValueError(f"{path}: its name has to be written {name}")
        if name in found:
            raise ValueError(f"{name} is there twice: {found[name]} and {path}")
        if leaves(path, raw):
            raise ValueError(f"{path}: leads out of {raw}")
        found[name] = path
    return found


def read_table(
    path: Path, needed: Sequence[str], optional: Sequence[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells of each row of a CSV file, in UTF-8, with ; or tabs too.

    Raises:
        ValueError: other columns, no row, or rows of another length.
    """
    (_, head), *rows = _csv_rows(path) or [(1, [])]
    columns = [name.lower() for name in head]
    if sorted(c for c in columns if c not in optional) != sorted(needed):
        more = f", and may have {', '.join(optional)}" if optional else ""
        raise ValueError(
            f"{path}: it needs the columns {', '.join(needed)}{more}; got "
            f"{', '.join(map(repr, columns)) or 'none'}"
        )
    if not rows:
        raise ValueError(f"{path}: no row below the columns")
    count = len(columns)
    odd = [(line, len(row)) for line, row in rows if len(row) != count]
    refuse_rows(path, [f"line {line}: {n} cells, not {count}" for line, n in odd])
    return [(line, dict(zip(columns, row, strict=True))) for line, row in rows]


def _csv_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and stripped cells of each line that is not empty."""
    text = read_text(path)
    head = text.partition("\n")[0]
    delimiter = next((mark for mark in ",;\t" if mark in head), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num}: {error}") from None
    return rows


def refuse_rows(path: Path, problems: Sequence[str]) -> None:
    """Raise a ValueError that counts the rows and shows the first three, if any."""
    if problems:
        more = "; ..." if len(problems) > 3 else ""
        raise ValueError(
            f"{path}: {len(problems)} row(s) cannot be used: "
            f"{'; '.join(problems[:3])}{more}"
        )


def read_text(path: Path) -> str:
    """A file's text, with or without the mark that spreadsheets put first.

    Raises:
        ValueError: it is not UTF-8.
    """
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8; save it as CSV UTF-8 or text") from None


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty, stripped; errors as `read_text`."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def as_posix(text: str) -> str:
    """A path as a table has it, with / and without ./ at its start."""
    return str(PurePosixPath(text.replace("\\", "/")))


def composed(text: str) -> str:
    """The text with accents written in one of the two ways that there are."""
    return unicodedata.normalize("NFC", text)
