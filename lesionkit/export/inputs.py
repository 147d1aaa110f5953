"""What predict is given: pictures, folders of them, arrays, a run's test images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path

import numpy as np

from lesionkit.datasets.folder import is_mask, samples
from lesionkit.datasets.own_files import SUFFIXES, is_read, pictures
from lesionkit.datasets.pictures.images import read_image
from lesionkit.prepared.preparing import data_of
from lesionkit.records.runs import RunRecord

VOLUMES = (".dcm", ".nii", ".nii.gz")


@dataclass(frozen=True)
class Item:
    """An image to be read: its name, how, and its mask if there is one."""

    name: str
    read: Callable[[], tuple[np.ndarray, np.ndarray | None]]


def items_of(
    images: Path | str | np.ndarray | Sequence[Path | str | np.ndarray],
) -> list[Item]:
    """The images that a path, an array or several of them mean.

    A folder with masks beside its images (images/ and masks/, `_mask` files,
    pairs.csv) brings them along; of any other folder all pictures are taken but those
    that are named as masks.

    Raises:
        FileNotFoundError: no such file, or no picture in the folder.
        ValueError: a volume or another file that is no picture, or two images of one
            name.
    """
    if isinstance(images, str | Path):
        path = Path(images)
        found = _of_folder(path) if path.is_dir() else [_of_file(path, path.parent)]
    elif isinstance(images, np.ndarray):
        found = [_of_array(images, 0)]
    else:
        found = [
            _of_array(each, place)
            if isinstance(each, np.ndarray)
            else _of_file(Path(each), Path(each).parent)
            for place, each in enumerate(images)
        ]
    names = [item.name for item in found]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(
            f"two images are called {twice[0]}: their masks would be one file; "
            "rename one"
        )
    return found


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


def _of_folder(folder: Path) -> list[Item]:
    """The pictures of a folder, with their masks where it has some."""
    masked = (folder / "masks").is_dir() or (folder / "pairs.csv").is_file()
    try:
        paired = samples(folder)
    except (FileNotFoundError, ValueError):
        if masked:
            raise
        paired = []
    if paired:
        names = [Path(each.name) for each in paired]
        above = commonpath([name.parent for name in names])  # images/
        return [
            Item(_stem(name.relative_to(above)), each.read)
            for name, each in zip(names, paired, strict=True)
        ]
    found = [path for path in pictures(folder, folder) if not is_mask(path)]
    if not found:
        raise FileNotFoundError(_nothing(folder))
    return [_of_file(path, folder) for path in found]


def _nothing(folder: Path) -> str:
    """What lies in a folder without a picture."""
    text = f"no {', '.join(SUFFIXES)} file in {folder}"
    volumes = [p for p in folder.rglob("*") if p.name.lower().endswith(VOLUMES)]
    if volumes:
        text += f"; {len(volumes)} of its files are volumes, which are not read here"
    return text


def _of_file(path: Path, folder: Path) -> Item:
    """A picture file."""
    if not path.is_file():
        raise FileNotFoundError(f"no image {path}")
    if not is_read(path):
        what = "a volume" if path.name.lower().endswith(VOLUMES) else "no picture"
        raise ValueError(f"{path} is {what}; predict reads {', '.join(SUFFIXES)}")
    return Item(_stem(path.relative_to(folder)), lambda: (read_image(path), None))


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
