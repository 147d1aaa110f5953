"""Kvasir-SEG: polyps seen in colonoscopy, masks stored as JPEG."""

from __future__ import annotations

from pathlib import Path

from lesionkit.datasets.pairs import files_in, find_root, pair
from lesionkit.datasets.pictures.samples import FileSample


def samples(raw: Path) -> list[FileSample]:
    """Every image with the mask of the same name.

    Args:
        raw: the folder that holds images/ and masks/, or the one above it.

    Raises:
        FileNotFoundError: `raw` does not hold Kvasir-SEG.
        ValueError: an image without a mask, or a mask without an image.
    """
    root = find_root("kvasir", raw, [("images", "masks")])
    images = files_in("kvasir", root / "images", [".jpg"])
    masks = files_in("kvasir", root / "masks", [".jpg"])
    return pair("kvasir", raw, images, masks=masks)
