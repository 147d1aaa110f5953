"""What a picture file is, apart from what it shows: kind, size, turn, values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionkit.datasets.pictures.images import decode, turned


@dataclass(frozen=True)
class FileFacts:
    """One picture file.

    Attributes:
        kind: "grey 8 bit", "colour 8 bit with alpha", "palette 8 bit" and so on.
        height, width: as it is to be seen, pixels.
        orientation: 1 to 8 of EXIF or TIFF; 1 is upright.
        between: share of pixels that are neither background nor full lesion: not 0
            and not the largest value that a mask of that kind has.
    """

    kind: str
    height: int
    width: int
    orientation: int
    between: float


def file_facts(path: Path) -> FileFacts:
    """The facts of a picture, after decoding it to its last pixel.

    Raises:
        ValueError: as `images.read_image`.
    """
    raster = decode(path)
    colour = raster.colour
    bits = 8 * colour.dtype.itemsize
    grey_or_colour = "grey" if colour.shape[2] == 1 else "colour"
    kind = "palette" if raster.index is not None else grey_or_colour
    alpha = " with alpha" if raster.alpha is not None else ""
    height, width = turned(colour, raster.orientation).shape[:2]
    values = raster.index if raster.index is not None else colour
    top = int(values.max())
    full = top if top <= 1 else np.iinfo(values.dtype).max  # 1 in a mask of 0 and 1
    return FileFacts(
        kind=f"{kind} {bits} bit{alpha}",
        height=height,
        width=width,
        orientation=raster.orientation,
        between=float(((values != 0) & (values != full)).mean()),
    )
