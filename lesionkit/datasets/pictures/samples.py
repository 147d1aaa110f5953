"""One image with its masks as the publisher's files lie on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from lesionkit.datasets.pictures.ignoring import united
from lesionkit.datasets.pictures.images import (
    Raster,
    decode,
    means_stored,
    read_mask,
    turned,
)


class Sample(Protocol):
    """What an adapter yields: a name, a group, and the arrays on demand."""

    name: str
    group: str

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, C) uint8 or uint16 and mask (H, W) uint8 of 0 and 1.

        Of a sample whose `ignores` is true the mask is 255 where no pixel counts.
        """
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
    rule: str = ""  # how masks become one, where there are several ways

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, C) uint8 or uint16 and mask (H, W) uint8 of 0 and 1.

        Raises:
            ValueError: a file cannot be decoded, or image and mask differ in size.
        """
        picture = self.decoded(self.image)
        image = turned(picture.colour, picture.orientation)
        masks = [self.read_mask(path, picture) for path in self.masks]
        for path, mask in zip(self.masks, masks, strict=True):
            if mask.shape != image.shape[:2]:
                turn = picture.orientation
                raise ValueError(
                    f"{path}: mask is {mask.shape[1]} x {mask.shape[0]}, its image "
                    f"{self.image.name} is {image.shape[1]} x {image.shape[0]}"
                    + (f", turned by its orientation tag {turn}" if turn != 1 else "")
                )
        return image, self.united(masks)

    def decoded(self, path: Path) -> Raster:
        """The image file as it is stored."""
        return decode(path)

    def read_mask(self, path: Path, picture: Raster) -> np.ndarray:
        """One mask file of a decoded image, (H, W) uint8 of 0 and 1."""
        return read_mask(path)

    def united(self, masks: Sequence[np.ndarray]) -> np.ndarray:
        """The ground truth that several masks say: what any of them marks."""
        return united(masks)

    def hashes(self) -> tuple[str, str]:
        """SHA-256 of the image file, and of the rule with the mask files."""
        masks = sha256(self.rule.encode())
        for path in self.masks:
            data = path.read_bytes()
            masks.update(data)
            if means_stored(data):  # before, such a mask was read inverted
                masks.update(b"as stored")
        return sha256(self.image.read_bytes()).hexdigest(), masks.hexdigest()
