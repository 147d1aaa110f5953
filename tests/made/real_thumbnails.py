"""Thumbnails of the real data beside the checkout, read once for all tests."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
from made_pictures import thumbnails
from PIL import Image
from shared_data import SHARED

from lesionkit.prepared.preparing import find_samples

FOLDERS = {
    "kvasir": "kvasir-seg",
    "clinicdb": "cvc-clinicdb",
    "isic2017": "isic-2017",
    "wound": "wound-fuseg",
    "lidc_slices_any": "lung-lidc",
}


def busi_files(kind: str) -> list[Path]:
    """All images of a kind of BUSI, small, in the order of their numbers."""
    folder = SHARED / "busi" / "images_only_128" / "Dataset_BUSI_with_GT" / kind
    return sorted(
        folder.glob("*.png"), key=lambda p: int(re.findall(r"\d+", p.name)[0])
    )


@cache
def real(name: str) -> np.ndarray:
    """Thumbnails of a real data set, or of a kind of BUSI."""
    if name not in FOLDERS:
        greys = [Image.open(path).convert("L") for path in busi_files(name)]
        return thumbnails(*(np.asarray(image)[..., None] for image in greys))
    samples, _ = find_samples(name, SHARED / FOLDERS[name])
    return thumbnails(*(sample.read()[0] for sample in samples))
