"""One image with its masks as the publisher's files lie on disk."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from lesionkit.datasets.images import read_image, read_mask


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
            mask = read_mask(path)
            if mask.shape != union.shape:
                raise ValueError(
                    f"{path}: mask is {mask.shape[1]} x {mask.shape[0]}, its image "
                    f"{self.image.name} is {union.shape[1]} x {union.shape[0]}"
                )
            union |= mask
        return image, union

    def hashes(self) -> tuple[str, str]:
        """SHA-256 of the image file and of its mask files one after the other."""
        masks = sha256()
        for path in self.masks:
            masks.update(path.read_bytes())
        return sha256(self.image.read_bytes()).hexdigest(), masks.hexdigest()
