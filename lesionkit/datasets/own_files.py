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
from typing import Any

import numpy as np

from lesionkit.datasets.pairs import (
    below,
    existing_folder,
    is_visible,
    natural_order,
    refuse,
)
from lesionkit.datasets.pictures.arrays import check_grids, decoded
from lesionkit.datasets.pictures.images import Raster, turned
from lesionkit.datasets.pictures.lesions import (
    Ignored,
    LesionValue,
    ignored_of,
    lesion_in,
    lesion_line,
)
from lesionkit.datasets.pictures.samples import FileSample

SETTINGS = ("pairs.csv", "groups.csv", "groups.txt", "lesion_values.txt")
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
# Pictures as well: to pass over them would lose samples without a word.
UNREAD = (".gif", ".jfif", ".jp2", ".heic", ".heif", ".avif", ".dcm")
_BREAKS = ("Cc", "Cs", "Zl", "Zp")  # control characters, bytes that are no text, lines


def pictures(raw: Path, folder: Path, endings: Sequence[str] = SUFFIXES) -> list[Path]:
    """The visible pictures of `folder` and the folders below, in natural order.

    Args:
        raw: the raw folder, which no link may lead out of.
        folder: it, or one below.
        endings: of the files that count, in small letters.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: links out of `raw` or to folders, what is no file though it is
            named as a picture, pictures of a kind that is not read, names of several
            lines; how many, and the first of them.
    """
    if leaves(folder, raw):
        refuse("folder", f"lead out of {raw}", [folder])
        return []
    known = tuple(dict.fromkeys((*endings, *UNREAD)))
    found = natural_order(visible(existing_folder("folder", folder), known))
    defects = {
        f"are links that lead out of {raw}": lambda path: leaves(path, raw),
        "are links to folders, which are not followed": Path.is_dir,
        "are not files": lambda path: not path.is_file(),
        f"are none of {', '.join(endings)}": lambda path: not _ends(path, endings),
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


def _ends(path: Path, endings: Sequence[str]) -> bool:
    return path.name.lower().endswith(tuple(endings))


def visible(folder: Path, endings: Sequence[str]) -> Iterator[Path]:
    """Visible links to folders, and all else whose name ends so."""
    for place, folders, files in os.walk(folder, onerror=_stop):
        folders[:] = [name for name in folders if is_visible(Path(name))]
        yield from (p for p in map(Path(place).joinpath, folders) if p.is_symlink())
        for path in map(Path(place).joinpath, files):
            if _ends(path, endings) and is_visible(path):
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
    """An image of your own; its masks may hold classes, told by value or colour."""

    lesion_values: tuple[LesionValue, ...] = ()  # empty: lesion and background alone
    part: str = ""  # train, validation or test where its folder says so

    @property
    def details(self) -> dict[str, str]:
        """Further columns of the index."""
        return {"part": self.part} if self.part else {}

    @property
    def ignores(self) -> bool:
        """Whether its masks may hold pixels that count neither way."""
        return bool(ignored_of(self.lesion_values))

    def decoded(self, path: Path) -> Raster:
        """The image file as it is stored, of an array as a picture."""
        return decoded(path)

    def read_mask(self, path: Path, picture: Raster) -> np.ndarray:
        """The mask as 0 and 1: what is listed, or what `lesions.lesion_in` finds.

        Shape:
            returns: (H, W) uint8 of 0 and 1, and 255 where it is ignored

        Raises:
            ValueError: it cannot be decoded, does not say what is lesion, or its image
                has an orientation tag, it has none, and it fits both ways.
        """
        mask = decoded(path, is_mask=True)
        check_grids(self.image, path)
        _check_turn(path, mask, picture, self.image.name)
        return turned(lesion_in(path, mask, self.lesion_values), mask.orientation)

    def hashes(self) -> tuple[str, str]:
        """As of the files; other lesion values are another mask."""
        image, masks = super().hashes()
        if self.lesion_values:
            masks = sha256(f"{masks} {self.lesion_values}".encode()).hexdigest()
        return image, masks


def _check_turn(path: Path, mask: Raster, picture: Raster, name: str) -> None:
    """Refuse a mask that fits its image both as it is tagged and as it is stored."""
    tags = mask.orientation, picture.orientation
    shapes = {raster.colour.shape[:2] for raster in (mask, picture)}
    square = all(height == width for height, width in shapes)
    sideways = [tag in (5, 6, 7, 8) for tag in tags]
    if tags[0] == tags[1] or (sideways[0] != sideways[1] and not square):
        return
    raise ValueError(
        f"{path}: its orientation tag is {tags[0]}, that of its image {name} is "
        f"{tags[1]} (1 is upright), and both fit as they are stored; save the image "
        "as it was when the mask was drawn, upright or without the tag"
    )


def read_lesion_values(path: Path) -> tuple[LesionValue, ...]:
    """What lesion_values.txt lists: values, colours, layers; and what is ignored.

    Raises:
        ValueError: no line, one that is none of these, what is ignored alone, or the
            same as lesion and as ignored.
    """
    try:
        found = {lesion_line(line) for line in read_lines(path) or [""]}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    out = ignored_of(tuple(found))
    if len(out) == len(found):
        raise ValueError(f"{path}: it says what to ignore; list what is lesion, too")
    if twice := found.intersection(out):
        raise ValueError(f"{path}: {min(map(str, twice))} is lesion and ignored")
    return tuple(sorted(found, key=_in_list))


def _in_list(value: LesionValue) -> tuple[str, Any]:
    """Where a line stands in a list: what is ignored first, then by kind."""
    inner = value.value if isinstance(value, Ignored) else value
    kind = type(inner).__name__
    return (kind, inner) if inner is value else (f"Ignored {kind}", inner)


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
