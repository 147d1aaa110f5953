"""Drawn outlines to a mask: what an annotation program stored, pixel by pixel.

A coordinate is a place on the image, x to the right and y down, and (0, 0) is the outer
corner of the first pixel: the pixel in column j and row i reaches from j to j + 1 and
from i to i + 1. It is lesion where its centre (j + 0.5, i + 0.5) lies inside; a
rectangle from (2, 3) to (6, 8) has 4 x 5 pixels. An outline that crosses itself is
inside where it is crossed an odd number of times; several outlines are united.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from lesionkit.datasets.own_files import OwnSample, read_lines
from lesionkit.datasets.pictures.images import Raster, turned
from lesionkit.lookup import nearest

BACKGROUND = {"background", "_background_", "bg", "ignore", "__ignore__", "void"}
BEYOND = 1.0  # pixels that an outline may leave the image, as a mouse does
_SHOWN = 10  # names that a refusal lists


@dataclass(frozen=True)
class Area:
    """One marked area and its name.

    Attributes:
        label: the category, as its file calls it.
        kind: polygon (x, y of each corner), share (the same as shares of width and
            height), circle (centre x, y and radius), runs (of pixels in columns that
            are in turn outside and inside) or crop (first row and column, height,
            width and the bits, packed, of a small mask).
        data: the kind's numbers.
    """

    label: str
    kind: str
    data: tuple


@dataclass(frozen=True)
class DrawnSample(OwnSample):
    """An image and the areas that were marked on it."""

    areas: tuple[Area, ...] = ()
    size: tuple[int, int] | None = None  # height and width they were drawn on, if said

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, C) uint8 or uint16 and mask (H, W) uint8 of 0 and 1.

        Raises:
            ValueError: the image cannot be decoded, is not the one that was drawn on,
                or has an orientation tag and the areas fit both ways.
        """
        picture = self.decoded(self.image)
        image = turned(picture.colour, picture.orientation)
        as_shown = self._drawn_as_shown(picture, image.shape[:2])
        shape = (image if as_shown else picture.colour).shape[:2]
        mask = np.zeros(shape, bool)
        for area in self.areas:
            mask |= self._drawn(area, shape)
        mask = mask.astype(np.uint8)
        return image, mask if as_shown else turned(mask, picture.orientation)

    def hashes(self) -> tuple[str, str]:
        """SHA-256 of the image file, and of the areas."""
        said = f"{self.size} {sorted(map(repr, self.areas))}"
        image = sha256(self.image.read_bytes()).hexdigest()
        return image, sha256(said.encode()).hexdigest()

    def _drawn(self, area: Area, shape: tuple[int, int]) -> np.ndarray:
        if area.kind not in DRAWN:
            raise ValueError(
                f"{self.image}: {area.label!r} is a {area.kind}; a mask needs outlines"
            )
        try:
            return DRAWN[area.kind](area.data, *shape)
        except ValueError as error:
            raise ValueError(f"{self.image}: {area.label!r} {error}") from None

    def _drawn_as_shown(self, picture: Raster, shown: tuple[int, int]) -> bool:
        """Whether the areas lie on the image as it is seen, or as it is stored."""
        stored, turn = picture.colour.shape[:2], picture.orientation
        fits = [self.size in (None, shape) for shape in (shown, stored)]
        if not any(fits):
            height, width = self.size or (0, 0)
            raise ValueError(
                f"{self.image}: the areas were drawn on {width} x {height} pixels, the "
                f"image has {shown[1]} x {shown[0]}"
            )
        if turn != 1 and all(fits):
            raise ValueError(
                f"{self.image}: its orientation tag is {turn}, and what is marked fits "
                "with and without it; save the image upright, without the tag, as it "
                "was when it was marked"
            )
        return fits[0]


def polygon(corners: Sequence[float], height: int, width: int) -> np.ndarray:
    """Where the centres of pixels lie inside an outline.

    Args:
        corners: x, y, x, y, ... in pixels, three corners or more.

    Shape:
        returns: (H, W) bool

    >>> int(polygon((2, 3, 6, 3, 6, 8, 2, 8), 10, 10).sum())
    20

    Raises:
        ValueError: fewer corners, no numbers, or it leaves the image by more than a
            pixel: it is another image's.
    """
    x, y = _corners(corners, height, width)
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    mask = np.zeros((height, width), bool)
    first, last = max(0, int(y.min())), min(height, int(np.ceil(y.max())))
    for row in range(first, last):
        level = row + 0.5
        crossed = (y <= level) != (next_y <= level)
        steps = (level - y[crossed]) / (next_y - y)[crossed]
        at = np.sort(x[crossed] + steps * (next_x - x)[crossed])
        edges = np.clip(np.ceil(at - 0.5), 0, width).astype(int)
        for start, end in edges.reshape(-1, 2):
            mask[row, start:end] = True
    return mask


def _corners(
    corners: Sequence[float], height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """The x and the y of an outline that lies on the image."""
    if len(corners) < 6 or len(corners) % 2:
        raise ValueError(f"has {len(corners) // 2} corners; an area has 3 or more")
    places = np.array(corners, float).reshape(-1, 2)
    x, y = places.T
    beyond = np.maximum(-places, places - (width, height))
    if not beyond.max() <= BEYOND:  # a value that is no number is beyond, too
        raise ValueError(
            f"reaches from ({x.min():g}, {y.min():g}) to ({x.max():g}, {y.max():g}), "
            f"out of the image of {width} x {height} pixels"
        )
    return x, y


def _share(corners: Sequence[float], height: int, width: int) -> np.ndarray:
    sides = (width, height)
    places = [share * sides[i % 2] for i, share in enumerate(corners)]
    return polygon(places, height, width)


def _circle(data: tuple, height: int, width: int) -> np.ndarray:
    x, y, radius = data
    row, column = np.mgrid[:height, :width] + 0.5
    return (column - x) ** 2 + (row - y) ** 2 <= radius**2


def _runs(counts: Sequence[int], height: int, width: int) -> np.ndarray:
    """Runs of pixels, column after column, the first of them outside."""
    if sum(counts) != height * width or min(counts, default=0) < 0:
        raise ValueError(
            f"has runs of {sum(counts)} pixels, the image has {height * width}"
        )
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return inside.reshape(width, height).T


def _crop(data: tuple, height: int, width: int) -> np.ndarray:
    """A small mask at its place."""
    row, column, rows, columns, bits = data
    if min(row, column) < 0 or row + rows > height or column + columns > width:
        raise ValueError(f"leaves the image of {width} x {height} pixels")
    mask = np.zeros((height, width), bool)
    packed = np.frombuffer(bits, np.uint8)
    small = np.unpackbits(packed, count=rows * columns).reshape(rows, columns)
    mask[row : row + rows, column : column + columns] = small
    return mask


DRAWN = {
    "polygon": polygon,
    "share": _share,
    "circle": _circle,
    "runs": _runs,
    "crop": _crop,
}


def of_lesions(
    raw: Path, samples: Sequence[DrawnSample], listed: Path | None
) -> list[DrawnSample]:
    """The samples with the areas that are lesion: all, where they have one name.

    Args:
        raw: the raw folder, for the text of an error.
        samples: with all of their areas.
        listed: lesion_values.txt, whose lines are names.

    Raises:
        ValueError: several names and no list, or a name on it that no area has.
    """
    counts = Counter(area.label for sample in samples for area in sample.areas)
    names = ", ".join(f"{name} ({n})" for name, n in counts.most_common(_SHOWN))
    names += ", ..." * (len(counts) > _SHOWN)
    if listed:
        wanted = {_named(listed, line, counts, names) for line in read_lines(listed)}
        if not wanted:
            raise ValueError(f"{listed}: one name a line; there are {names}")
    elif len(counts) > 1 or any(name.casefold() in BACKGROUND for name in counts):
        raise ValueError(
            f"{raw}: what is marked is called {names}; say which of them count as "
            "lesion in lesion_values.txt in the raw folder, one name a line"
        )
    else:
        wanted = set(counts)
    return [
        replace(sample, areas=tuple(a for a in sample.areas if a.label in wanted))
        for sample in samples
    ]


def _named(listed: Path, line: str, counts: Counter[str], names: str) -> str:
    """The name that a line means, in any case."""
    found = [name for name in counts if name.casefold() == line.casefold()]
    found = [line] if line in found else found
    if len(found) != 1:
        near = nearest(line, counts)
        hint = f"; did you mean {near!r}?" if near else ""
        raise ValueError(f"{listed}: nothing is called {line!r}{hint} (there: {names})")
    return found[0]
