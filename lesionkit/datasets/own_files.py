"""Files of your own: pictures, tables, which values are lesion, who is one group."""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path, PurePosixPath

import numpy as np

from lesionkit.datasets.pairs import (
    below,
    existing_folder,
    is_visible,
    natural_order,
    refuse,
)
from lesionkit.datasets.pictures.images import (
    Raster,
    decode,
    lesion_of,
    turned,
)
from lesionkit.datasets.pictures.samples import FileSample

SETTINGS = ("pairs.csv", "groups.csv", "groups.txt", "lesion_values.txt")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
# Pictures as well: to pass over them would lose samples without a word.
UNREAD = (".gif", ".jfif", ".jp2", ".heic", ".heif", ".avif", ".dcm")
CLASS_LIMIT = 20  # values up to this one are numbers of classes, not greys
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
        bad = dict.fromkeys(filter(has, found))
        refuse("folder", defect, list(bad))
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
    text = read_text(path)
    head = text.partition("\n")[0]
    delimiter = next((mark for mark in ",;\t" if mark in head), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        read = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num}: {error}") from None
    (_, names), *rows = [row for row in read if any(row[1])] or [(1, [])]
    columns = [name.lower() for name in names]
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


@dataclass(frozen=True)
class OwnSample(FileSample):
    """An image of your own; its masks may hold several classes, told by value."""

    lesion_values: tuple[int, ...] = ()  # empty: a mask of lesion and background

    def read_mask(self, path: Path) -> np.ndarray:
        """The mask as 0 and 1: where it holds a listed value, else as `images` does.

        Without listed values, a mask is refused whose values may be numbers of classes:
        a palette with several indices other than 0, or with one from 2 to CLASS_LIMIT;
        grey with values above 1 and not one above half of the range.

        Shape:
            returns: (H, W) uint8 of 0 and 1

        Raises:
            ValueError: as `images.read_mask`; values that are not told apart; with
                listed values a coloured mask, or a kind that changes values, as JPEG.
        """
        raster = decode(path)
        listed = self.lesion_values
        lesion = _listed(path, raster, listed) if listed else _binary(path, raster)
        return turned(lesion, raster.orientation)

    def hashes(self) -> tuple[str, str]:
        """As of the files; other lesion values are another mask."""
        image, masks = super().hashes()
        if self.lesion_values:
            masks = sha256(f"{masks} {self.lesion_values}".encode()).hexdigest()
        return image, masks


def _binary(path: Path, raster: Raster) -> np.ndarray:
    """The lesion of a mask that holds nothing else."""
    index, alpha = raster.index, raster.drawn_alpha
    values = raster.colour if alpha is None else alpha
    lesion = None
    if index is not None:
        values = index
        lesions = np.unique(index[index > 0])
        unclear = lesions.size > 1 or (lesions.size and 1 < lesions[0] <= CLASS_LIMIT)
    else:
        lesion = lesion_of(path, raster)
        unclear = values.max() > 1 and not lesion.any()
    if unclear:
        found = np.unique(values)
        shown = ", ".join(map(str, found[:5])) + ", ..." * (len(found) > 5)
        raise ValueError(
            f"{path}: a mask of the values {shown}; say which of them count as "
            "lesion in lesion_values.txt in the raw folder, one a line"
        )
    return lesion_of(path, raster) if lesion is None else lesion


def _listed(path: Path, raster: Raster, listed: Sequence[int]) -> np.ndarray:
    """Where a mask holds one of the listed values: of a palette the index."""
    values = raster.index
    if values is None:
        values = raster.colour[..., 0]
        if (raster.colour != values[..., None]).any():
            raise ValueError(f"{path}: a coloured mask; lesion_values.txt needs grey")
        if raster.drawn_alpha is not None:
            raise ValueError(f"{path}: alpha varies; lesion_values.txt needs grey")
    if not raster.exact:
        raise ValueError(f"{path}: JPEG and WebP change values; save the mask as PNG")
    lesion = np.isin(values, listed)
    if not lesion.any() and values.any() and np.isin(values, (0, 255, 65535)).all():
        raise ValueError(
            f"{path}: a mask of 0 and {values.max()}, lesion_values.txt lists "
            f"{', '.join(map(str, listed))}"
        )
    return lesion.astype(np.uint8)


def read_lesion_values(path: Path) -> tuple[int, ...]:
    """The integers of lesion_values.txt.

    Raises:
        ValueError: no line, or one that is not an integer from 0 to 65,535.
    """
    lines = read_lines(path)
    wrong = [x for x in lines if not re.fullmatch("[0-9]{1,5}", x) or int(x) > 65535]
    if wrong or not lines:
        got = repr(wrong[0]) if wrong else "an empty file"
        raise ValueError(f"{path}: one integer a line, 0 to 65535, got {got}")
    return tuple(sorted({int(line) for line in lines}))


def read_groups(
    files: dict[str, Path], raw: Path, images: Sequence[Path]
) -> dict[Path, str]:
    """The group of each image by groups.csv or groups.txt; "" where there is neither.

    Raises:
        ValueError: both are there, one cannot be read, or an image is left without.
    """
    if "groups.csv" in files and "groups.txt" in files:
        raise ValueError(f"{raw}: groups.csv or groups.txt, not both")
    if "groups.csv" in files:
        groups = _groups_of_table(files["groups.csv"], raw, images)
    elif "groups.txt" in files:
        groups = _groups_of_pattern(files["groups.txt"], raw, images)
    else:
        return dict.fromkeys(images, "")
    left = [image for image in images if not groups.get(image)]
    refuse("folder", "have no group by groups.csv or groups.txt", left)
    return {image: groups.get(image, "") for image in images}


def _groups_of_table(path: Path, raw: Path, images: Sequence[Path]) -> dict[Path, str]:
    """Groups of a table of file and group; a file may be named by its path's end."""
    ends: dict[str, list[Path]] = {}
    for image in images:
        parts = image.relative_to(raw).parts
        for start in range(len(parts)):
            ends.setdefault(composed("/".join(parts[start:])), []).append(image)
    groups, problems = {}, []
    for line, row in read_table(path, ("file", "group")):
        file, group = composed(as_posix(row["file"])), row["group"]
        whole = [p for p in ends.get(file, []) if composed(below(p, raw)) == file]
        found = whole or ends.get(file, [])
        if len(found) > 1:
            names = ", ".join(below(p, raw) for p in found[:3])
            problems.append(f"line {line}: {file!r} may be any of {names}")
        elif found and groups.setdefault(found[0], group) != group:
            problems.append(f"line {line}: {file!r} is in two groups")
    refuse_rows(path, problems)
    return groups


def _groups_of_pattern(
    path: Path, raw: Path, images: Sequence[Path]
) -> dict[Path, str]:
    """Groups by a regular expression that is looked for in each image's path."""
    lines = read_lines(path)
    if len(lines) != 1:
        raise ValueError(f"{path}: one regular expression, got {len(lines)} lines")
    try:
        pattern = re.compile(lines[0])
    except re.error as error:
        raise ValueError(f"{path}: not a regular expression, {error}") from None
    if pattern.groups != 1:
        raise ValueError(
            f"{path}: one group in parentheses is needed, such as (patient[0-9]+), "
            f"got {pattern.groups} in {pattern.pattern!r}"
        )
    matches = ((image, pattern.search(below(image, raw))) for image in images)
    return {image: match[1] or "" for image, match in matches if match}
