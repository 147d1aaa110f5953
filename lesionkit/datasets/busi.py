"""BUSI: breast ultrasound, by class or both; an image may have several masks."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from lesionkit.datasets.pairs import files_in, find_root, in_order, pair
from lesionkit.datasets.pictures.samples import FileSample

MASK_ENDING = re.compile(r"_mask(_\d+)?$")


def _samples(kind: str, raw: Path) -> list[FileSample]:
    """Every image of one class; the union of its masks is its ground truth.

    "benign (1)_mask.png" and "benign (1)_mask_1.png" are masks.

    Args:
        kind: "benign" or "malignant".
        raw: the folder that holds the class's folder, or the one above it.

    Raises:
        FileNotFoundError: `raw` does not hold this class of BUSI.
        ValueError: an image without a mask, or a mask without an image.
    """
    dataset = f"busi_{kind}"
    root = find_root(dataset, raw, [(kind,)])
    files = files_in(dataset, root / kind, [".png"])
    images = [path for path in files if not MASK_ENDING.search(path.stem)]
    masks = [path for path in files if MASK_ENDING.search(path.stem)]
    return pair(dataset, raw, images, masks=masks, of=partial(MASK_ENDING.sub, ""))


def samples(raw: Path) -> list[FileSample]:
    """Every image with a lesion, benign and malignant; raises as one class does."""
    return in_order(benign_samples(raw) + malignant_samples(raw))


benign_samples = partial(_samples, "benign")
malignant_samples = partial(_samples, "malignant")
