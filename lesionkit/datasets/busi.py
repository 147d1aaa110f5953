"""BUSI: breast ultrasound, one data set per class; an image may have several masks."""

from __future__ import annotations

import re
from pathlib import Path

from lesionkit.datasets.pairs import by_key, files_in, find_root, pair
from lesionkit.datasets.pictures.samples import FileSample

MASK_ENDING = re.compile(r"_mask(_\d+)?$")


def benign_samples(raw: Path) -> list[FileSample]:
    """Every benign image; the union of its masks is its ground truth.

    Args:
        raw: the folder that holds benign/, or the one above it.

    Raises:
        FileNotFoundError: `raw` does not hold BUSI's benign class.
        ValueError: an image without a mask, or a mask without an image.
    """
    return _samples(raw, "benign")


def malignant_samples(raw: Path) -> list[FileSample]:
    """Every malignant image; the union of its masks is its ground truth.

    Args:
        raw: the folder that holds malignant/, or the one above it.

    Raises:
        FileNotFoundError: `raw` does not hold BUSI's malignant class.
        ValueError: an image without a mask, or a mask without an image.
    """
    return _samples(raw, "malignant")


def _samples(raw: Path, kind: str) -> list[FileSample]:
    """The images of one class, "benign (1)_mask.png" and "_mask_1.png" being masks."""
    dataset = f"busi_{kind}"
    root = find_root(dataset, raw, [(kind,)])
    files = files_in(dataset, root / kind, [".png"])
    images = [path for path in files if not MASK_ENDING.search(path.stem)]
    masks = [path for path in files if MASK_ENDING.search(path.stem)]
    keys = by_key(masks, lambda path: MASK_ENDING.sub("", path.stem))
    return pair(dataset, raw, images, masks=keys)
