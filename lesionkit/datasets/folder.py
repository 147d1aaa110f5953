"""Your own images: images/ and masks/ whose files have the same stems."""

from __future__ import annotations

import re
from pathlib import Path

from lesionkit.datasets.pairs import by_key, files_in, find_root, pair, refuse
from lesionkit.datasets.samples import FileSample

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
MASK_ENDING = re.compile(r"_(mask|segmentation)$", re.IGNORECASE)


def samples(raw: Path) -> list[FileSample]:
    """Every image of images/ with its one mask of masks/.

    The mask of a.jpg is a, a_mask or a_segmentation with any suffix of SUFFIXES.

    Args:
        raw: the folder that holds images/ and masks/, or the one above it.

    Raises:
        FileNotFoundError: no images/ with masks/, or no picture in one of them.
        ValueError: two images or two masks of one stem, an image without a mask, or
            a mask without an image.
    """
    root = find_root("folder", raw, [("images", "masks")])
    images = files_in("folder", root / "images", SUFFIXES)
    masks = files_in("folder", root / "masks", SUFFIXES)
    stems = by_key(images, lambda path: path.stem)
    keys = by_key(masks, lambda path: _image_stem(path.stem, stems))
    for table, defect in ((stems, "share one stem"), (keys, "belong to one image")):
        for files in table.values():
            refuse("folder", defect, files if len(files) > 1 else [])
    return pair("folder", raw, images, masks=keys)


def _image_stem(stem: str, stems: dict[str, list[Path]]) -> str:
    """The stem of the mask's image: its own if an image has it, else without ending."""
    return stem if stem in stems else MASK_ENDING.sub("", stem)
