"""LIDC-IDRI as slices: crops with four readers, and whole isolated lungs.

Neither is in Hounsfield units any more: both went through somebody's window or
standardisation before they were published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from lesionkit.datasets.pairs import (
    below,
    by_key,
    existing_folder,
    is_visible,
    missing,
    natural_order,
    refuse,
)
from lesionkit.datasets.pictures.images import read_array
from lesionkit.datasets.pictures.samples import FileSample

# How many of the readers must have marked a pixel. LIDC's own users call half of them
# a consensus (level 0.5 in the common reader of the XML files): two of four.
CONSENSUS = {"any": 0.0, "majority": 0.5, "all": 1.0}


@dataclass(frozen=True)
class ReadersSample(FileSample):
    """A grey crop and the masks of its readers; the rule is one of CONSENSUS."""

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, 1) uint8 and mask (H, W) uint8 of 0 and 1.

        Raises:
            ValueError: a file cannot be decoded, or sizes differ.
        """
        image, mask = super().read()
        return image[..., :1], mask

    def united(self, masks: Sequence[np.ndarray]) -> np.ndarray:
        """Where enough readers marked: any of them, at least half, or all."""
        needed = max(CONSENSUS[self.rule], 0.5 / len(masks))
        return (np.mean(masks, axis=0) >= needed).astype(np.uint8)


def _crops(consensus: str, raw: Path) -> list[ReadersSample]:
    """Every crop LIDC-IDRI-*/nodule-*/images/*.png with its mask-0, mask-1, ...

    Raises:
        FileNotFoundError: `raw` holds no such crop.
        ValueError: a crop without a mask of every reader of its nodule.
    """
    dataset = f"lidc_slices_{consensus}"
    pictures = existing_folder(dataset, raw).rglob("nodule-*/images/*.png")
    images = natural_order(filter(is_visible, pictures))
    if not images:
        raise missing(dataset, f"no crop in {raw}")
    samples, lacking = [], []
    for image in images:
        nodule = image.parents[1]
        masks = tuple(folder / image.name for folder in sorted(nodule.glob("mask-*")))
        lacking += [path for path in masks if not path.is_file()]
        if not masks:
            lacking.append(image)
        group = nodule.parent.name
        samples.append(ReadersSample(below(image, raw), image, masks, group, consensus))
    refuse(dataset, "are missing or have no reader", lacking)
    return samples


any_samples = partial(_crops, "any")
majority_samples = partial(_crops, "majority")
all_samples = partial(_crops, "all")


@dataclass(frozen=True)
class ArraySample:
    """A slice of isolated lungs with the masks of all nodules on it."""

    name: str
    group: str
    image: Path
    masks: tuple[Path, ...]

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, 1) uint8 and mask (H, W) uint8 of 0 and 1.

        The values were standardised per slice by the publisher: each slice is
        stretched from its own least to its own largest value.

        Raises:
            ValueError: a file that cannot be read, or values that are not finite.
        """
        values = _load(self.image, "image").astype(np.float64)
        low, high = values.min(), values.max()
        if not np.isfinite([low, high]).all():
            raise ValueError(f"{self.image}: values that are not finite")
        grey = np.rint((values - low) * 255 / max(high - low, 1e-12))
        mask = np.any([_load(path, "mask") > 0 for path in self.masks], axis=0)
        return grey.astype(np.uint8)[..., None], mask.astype(np.uint8)

    def hashes(self) -> tuple[str, str]:
        """SHA-256 of the image's values and of the masks'."""
        masks = sha256(b"".join(_load(p, "mask").tobytes() for p in self.masks))
        return _content(self.image), masks.hexdigest()


def array_samples(raw: Path) -> list[ArraySample]:
    """Every slice of LIDC-IDRI-*/*.npz, or of Image/ and Mask/ with .npy files.

    A slice with several nodules lies there once for each of them, pixel for pixel the
    same: it becomes one sample with the masks of all.

    Raises:
        FileNotFoundError: `raw` holds no such slice.
        ValueError: a file that cannot be read; an image without its mask.
    """
    root = existing_folder("lidc_npz", raw)
    archives = filter(is_visible, root.rglob("LIDC-IDRI-*/*.npz"))
    pairs = {path: path for path in archives}
    for image in filter(is_visible, root.glob("Image/LIDC-IDRI-*/*.npy")):
        name = image.name.replace("_NI", "_MA")
        pairs[image] = root / "Mask" / image.parent.name / name
    if not pairs:
        raise missing("lidc_npz", f"no slice in {raw}")
    refuse("lidc_npz", "are missing", [m for m in pairs.values() if not m.is_file()])
    same = by_key(natural_order(pairs), lambda p: f"{p.parent.name} {_content(p)}")
    return [
        ArraySample(
            name=below(images[0], raw),
            group=images[0].parent.name,
            image=images[0],
            masks=tuple(pairs[image] for image in images),
        )
        for images in same.values()
    ]


def _content(image: Path) -> str:
    """SHA-256 of an image's values, as hex."""
    return sha256(_load(image, "image").tobytes()).hexdigest()


def _load(path: Path, key: str) -> np.ndarray:
    """An array of a .npz file by its key, or a .npy file; 2D."""
    values = read_array(path, key)
    if values.ndim != 2:
        raise ValueError(f"{path}: of shape {values.shape}, a slice has two axes")
    return values
