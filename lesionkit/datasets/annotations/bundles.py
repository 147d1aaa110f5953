"""Arrays of many images in one file: MedSegBench's .npz, X.npy beside y.npy, MedSAM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from threading import Lock

import numpy as np

from lesionkit.datasets.annotations.naming import (
    FOLDERS,
    PARTS,
    ROLES,
    part_of,
    squeezed,
    words_of,
)
from lesionkit.datasets.annotations.scanning import Scan
from lesionkit.datasets.own_files import OwnSample, read_lesion_values
from lesionkit.datasets.pairs import below
from lesionkit.datasets.pictures.arrays import raster_of
from lesionkit.datasets.pictures.images import read_array
from lesionkit.datasets.pictures.lesions import lesion_in
from lesionkit.lookup import one_line

MORE = {"images": ("x",), "masks": ("y",)}  # words of arrays that no folder has
KEYS = FOLDERS | {
    name: (role, part)
    for role, words in MORE.items()
    for word in words
    for part, affixes in ({"": ("",)} | PARTS).items()
    for affix in affixes
    for name in (affix + word, word + affix)
}
_READING = Lock()  # an array is read once, whichever thread asks first

Sides = dict[str, dict[str, list[str]]]  # of a part: images or masks to their keys


@dataclass(frozen=True)
class Bundle:
    """Arrays that lie together: of a .npz file, or the .npy files of a folder."""

    place: Path
    sides: Sides

    @property
    def is_whole(self) -> bool:
        """Whether some part has images and masks."""
        return any(all(by.values()) for by in self.sides.values())

    def file(self, key: str) -> Path:
        """The file of an array."""
        return self.place / f"{key}.npy" if self.place.is_dir() else self.place


@dataclass(frozen=True)
class BundleSample(OwnSample):
    """One image of an array of images, and the mask at its place."""

    keys: tuple[str, str] = ("", "")
    files: tuple[Path, Path] = (Path(), Path())
    position: int | None = None  # None: each array holds one image

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The values of the image and of its mask, as they are stored."""
        found = [array_of(*each) for each in zip(self.files, self.keys, strict=True)]
        if self.position is not None:
            found = [array[self.position] for array in found]
        return found[0], found[1]

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, C) uint8 or uint16 and mask (H, W) uint8 of 0 and 1.

        Raises:
            ValueError: values that are no image, a mask that does not say what is
                lesion, or two sizes.
        """
        stored, marked = self._arrays()
        where = Path(self.name)
        image = raster_of(where, stored).colour
        raster = raster_of(where, marked, is_mask=True)
        mask = lesion_in(where, raster, self.lesion_values)
        if mask.shape != image.shape[:2]:
            raise ValueError(
                f"{where}: mask is {mask.shape[1]} x {mask.shape[0]}, its image "
                f"{image.shape[1]} x {image.shape[0]}"
            )
        return image, mask

    def hashes(self) -> tuple[str, str]:
        """SHA-256 of the image's values and of its mask's."""
        stored, marked = (np.ascontiguousarray(a) for a in self._arrays())
        texts = [f"{a.dtype.str} {a.shape}".encode() for a in (stored, marked)]
        image = sha256(texts[0] + stored.tobytes()).hexdigest()
        listed = str(self.lesion_values or "").encode()
        return image, sha256(texts[1] + listed + marked.tobytes()).hexdigest()


def found(scan: Scan) -> list[Path]:
    """The files of this form, or the folders where arrays lie side by side."""
    return [bundle.place for bundle in _bundles(scan)]


def samples(scan: Scan) -> list[OwnSample]:
    """Every image of every array with its mask.

    Raises:
        ValueError: an array that cannot be read, images without masks, two arrays that
            either may be meant, as many images as masks that are not there.
    """
    values = read_lesion_values(scan.listed) if scan.listed else ()
    made: list[OwnSample] = []
    for bundle in _bundles(scan):
        for part, by in bundle.sides.items():
            if not all(len(keys) == 1 for keys in by.values()):
                told = " and ".join(", ".join(keys) or "none" for keys in by.values())
                raise ValueError(
                    f"{bundle.place}: for each part one array of images and one of "
                    f"masks is needed, got {told}"
                )
            keys = by["images"][0], by["masks"][0]
            said = part or part_of(words_of(bundle.place.stem))
            made += _of_arrays(scan.raw, bundle, keys, said, values)
    return made


def _of_arrays(
    raw: Path, bundle: Bundle, keys: tuple[str, str], part: str, values: tuple
) -> list[OwnSample]:
    """A sample for each image of two arrays."""
    files = bundle.file(keys[0]), bundle.file(keys[1])
    images, masks = (array_of(*each) for each in zip(files, keys, strict=True))
    name = below(files[0], raw)

    def sample(name: str, position: int | None) -> OwnSample:
        given = {"keys": keys, "files": files, "position": position}
        return BundleSample(name, files[0], (), "", "", values, part, **given)

    one = images.ndim == 2 or (images.ndim == 3 and _is_one(images, masks))
    if one:
        return [sample(name, None)]
    if len(images) != len(masks):
        raise ValueError(
            f"{bundle.place}: {keys[0]} has {len(images)} images, {keys[1]} "
            f"{len(masks)} masks"
        )
    more = f"/{keys[0]}" if bundle.place.is_file() else ""
    return [sample(f"{name}{more}/{i}", i) for i in range(len(images))]


def _is_one(images: np.ndarray, masks: np.ndarray) -> bool:
    """Whether (H, W, 3) is one image: its mask has its height and width."""
    return masks.ndim == 2 or (
        images.shape[2] == 3 and masks.shape[:2] == images.shape[:2]
    )


def _bundles(scan: Scan) -> list[Bundle]:
    """The .npz files and the folders of .npy files that hold images and masks."""
    made = [Bundle(path, _sides(_keys(path))) for path in scan.ending(".npz")]
    stems: dict[Path, list[str]] = {}
    for path in scan.ending(".npy"):
        stems.setdefault(path.parent, []).append(path.stem)
    made += [Bundle(folder, _sides(names)) for folder, names in stems.items()]
    return [bundle for bundle in made if bundle.is_whole]


def _sides(names: Sequence[str]) -> Sides:
    """Of each part the keys of images and of masks."""
    sides: Sides = {}
    for name in names:
        role, part = KEYS.get(squeezed(name), ("", ""))
        if role:
            sides.setdefault(part, {r: [] for r in ROLES})[role].append(name)
    return sides


def _keys(path: Path) -> list[str]:
    """The names of a .npz file's arrays."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return list(arrays.files)
    except Exception as error:  # noqa: BLE001 - a broken archive in many ways
        raise ValueError(f"{path}: no .npz: {one_line(error)}") from None


def array_of(path: Path, key: str) -> np.ndarray:
    """An array of a file; of those used last it is in memory."""
    with _READING:
        return _array(path, key if path.suffix.lower() == ".npz" else "", _age(path))


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns


@lru_cache(maxsize=2)
def _array(path: Path, key: str, age: int) -> np.ndarray:
    """What a file holds as it is now."""
    return read_array(path, key)
