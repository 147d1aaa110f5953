"""Pictures for pages: arrays and figures as the bytes of a file, and as addresses."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from PIL.ImageColor import getrgb as rgb
from scipy import ndimage

__all__ = ["address", "bytes_of", "outline", "png", "rgb"]


def png(picture: np.ndarray) -> bytes:
    """A picture as the bytes of a PNG file, compressed lightly: speed counts."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


def bytes_of(figure: Figure, form: str = "png", *, cropped: bool = False) -> bytes:
    """A figure as the bytes of a file, without its empty margins where asked."""
    stream = io.BytesIO()
    box = "tight" if cropped else None
    figure.savefig(stream, format=form, dpi=100, bbox_inches=box)
    return stream.getvalue()


def address(content: bytes, kind: str = "png") -> str:
    """The bytes of a picture file as an address that a page can hold."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def outline(mask: np.ndarray) -> np.ndarray:
    """Pixels of a mask (H, W) with a neighbour outside, and those neighbours."""
    cross = ndimage.generate_binary_structure(2, 1)
    return ndimage.morphological_gradient(mask.astype(np.uint8), footprint=cross) > 0
