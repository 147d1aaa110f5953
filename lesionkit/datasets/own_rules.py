"""What you say of your own images: which values are lesion, who is one group."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from lesionkit.datasets.own_files import (
    as_posix,
    composed,
    read_lines,
    read_table,
    refuse_rows,
)
from lesionkit.datasets.pairs import below, refuse
from lesionkit.datasets.pictures.images import (
    Raster,
    decode,
    has_shape,
    lesion_of,
    turned,
)
from lesionkit.datasets.pictures.samples import FileSample

CLASS_LIMIT = 20  # values up to this one are numbers of classes, not greys


@dataclass(frozen=True)
class OwnSample(FileSample):
    """An image of your own; its masks may hold several classes, told by value."""

    lesion_values: tuple[int, ...] = ()  # empty: a mask of lesion and background

    def read_mask(self, path: Path) -> np.ndarray:
        """One mask file, (H, W) uint8 of 0 and 1.

        Raises:
            ValueError: it cannot be decoded, or does not say which value is the lesion.
        """
        return read_own_mask(path, self.lesion_values)

    def hashes(self) -> tuple[str, str]:
        """As of the files; other lesion values are another mask."""
        image, masks = super().hashes()
        if self.lesion_values:
            masks = sha256(f"{masks} {self.lesion_values}".encode()).hexdigest()
        return image, masks


def read_own_mask(path: Path, listed: Sequence[int] = ()) -> np.ndarray:
    """The mask as 0 and 1: where it holds a listed value, else as `read_mask` does.

    Without listed values, a mask is refused whose values may be numbers of classes: a
    palette with several indices other than 0, or with one from 2 to CLASS_LIMIT; grey
    with values above 1 and not one above half of the range.

    Shape:
        returns: (H, W) uint8 of 0 and 1

    Raises:
        ValueError: as `read_mask`; values that are not told apart; with listed values
            a coloured mask, or a file whose kind changes values, as JPEG does.
    """
    raster = decode(path)
    lesion = _listed(path, raster, listed) if listed else _binary(path, raster)
    return turned(lesion, raster.orientation)


def _binary(path: Path, raster: Raster) -> np.ndarray:
    """The lesion of a mask that holds nothing else."""
    if raster.index is not None:
        indices = np.flatnonzero(np.bincount(raster.index.ravel()))
        lesions = indices[indices > 0]
        if lesions.size > 1 or (lesions.size and 1 < lesions[0] <= CLASS_LIMIT):
            raise _classes(path, indices)
        return lesion_of(path, raster)
    lesion = lesion_of(path, raster)
    alpha = raster.alpha
    values = alpha if alpha is not None and has_shape(alpha) else raster.colour
    if values.max() > 1 and not lesion.any():
        raise _classes(path, np.unique(values))
    return lesion


def _classes(path: Path, values: np.ndarray) -> ValueError:
    """The error for a mask that may hold several classes."""
    shown = ", ".join(str(value) for value in values[:5])
    more = ", ..." if len(values) > 5 else ""
    return ValueError(
        f"{path}: a mask of the values {shown}{more}; say which of them count as "
        "lesion in lesion_values.txt in the raw folder, one a line"
    )


def _listed(path: Path, raster: Raster, listed: Sequence[int]) -> np.ndarray:
    """Where a mask holds one of the listed values: of a palette the index."""
    values = raster.index
    if values is None:
        values = raster.colour[..., 0]
        if (raster.colour != values[..., None]).any():
            raise ValueError(f"{path}: a coloured mask; lesion_values.txt needs grey")
        if has_shape(raster.alpha):
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
    matches = {image: pattern.search(below(image, raw)) for image in images}
    return {image: match[1] or "" for image, match in matches.items() if match}
