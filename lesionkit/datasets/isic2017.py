"""ISIC 2017, part 1: lesion boundaries in dermoscopy, in three official parts."""

from __future__ import annotations

from operator import methodcaller
from pathlib import Path

from lesionkit.datasets.pairs import files_in, find_root, in_order, pair
from lesionkit.datasets.pictures.samples import FileSample

PARTS = ("Training", "Validation", "Test_v2")


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
    truths = {part: f"ISIC-2017_{part}_Part1_GroundTruth" for part in PARTS}
    root = find_root("isic2017", raw, [(truth,) for truth in truths.values()])
    pooled = []
    for part, truth in truths.items():
        if not (root / truth).is_dir():
            continue
        images = files_in("isic2017", root / f"ISIC-2017_{part}_Data", [".jpg"])
        masks = files_in("isic2017", root / truth, [".png"])
        of = methodcaller("removesuffix", "_segmentation")
        pooled += pair("isic2017", raw, images, masks=masks, of=of)
    return in_order(pooled)
