"""What predict leaves: a mask a file, with what else was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lesionkit.export.prediction import Prediction
from lesionkit.figures.pixels import outline, png, rgb
from lesionkit.records.files import write_bytes

OUTLINE = "#00ff00"  # seen on skin, tissue and grey alike


def write(
    found: Prediction, folder: Path, *, probability: bool = False, overlay: bool = False
) -> Path:
    """The mask as a PNG of 0 and 255 in a folder, and what else is asked for.

    Args:
        probability: also `<name>_probability.png`, 16 bits, 65,535 being 1; where
            several runs vote also `<name>_spread.png`, 65,535 being 0.5.
        overlay: also `<name>_overlay.png`, the image with the mask's outline.

    Returns:
        The mask's file.
    """
    path = folder / f"{found.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = {}
    if probability:
        extra["probability"] = np.rint(found.probability * 65535).astype(np.uint16)
        if found.spread.any():
            spread = np.rint(found.spread * 2 * 65535).clip(0, 65535)
            extra["spread"] = spread.astype(np.uint16)
    if overlay:
        extra["overlay"] = _overlay(found.image, found.mask)
    for kind, picture in extra.items():
        write_bytes(folder / f"{found.name}_{kind}.png", png(picture))
    write_bytes(path, png(255 * found.mask))
    return path


def _overlay(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image in colours of 8 bits with the outline of its mask, (H, W, 3)."""
    top = np.iinfo(image.dtype).max
    shown = np.rint(image * (255 / top)).astype(np.uint8)
    shown = np.repeat(shown, 3 // shown.shape[2], axis=2)
    shown[outline(mask)] = rgb(OUTLINE)
    return shown
