"""Arrays to another size."""

from __future__ import annotations

import numpy as np
from PIL import Image

from lesionkit.lookup import find

THUMBNAIL = 32  # side of the pictures that near-copies are looked for among
RESIZES = {
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}


def resize_image(array: np.ndarray, size: int, resize: str = "bilinear") -> np.ndarray:
    """The image at size x size, its aspect not kept, in its own type.

    "bilinear" averages over all pixels it leaves out (antialiased); "nearest" picks.
    uint16 is resized as float32, which holds all of its values, and rounded.

    Args:
        resize: one of RESIZES.

    Shape:
        array: (H, W, C) uint8 or uint16
        returns: (size, size, C) of the same type

    Raises:
        ValueError: another shape or type, a size below 1, an unknown `resize`.
    """
    rule = find("resize", resize, RESIZES)
    if array.ndim != 3 or array.dtype not in (np.uint8, np.uint16):
        got = f"{array.shape} {array.dtype}"
        raise ValueError(f"array must be (H, W, C) uint8 or uint16, got {got}")
    planes = [_resize_plane(plane, size, rule) for plane in np.moveaxis(array, 2, 0)]
    return np.stack(planes, axis=2)


def resize_mask(array: np.ndarray, size: int) -> np.ndarray:
    """The mask at size x size, each pixel taken from the nearest one.

    Shape:
        array: (H, W) uint8 of 0 and 1
        returns: (size, size) uint8 of 0 and 1

    Raises:
        ValueError: another shape or type, a size below 1.
    """
    if array.ndim != 2 or array.dtype != np.uint8:
        raise ValueError(f"array must be (H, W) uint8, got {array.shape} {array.dtype}")
    return _resize_plane(array, size, Image.Resampling.NEAREST)


def thumbnail(array: np.ndarray) -> np.ndarray:
    """The picture in grey at THUMBNAIL x THUMBNAIL, to be compared with others.

    The mean of the channels, averaged over the pixels (antialiased), on the scale of
    the type: 8 and 16 bits of one picture give the same.

    Shape:
        array: (H, W, C) uint8 or uint16
        returns: (THUMBNAIL, THUMBNAIL) uint8
    """
    scale = 255 / np.iinfo(array.dtype).max
    grey = array.mean(axis=2, dtype=np.float32) * scale
    small = Image.fromarray(grey).resize((THUMBNAIL,) * 2, Image.Resampling.BILINEAR)
    return np.clip(np.rint(np.asarray(small)), 0, 255).astype(np.uint8)


def _resize_plane(plane: np.ndarray, size: int, rule: Image.Resampling) -> np.ndarray:
    if size < 1:
        raise ValueError(f"size must be 1 or more, got {size}")
    dtype = np.uint8 if plane.dtype == np.uint8 else np.float32
    stored = np.ascontiguousarray(plane, dtype)
    resized = np.asarray(Image.fromarray(stored).resize((size, size), rule))
    if plane.dtype == np.uint8:
        return resized.copy()  # Pillow's own memory is read-only
    return np.clip(np.rint(resized), 0, 65535).astype(np.uint16)
