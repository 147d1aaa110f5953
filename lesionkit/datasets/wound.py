"""Wound photographs of one laboratory: the study's set, or the foot-ulcer challenge.

Two sets share one layout. `source` says which of them a raw folder holds; it is an
optional function of an adapter, here the only one that needs it.
"""

from __future__ import annotations

from pathlib import Path

from lesionkit.catalogue import DATASETS
from lesionkit.datasets.pairs import files_in, find_root, in_order, pair
from lesionkit.datasets.pictures.samples import FileSample

PARTS = ("train", "validation", "test")


def samples(raw: Path) -> list[FileSample]:
    """Every labelled image of every part, pooled.

    The challenge's test images have no published masks: a test part without labels/ is
    left out. Any other part must have its labels.

    Args:
        raw: the folder that holds train/ and its neighbours, or the one above it.

    Raises:
        FileNotFoundError: `raw` does not hold a wound set.
        ValueError: an image without a mask, or a mask without an image.
    """
    root = _root(raw)
    pooled = []
    for part in PARTS:
        unlabelled = part == "test" and not any((root / part).glob("labels/*.png"))
        if unlabelled or not (root / part).is_dir():
            continue
        images = files_in("wound", root / part / "images", [".png"])
        masks = files_in("wound", root / part / "labels", [".png"])
        pooled += pair("wound", raw, images, masks=masks)
    return in_order(pooled)


def source(raw: Path) -> str:
    """Which set a raw folder holds: "fuseg", "wound" or "unclear".

    1. A validation part: "fuseg", the foot-ulcer challenge; the study's set has none.
    2. A folder named azh_wound..., or as many labelled images as the study's set
       counts (the catalogue's number): "wound".
    3. Anything else, such as one part alone: "unclear", to be shown as that.

    Raises:
        FileNotFoundError: `raw` does not hold a wound set.
        ValueError: an image without a mask, or a mask without an image.
    """
    root = _root(raw)
    if (root / "validation" / "images").is_dir():
        return "fuseg"
    named = root.resolve().name.lower().startswith("azh_wound")
    if named or len(samples(raw)) == DATASETS["wound"].published_count:
        return "wound"
    return "unclear"


def _root(raw: Path) -> Path:
    """The folder of the parts; one of them has to have labels."""
    return find_root("wound", raw, [(f"{p}/images", f"{p}/labels") for p in PARTS])
