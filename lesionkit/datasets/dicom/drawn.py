"""Pictures and .npy arrays in a folder masks/, each named as its slice's file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lesionkit.datasets.dicom.annotations import Annotation, Masks
from lesionkit.datasets.dicom.series import Series
from lesionkit.datasets.own_files import SUFFIXES, UNREAD
from lesionkit.datasets.pairs import is_visible
from lesionkit.datasets.pictures.array_masks import (
    check_no_image,
    is_soft,
    lesion_of_values,
)
from lesionkit.datasets.pictures.ignoring import united
from lesionkit.datasets.pictures.images import decode, read_array, turned
from lesionkit.datasets.pictures.lesions import LesionValue, lesion_in

_READ = (*SUFFIXES, ".npy")
_UNREAD = tuple(s for s in UNREAD if s != ".dcm") + (".npz", ".mat")
_OF_SLICES = (".dcm", ".dicom", ".ima")


def mask_folders(folder: Path, listed: Sequence[LesionValue] = ()) -> list[Annotation]:
    """Every folder masks/ in or below `folder`, with what marks slices in it.

    Args:
        listed: which values or colours are lesion; empty for masks of 0 and 1.

    Raises:
        ValueError: a mask of a kind that is not read.
    """
    found: dict[Path, list[Path]] = {}
    for path in sorted(filter(is_visible, folder.rglob("*"))):
        if path.parent.name.lower() != "masks" or not path.is_file():
            continue
        if path.suffix.lower() in _UNREAD:
            raise ValueError(f"{path}: none of {', '.join(_READ)}")
        if path.suffix.lower() in _READ:
            found.setdefault(path.parent, []).append(path)
    return [_annotation(home, files, listed) for home, files in found.items()]


def _annotation(
    home: Path, files: Sequence[Path], listed: Sequence[LesionValue]
) -> Annotation:
    """A folder masks/; a series whose slices lie beside it is nearer than others."""
    return Annotation(
        home,
        read=lambda series, _: _of(home, files, series, listed),
        prefers=lambda series: any(p.parent == home.parent for p in series.paths),
    )


def slice_name(path: Path) -> str:
    """The name of a slice's file without .dcm; one that is a UID stays whole."""
    return path.stem if path.suffix.lower() in _OF_SLICES else path.name


def _of(
    home: Path, files: Sequence[Path], series: Series, listed: Sequence[LesionValue]
) -> Masks:
    """The masks of a folder on the slices that they name."""
    places = _places(home, series)
    owner = {path: _slice_of(path, places) for path in files}
    unknown = sorted(path.name for path, i in owner.items() if i is None)
    if unknown:
        raise ValueError(
            f"{home}: {len(unknown)} mask(s) belong to no slice: {unknown[0]}"
            + _hint(series)
        )
    arrays = {path: read_array(path) for path in files if _is_array(path)}
    reached = any(map(is_soft, arrays.values()))
    masks: Masks = {}
    for path, i in owner.items():
        if i is None:
            continue
        if path in arrays:
            mask = _of_array(path, arrays[path], series, listed, reached=reached)
        else:
            mask = _of_picture(path, series, listed)
        masks[i] = united([masks[i], mask]) if i in masks else mask
    return masks


def _is_array(path: Path) -> bool:
    return path.suffix.lower() == ".npy"


def _of_array(
    path: Path,
    values: np.ndarray,
    series: Series,
    listed: Sequence[LesionValue],
    *,
    reached: bool,
) -> np.ndarray:
    """A .npy file's mask; see `arrays.lesion_of_values`."""
    _check_shape(path, values.shape, series)
    return lesion_of_values(path, values, listed, reached=reached)


def _of_picture(
    path: Path, series: Series, listed: Sequence[LesionValue]
) -> np.ndarray:
    """A picture's mask, by the rules of one's own pictures."""
    picture = decode(path)
    if not listed and picture.index is None and picture.drawn_alpha is None:
        check_no_image(path, picture.counted[..., 0], picture.top)
    mask = turned(lesion_in(path, picture, listed), picture.orientation)
    _check_shape(path, mask.shape, series)
    return mask


def _check_shape(path: Path, shape: tuple[int, ...], series: Series) -> None:
    if shape != series.shape:
        raise ValueError(f"{path}: a mask of {shape}, its slice is of {series.shape}")


def _places(home: Path, series: Series) -> dict[str, set[int]]:
    """Which slices a name may mean: of files beside masks/, else of all.

    Frames of one file are called as the file, # and their number from 0.
    """
    several = len(set(series.paths)) < len(series)
    places: dict[str, set[int]] = {}
    beside = [path.parent == home.parent for path in series.paths]
    for i, path in enumerate(series.paths):
        if any(beside) and not beside[i]:
            continue
        for name in {path.name, slice_name(path)}:
            frame = f"{name}#{series.frames[i]}" if several else name
            places.setdefault(frame, set()).add(i)
    return places


def _slice_of(path: Path, places: dict[str, set[int]]) -> int | None:
    """The slice that a mask names, None where there is none."""
    name = path.name[: -len(path.suffix)]
    slices = places.get(name, set())
    if len(slices) > 1:
        raise ValueError(
            f"{path}: {len(slices)} slices of that name are there, in several folders; "
            "put masks/ beside its slices"
        )
    return next(iter(slices), None)


def _hint(series: Series) -> str:
    """What masks are called where the slices are frames of one file."""
    if len(set(series.paths)) == len(series):
        return ""
    name = slice_name(series.paths[0])
    return f"; the mask of a frame is called {name}#0.png, of the next {name}#1.png"
