"""Small CT series written as DICOM files, each as right or as wrong as a test asks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from lesionkit.datasets.dicom.annotations import chosen_structures
from lesionkit.datasets.dicom.contours import open_rtstruct
from lesionkit.datasets.dicom.files import made_uid, write_slice
from lesionkit.datasets.dicom.masks import Choice, marked_series
from lesionkit.datasets.dicom.segments import open_seg
from lesionkit.datasets.dicom.series import read_series

SIDE = 8


def stored(value: int, dtype: str = "int16") -> np.ndarray:
    """A slice whose first pixel is `value`, and a ramp behind it."""
    plane = np.arange(SIDE * SIDE).reshape(SIDE, SIDE) + value
    return plane.astype(dtype)


def tags(k: int, **other: Any) -> dict[str, Any]:
    """The header of slice `k` at 2 k mm; a tag given as None is left out."""
    own = {
        "PatientID": "made",
        "StudyInstanceUID": made_uid("study"),
        "SeriesInstanceUID": made_uid("series"),
        "FrameOfReferenceUID": made_uid("frame"),
        "SOPInstanceUID": made_uid("slice", k),
        "InstanceNumber": k + 1,
        "ImagePositionPatient": [-10.0, -20.0, 2.0 * k],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.5, 0.25],
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
    } | other
    return {name: value for name, value in own.items() if value is not None}


def write(folder: Path, name: str, k: int, pixels=None, **other: Any) -> Path:
    """One file of a series."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    write_slice(path, stored(100 * k) if pixels is None else pixels, tags(k, **other))
    return path


def write_series(folder: Path, count: int = 4, **other: Any) -> Path:
    """A series whose file names run against its positions."""
    for k in range(count):
        write(folder, f"{count - k}.dcm", k, **other)
    return folder


def change(path: Path, **other: Any) -> None:
    """Set tags of a written file; None takes one away."""
    dataset = pydicom.dcmread(path)
    for name, value in other.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset.save_as(path)


def hu_of(series) -> np.ndarray:
    """Every slice in Hounsfield units, (N, H, W)."""
    return np.stack([series.slice_hu(i) for i in range(len(series))])


def marked(opener, path: Path, series, structures=()) -> dict[int, np.ndarray]:
    """The masks that one SEG or RTSTRUCT marks on a series, by slice."""
    annotation = opener(path)
    numbers, _ = chosen_structures([annotation], structures, path.parent)
    return annotation.read(series, numbers[path])


from_seg, from_rtstruct = partial(marked, open_seg), partial(marked, open_rtstruct)


@pytest.fixture
def series(tmp_path):
    """Four slices of 8 x 8, rows 0.5 mm and columns 0.25 mm apart, from (-10, -20)."""
    return read_series(write_series(tmp_path / "ct"))[0]


def masks_of(folder, **choice):
    """The masks of the one series of a folder that is marked."""
    (found,) = marked_series(folder, Choice(folder, **choice))
    return found.masks
