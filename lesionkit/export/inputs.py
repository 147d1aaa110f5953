"""What predict is given: pictures, CT volumes, folders, arrays, a run's test images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path

import numpy as np

from lesionkit.config import data_folder
from lesionkit.datasets.dicom import Volume, read_series, read_volume
from lesionkit.datasets.dicom.files import dicom_files
from lesionkit.datasets.dicom.masks import marked_series
from lesionkit.datasets.dicom.volumes import volume_of
from lesionkit.datasets.folder import holds_masks, is_mask, samples
from lesionkit.datasets.lungct import choice_of
from lesionkit.datasets.own_files import SUFFIXES, is_read, pictures
from lesionkit.datasets.pairs import is_visible, natural_order
from lesionkit.datasets.pictures.arrays import ARRAYS, decoded, is_plane
from lesionkit.datasets.pictures.images import read_image
from lesionkit.datasets.pictures.nifti import is_nifti, nifti_stem
from lesionkit.prepared.preparing import data_of
from lesionkit.records.runs import RunRecord

READ = (*SUFFIXES, *ARRAYS)


@dataclass(frozen=True)
class Item:
    """An image to be read: its name, how, and its mask if there is one.

    Attributes:
        name: its path below the folder of all images, without ending.
        read: image (H, W, C) uint8 or uint16, and mask (H, W) of 0 and 1 or None.
        volume: that it is a slice of; None for a picture.
    """

    name: str
    read: Callable[[], tuple[np.ndarray, np.ndarray | None]]
    volume: Volume | None = None


def items_of(
    images: Path | str | np.ndarray | Sequence[Path | str | np.ndarray],
) -> list[Item]:
    """The images that a path, an array or several of them mean.

    A folder with masks beside its images (images/ and masks/, `_mask` files,
    pairs.csv) brings them along; of any other folder all pictures are taken but those
    that are named as masks. A folder with DICOM files is one CT series, or a folder a
    patient; a mask of it (SEG, RTSTRUCT, NIfTI) is its ground truth. NIfTI files are
    volumes of CT in Hounsfield units.

    Raises:
        FileNotFoundError: no such file, or neither picture nor volume in the folder.
        ImportError: a file needs a package of the extra `ct`.
        ValueError: a file that cannot be read, several series in one folder, or two
            images of one name.
    """
    if isinstance(images, str | Path):
        found = _of_path(Path(images))
    elif isinstance(images, np.ndarray):
        found = [_of_array(images, 0)]
    else:
        found = []
        for place, each in enumerate(images):
            array = isinstance(each, np.ndarray)
            found += [_of_array(each, place)] if array else _of_path(Path(each))
    names = [item.name for item in found]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(
            f"two images are called {twice[0]}: their masks would be one file; "
            "rename one"
        )
    return found


def _of_path(path: Path) -> list[Item]:
    """A file, or all of a folder."""
    return _of_folder(path) if path.is_dir() else _of_file(path, path.parent)


def items_of_run(record: RunRecord) -> list[Item]:
    """The test images of a run with their masks, at the size of the run.

    Raises:
        FileNotFoundError, ValueError: as `prepared.preparing.data_of`.
    """
    data = data_of(record)
    places = {file: i for i, file in enumerate(data.index["file"])}

    def reading(i: int) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
        return lambda: (np.array(data.images[i]), np.array(data.masks[i]))

    files = record.images["file"].unique()
    return [Item(_stem(Path(file)), reading(places[file])) for file in files]


def newest_run() -> list[RunRecord]:
    """The run with weights that ended last in data/runs; empty where there is none."""
    seals = (data_folder() / "runs").rglob("DONE")
    for seal in sorted(seals, key=lambda path: path.stat().st_mtime, reverse=True):
        if (seal.parent / "best.safetensors").is_file():
            return [RunRecord(seal.parent)]
    return []


def _of_folder(folder: Path) -> list[Item]:
    """The volumes of a folder; without any its pictures, with masks if it has some."""
    if volumes := _volumes(folder):
        return volumes
    try:
        paired = samples(folder)
    except (FileNotFoundError, ValueError) as error:
        if holds_masks(folder):
            raise ValueError(f"{error}; or name the images' folder alone") from error
        paired = []
    if paired:
        names = [Path(each.name) for each in paired]
        above = commonpath([name.parent for name in names])  # images/
        return [
            Item(_stem(name.relative_to(above)), each.read)
            for name, each in zip(names, paired, strict=True)
        ]
    every = pictures(folder, folder, READ)
    found = [path for path in every if not is_mask(_as_picture(path))]
    if not found:
        raise FileNotFoundError(f"no {', '.join(READ)} file and no CT in {folder}")
    return [item for path in found for item in _of_file(path, folder)]


def _volumes(folder: Path) -> list[Item]:
    """The slices of a folder's CT: of its one series, else of each folder in it."""
    if slices := dicom_files(folder):
        inside = {folder / path.relative_to(folder).parts[0] for path in slices}
        if inside.isdisjoint(slices) and len(read_series(folder)) > 1:
            several = natural_order(inside)
            return [item for path in several for item in _of_series(path, folder)]
        return _of_series(folder, folder)
    files = natural_order(filter(is_visible, filter(is_nifti, folder.rglob("*"))))
    images = [path for path in files if not is_mask(_as_picture(path))]
    if any(map(is_plane, images)):
        return []  # pictures
    return [item for path in images for item in _of_nifti(path, folder)]


def _of_series(folder: Path, above: Path) -> list[Item]:
    """The slices of a CT series, with the masks that lie in its folder."""
    choice = choice_of(above)
    truths = {}
    try:
        marked = marked_series(folder, choice)
    except FileNotFoundError:  # no mask lies there
        volume = read_volume(folder, choice.series)
    else:
        if len(marked) > 1:
            raise ValueError(f"{folder}: list one series in series.txt for predict")
        volume = volume_of(folder, marked[0].series)
        truths = marked[0].masks
    stems = [path.stem for path in volume.paths]
    by_file = len(set(stems)) == len(stems)
    names = stems if by_file else [f"{i:04d}" for i in range(len(volume))]
    place = "" if folder == above else f"{folder.relative_to(above).as_posix()}/"
    return [
        Item(f"{place}{name}", _reading(volume, i, truths.get(i)), volume)
        for i, name in enumerate(names)
    ]


def _of_nifti(path: Path, above: Path) -> list[Item]:
    """The slices of a NIfTI volume, from feet to head."""
    volume = read_volume(path)
    place = (path.relative_to(above).parent / nifti_stem(path)).as_posix()
    return [
        Item(f"{place}/{i:04d}", _reading(volume, i, None), volume)
        for i in range(len(volume))
    ]


def _reading(
    volume: Volume, i: int, truth: np.ndarray | None
) -> Callable[[], tuple[np.ndarray, np.ndarray | None]]:
    """How a slice is read: through the window that training images went through."""
    return lambda: (volume.slice(i), truth)


def _of_file(path: Path, folder: Path) -> list[Item]:
    """A picture file, or a volume."""
    if not path.is_file():
        raise FileNotFoundError(f"no image and no folder at {path.absolute()}")
    if is_nifti(path) and not is_plane(path):
        return _of_nifti(path, folder)
    if path.suffix.lower() == ".dcm":
        raise ValueError(f"{path} is one file of a series: name its folder")
    if not path.name.lower().endswith(READ):
        kinds = f"{', '.join(READ)} and folders of DICOM files"
        raise ValueError(f"{path} is no picture; predict reads {kinds}")
    read = read_image if is_read(path) else _read_array
    name = _stem(_as_picture(path).relative_to(folder))
    return [Item(name, lambda: (read(path), None))]


def _as_picture(path: Path) -> Path:
    """The path as if it were a picture's: .nii.gz is one ending."""
    return path.with_name(f"{nifti_stem(path)}.png") if is_nifti(path) else path


def _read_array(path: Path) -> np.ndarray:
    """An image (H, W, C) of an array file, as prepare takes it."""
    return decoded(path).colour


def _of_array(image: np.ndarray, place: int) -> Item:
    """An image as an array."""
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(
            f"an image must be (H, W, 1) or (H, W, 3), got {image.shape} {image.dtype}"
        )
    return Item(f"image{place}", lambda: (image, None))


def _stem(path: Path) -> str:
    """A path without its ending, with forward slashes."""
    return path.with_suffix("").as_posix()
