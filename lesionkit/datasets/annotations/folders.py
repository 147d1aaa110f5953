"""Mask files: images/ beside masks/, in whatever words, or x.png beside x_mask.png."""

from __future__ import annotations

from pathlib import Path

from lesionkit.datasets.annotations.naming import Pairs, masks_among, matched
from lesionkit.datasets.annotations.scanning import (
    READ,
    Place,
    Scan,
    has_images,
    places,
    refuse_lone,
)
from lesionkit.datasets.own_files import OwnSample, pictures, read_lesion_values
from lesionkit.datasets.pairs import below, is_visible, refuse


def found(scan: Scan) -> list[Path]:
    """The folders of masks, or the masks that lie beside their images."""
    at = places(scan.raw, has_images)
    return [place.masks for place in at] or sorted(masks_among(scan.ending(*READ)))


def samples(scan: Scan) -> list[OwnSample]:
    """Every image with the masks of its name.

    Raises:
        ValueError: files that do not pair, or lie beside the folder that is taken.
    """
    values = read_lesion_values(scan.listed) if scan.listed else ()
    at = places(scan.raw, has_images)
    parts = {place: _of_place(scan.raw, place) for place in at}
    if not at:
        every = pictures(scan.raw, scan.raw, READ)
        masks = masks_among(every)
        images = [path for path in every if path not in masks]
        pairs = matched(images, sorted(masks), (scan.raw, scan.raw))
        parts = {Place(scan.raw, scan.raw, ""): pairs}
    if at:
        _refuse_beside(scan.raw, at)
        refuse_lone(scan.raw, at, scan.ending(*READ))
    return [
        OwnSample(
            below(image, scan.raw), image, tuple(masks), "", "", values, place.part
        )
        for place, pairs in parts.items()
        for image, masks in pairs.items()
    ]


def _of_place(raw: Path, place: Place) -> Pairs:
    """The pairs of two folders."""
    images, masks = (pictures(raw, p, READ) for p in (place.images, place.masks))
    return matched(images, masks, (place.images, place.masks))


def _refuse_beside(raw: Path, at: list[Place]) -> None:
    """Refuse masks that lie in the raw folder, above the one that is taken."""
    if raw not in [place.images.parent for place in at]:
        lying = [p for p in raw.iterdir() if is_visible(p) and p.is_file()]
        taken = below(at[0].images.parent, raw)
        beside = sorted(masks_among(lying))
        refuse("folder", f"lie beside {taken}/, which is taken", beside)
