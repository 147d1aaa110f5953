"""One image with its masks as the publisher's files lie on disk."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from lesionkit.datasets.pictures.images import read_image, read_mask


class Sample(Protocol):
    """What an adapter yields: a name, a group, and the arrays on demand."""

    name: str
    group: str

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, C) uint8 or uint16 and mask (H, W) uint8 of 0 and 1."""
        ...

    def hashes(self) -> tuple[str, str]:
        """SHA-256 of the image's content and of its masks' content, as hex."""
        ...


def same_size(
    path: Path, mask: np.ndarray, image: np.ndarray, *, image_path: Path
) -> None:
    """Refuse a mask of another size than its image.

    Shape:
        mask: (H, W)
        image: (H, W, C)

    Raises:
        ValueError: the two differ; the text names both files.
    """
    if mask.shape != image.shape[:2]:
        raise ValueError(
            f"{path}: mask is {mask.shape[1]} x {mask.shape[0]}, its image "
            f"{image_path.name} is {image.shape[1]} x {image.shape[0]}"
        )


@dataclass(frozen=True)
class FileSample:
    """An image file and the mask files whose union is its ground truth."""

    name: str  # the image's path below the raw folder, with forward slashes
    image: Path
    masks: tuple[Path, ...]
    group: str = ""  # patient or video sequence; empty where unknown

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, C) uint8 or uint16 and mask (H, W) uint8 of 0 and 1.

        Raises:
            ValueError: a file cannot be decoded, or image and mask differ in size.
        """
        image = read_image(self.image)
        union = np.zeros(image.shape[:2], np.uint8)
        for path in self.masks:
            mask = self.read_mask(path)
            same_size(path, mask, image, image_path=self.image)
            union |= mask
        return image, union

    def read_mask(self, path: Path) -> np.ndarray:
        """One mask file, (H, W) uint8 of 0 and 1."""
        return read_mask(path)

    def hashes(self) -> tuple[str, str]:
        """SHA-256 of the image file and of its mask files one after the other."""
        masks = sha256()
        for path in self.masks:
            masks.update(path.read_bytes())
        return sha256(self.image.read_bytes()).hexdigest(), masks.hexdigest()
