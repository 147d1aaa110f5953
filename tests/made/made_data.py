"""A small prepared data set that needs no files and no drawing."""

from __future__ import annotations

import numpy as np

from lesionkit import prepared
from lesionkit.datasets.pictures.resizing import thumbnail


def disc_pairs(count: int, size: int = 32) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images with one bright disc on noise, of growing size; the first has none."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    pairs = []
    for i in range(count):
        centre = random.uniform(0.35, 0.65, 2) * size
        distance = np.hypot(rows - centre[0], columns - centre[1])
        mask = (distance < 0.4 * size * i / count).astype(np.uint8)
        image = random.integers(0, 120, (size, size, 3)) + 110 * mask[..., None]
        pairs.append((image.astype(np.uint8), mask))
    return pairs


def write_discs(
    name: str, count: int = 20, size: int = 32, groups: int = 5, strata: bool = False
) -> None:
    """A prepared data set of discs below the current data folder.

    With strata the first image of each group is empty and the rest attached or inside.
    """
    pairs = disc_pairs(count, size)
    if strata:
        pairs = [(m, k * (i >= groups)) for i, (m, k) in enumerate(pairs)]
    rows = [
        {
            "file": f"disc_{i:02d}.png",
            "content_hash": f"{i:064x}",
            "mask_hash": f"{i + 1000:064x}",
            "height": size,
            "width": size,
            "group": f"patient_{i % groups}",
            "lesion_share": float(mask.mean()),
        }
        for i, (_, mask) in enumerate(pairs)
    ]
    for i, row in enumerate(rows if strata else []):
        kind = ("attached", "inside")[i // groups % 2]
        row["stratum"] = kind if pairs[i][1].any() else ""
    prepared.write(
        prepared.prepared_folder(name, size),
        [(image, mask, thumbnail(image)) for image, mask in pairs],
        rows,
        shape=(size, size, 3),
        dtype="uint8",
        manifest={"name": name, "size": size, "resize": "bilinear", "source": name},
    )
