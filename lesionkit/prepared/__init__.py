"""The prepared form in, arrays and batches out: one folder per data set and size.

    prepared/<name>/<size>[-nearest]/
        images.npy     (N, H, W, C) uint8 or uint16, C 1 or 3
        masks.npy      (N, H, W) uint8, 0 background, 1 lesion; 255 counts neither
                       way, only where manifest.json says ignore: 255
        thumbnails.npy (N, 32, 32) uint8, grey, to look for near-copies among
        index.csv      file, content_hash, mask_hash, height, width, group, lesion_share
        manifest.json  format, counts, settings, hashes of the files beside it

Arrays are opened as memory maps: nothing is copied until it is used.
Free of torch but for `loading`; every later room may import it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionkit.config import data_folder
from lesionkit.datasets.pictures.resizing import THUMBNAIL
from lesionkit.records.files import sha256, whole_folder, write_json

__all__ = [
    "Prepared",
    "loading",
    "memory",
    "open_prepared",
    "preparing",
    "size_options",
    "staging",
    "telling",
]

FORMAT = 1
INDEX_COLUMNS = (
    "file",  # path below the raw folder
    "content_hash",  # SHA-256 of the image file
    "mask_hash",  # SHA-256 of its mask files
    "height",  # native, pixels
    "width",
    "group",  # patient or sequence; empty where unknown
    "lesion_share",  # of the pixels of the native mask that count, 0 to 1
)  # CT has more: stratum, row_mm, column_mm, slice_mm, height_mm; your own: part


@dataclass(frozen=True)
class Prepared:
    """A data set ready for training.

    Attributes:
        name: the data set's name.
        images: (N, H, W, C) uint8 or uint16, C 1 or 3, a read-only memory map.
        masks: (N, H, W) uint8, 0 background, 1 lesion, a read-only memory map; 255
            where a pixel counts neither way, if `ignore`.
        index: a row an image, in the order of the arrays; see INDEX_COLUMNS.
        manifest: what was prepared from what, with which settings.
    """

    name: str
    folder: Path
    images: np.ndarray
    masks: np.ndarray
    index: pd.DataFrame
    manifest: dict[str, Any]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def ignore(self) -> bool:
        """Whether masks may hold 255, of pixels that count neither way."""
        return "ignore" in self.manifest

    @property
    def thumbnails(self) -> np.ndarray:
        """(N, 32, 32) uint8, grey, of the native images: the same at every size."""
        return np.load(self.folder / "thumbnails.npy")

    @property
    def fingerprint(self) -> str:
        """Hash of the raw content, the same at every size and in every folder."""
        return self.manifest["fingerprint"]


def prepared_folder(name: str, size: int, resize: str = "bilinear") -> Path:
    """Where the prepared form of a data set is, whether there or not."""
    suffix = "" if resize == "bilinear" else f"-{resize}"
    return data_folder() / "prepared" / name / f"{size}{suffix}"


def size_options(size: int | str, resize: str) -> str:
    """Size and filter of a prepared form, as the command `prepare` takes them."""
    return f"--size {size}" + ("" if resize == "bilinear" else f" --resize {resize}")


def fingerprint(index: pd.DataFrame) -> str:
    """Hash over all images and masks that does not depend on names or order."""
    lines = sorted(index["content_hash"] + index["mask_hash"])
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def write(
    folder: Path,
    samples: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
    rows: list[dict[str, Any]],
    *,
    shape: tuple[int, int, int],
    dtype: str,
    manifest: dict[str, Any],
) -> None:
    """Write a prepared form; it is there whole or not at all.

    Args:
        folder: where it will be.
        samples: image (H, W, C), mask (H, W) and thumbnail for each row, in order;
            each may complete its row (native size, lesion share) when it is drawn.
        rows: index rows with the keys of INDEX_COLUMNS.
        shape: (H, W, C) of every image.
        dtype: "uint8" or "uint16".
        manifest: settings to store beside the counts and hashes; with "ignore" masks
            may hold that value, too.

    Raises:
        ValueError: a sample is not of the stated shape, or a mask is not 0 and 1.
    """
    with whole_folder(folder) as part:
        count = len(rows)
        images = _new(part / "images.npy", (count, *shape), dtype)
        masks = _new(part / "masks.npy", (count, *shape[:2]), "uint8")
        small = np.zeros((count, THUMBNAIL, THUMBNAIL), np.uint8)
        for i, (image, mask, thumbnail) in enumerate(samples):
            top = mask.max(initial=0, where=mask != manifest.get("ignore"))
            if image.shape != shape or mask.shape != shape[:2] or top > 1:
                raise ValueError(
                    f"{rows[i]['file']}: prepared as image {image.shape} and mask "
                    f"{mask.shape} up to {mask.max()}, expected {shape} and 0 or 1"
                )
            images[i], masks[i], small[i] = image, mask, thumbnail
        images.flush()
        masks.flush()
        np.save(part / "thumbnails.npy", small)
        index = pd.DataFrame(rows)
        index = index[[*INDEX_COLUMNS, *index.columns.difference(list(INDEX_COLUMNS))]]
        index.to_csv(part / "index.csv", index=False)
        hashes = {p.name: sha256(p) for p in sorted(part.iterdir())}
        counts = {"count": count, "shape": shape, "dtype": dtype}
        facts = {"format": FORMAT, **counts, "fingerprint": fingerprint(index)}
        write_json(part / "manifest.json", facts | manifest | {"sha256": hashes})


def _new(path: Path, shape: tuple[int, ...], dtype: str) -> np.memmap:
    """A new .npy file of this shape, mapped into memory.

    Raises:
        OSError: the disk has no room for all of it.
    """
    made = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # the room is taken now: a full disk would kill whoever writes the map
        with path.open("r+b") as stream:
            try:
                os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # no such call
                    raise
    return made


def open_prepared(name: str, size: int = 224, *, resize: str = "bilinear") -> Prepared:
    """A data set's prepared form, mapped and not copied.

    Args:
        name: one of lesionkit.DATASETS or the name a folder was prepared under.
        size: side of the images, pixels.
        resize: how images were resized, "bilinear" or "nearest".

    Raises:
        FileNotFoundError: it is not prepared; the text gives the command that does it.
        ValueError: it was written by another format version.
    """
    folder, options = prepared_folder(name, size, resize), size_options(size, resize)
    if not (folder / "manifest.json").is_file():
        raise FileNotFoundError(
            f"data set {name!r} is not prepared at size {size}: no folder {folder}. "
            f"Fill it with: lesionkit prepare {name} --raw DIR {options}"
        )
    manifest = json.loads((folder / "manifest.json").read_text())
    if manifest["format"] != FORMAT:
        raise ValueError(
            f"{folder}: prepared form of format {manifest['format']}, this version "
            f"reads {FORMAT}. Prepare it again: lesionkit prepare {name} {options}"
            " --force"
        )
    names = ("file", "content_hash", "mask_hash", "group", "stratum", "part")
    texts: Any = dict.fromkeys(names, str)
    index = pd.read_csv(folder / "index.csv", dtype=texts, keep_default_na=False)
    images = np.load(folder / "images.npy", mmap_mode="r")
    masks = np.load(folder / "masks.npy", mmap_mode="r")
    return Prepared(name, folder, images, masks, index, manifest)
