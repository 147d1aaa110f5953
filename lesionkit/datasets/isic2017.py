"""ISIC 2017, part 1: lesion boundaries in dermoscopy, in three official parts."""

from __future__ import annotations

from pathlib import Path

from lesionkit.datasets.pairs import by_key, files_in, find_root, in_order, pair
from lesionkit.datasets.pictures.samples import FileSample

PARTS = ("Training", "Validation", "Test_v2")
MASK_ENDING = "_segmentation"


def samples(raw: Path) -> list[FileSample]:
    """Every image of every official part whose masks are there, pooled.

    A part with images but without its ground-truth folder is left out; the superpixel
    pictures beside the images are not images and are skipped.

    Args:
        raw: the folder that holds the parts' folders, or the one above it.

    Raises:
        FileNotFoundError: `raw` holds the masks of no part, or not their images.
        ValueError: an image without a mask, or a mask without an image.
    """
    root = find_root("isic2017", raw, [(_truth(part),) for part in PARTS])
    pooled = []
    for part in PARTS:
        if (root / _truth(part)).is_dir():
            pooled += _part(raw, root, part)
    return in_order(pooled)


def _part(raw: Path, root: Path, part: str) -> list[FileSample]:
    """The pairs of one official part."""
    images = files_in("isic2017", root / f"ISIC-2017_{part}_Data", [".jpg"])
    masks = files_in("isic2017", root / _truth(part), [".png"])
    keys = by_key(masks, lambda path: path.stem.removesuffix(MASK_ENDING))
    return pair("isic2017", raw, images, masks=keys)


def _truth(part: str) -> str:
    """The ground-truth folder of one official part."""
    return f"ISIC-2017_{part}_Part1_GroundTruth"
