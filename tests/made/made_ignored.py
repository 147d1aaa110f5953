"""A prepared set with an ignored border, and the same set cut to what counts."""

from __future__ import annotations

import numpy as np
from made_data import disc_pairs

from lesionkit import prepared
from lesionkit.datasets.pictures.ignoring import lesion_share
from lesionkit.datasets.pictures.resizing import thumbnail

SIDE, BORDER = 32, 4
Pairs = list[tuple[np.ndarray, np.ndarray]]


def bordered(count: int = 20) -> Pairs:
    """Images of discs whose border is ignored; its pixels are bright, as lesions."""
    random = np.random.default_rng(1)
    pairs = []
    for image, mask in disc_pairs(count, SIDE):
        edge = np.ones_like(mask, bool)
        edge[BORDER:-BORDER, BORDER:-BORDER] = False
        image[edge] = random.integers(0, 256, (edge.sum(), 3))
        pairs.append((image, np.where(edge, 255, mask).astype(np.uint8)))
    return pairs


def cut(pairs: Pairs) -> Pairs:
    """The same without the border."""
    inner = slice(BORDER, -BORDER)
    return [(image[inner, inner], mask[inner, inner]) for image, mask in pairs]


def write_pairs(name: str, pairs: Pairs, **manifest: object) -> prepared.Prepared:
    """A prepared set of these images and masks."""
    size = len(pairs[0][0])
    rows = [
        {
            "file": f"disc_{i:02d}.png",
            "content_hash": f"{i:064x}",
            "mask_hash": f"{i + 1000:064x}",
            "height": size,
            "width": size,
            "group": f"patient_{i % 5}",
            "lesion_share": lesion_share(mask),
        }
        for i, (_, mask) in enumerate(pairs)
    ]
    facts = {"name": name, "size": size, "resize": "bilinear", "source": name}
    prepared.write(
        prepared.prepared_folder(name, size),
        [(image, mask, thumbnail(image)) for image, mask in pairs],
        rows,
        shape=(size, size, 3),
        dtype="uint8",
        manifest=facts | manifest,
    )
    return prepared.open_prepared(name, size)


def write_ignored(name: str = "tiny", count: int = 20) -> prepared.Prepared:
    """A prepared set whose borders are ignored."""
    return write_pairs(name, bordered(count), ignore=255)
