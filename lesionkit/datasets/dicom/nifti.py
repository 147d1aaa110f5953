"""NIfTI volumes of one frame, and masks placed on the slices of a series."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from lesionkit.datasets.dicom.annotations import Annotation, Masks
from lesionkit.datasets.dicom.series import GRID_MM, Series, check_placed
from lesionkit.datasets.pictures.array_masks import lesion_of_values
from lesionkit.datasets.pictures.lesions import LesionValue
from lesionkit.datasets.pictures.nifti import nifti_image, nifti_stem
from lesionkit.lookup import one_line


def load_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Affine (4, 4) and values (three axes) of a NIfTI file with one frame.

    Raises:
        ImportError: nibabel is not there.
        ValueError: it cannot be read, or has several frames.
    """
    image = nifti_image(path)
    try:
        values = np.asanyarray(image.dataobj)
    except Exception as error:  # noqa: BLE001 - cut off in many ways
        reason = one_line(error, longest=160)
        raise ValueError(f"{path}: not a NIfTI file: {reason}") from error
    if values.ndim < 3 or any(size != 1 for size in values.shape[3:]):
        shape = " x ".join(map(str, values.shape))
        raise ValueError(f"{path}: of {shape}; one frame of three axes is needed")
    if values.dtype.kind not in "biuf" or not np.isfinite(image.affine).all():
        raise ValueError(f"{path}: values of type {values.dtype} or no affine")
    return np.asarray(image.affine), values.reshape(values.shape[:3])


def open_nifti(path: Path, listed: Sequence[LesionValue] = ()) -> Annotation:
    """A NIfTI mask, whose one structure is called as the file.

    Args:
        listed: which of its values are lesion; empty for a mask of 0 and 1.

    Raises:
        ImportError, ValueError: as `load_nifti`; what its values are is told when they
            are read.
    """

    @cache
    def lesion() -> tuple[np.ndarray, np.ndarray]:
        affine, values = load_nifti(path)
        # along the first two axes it is cut into pictures, whatever the third is
        flat = lesion_of_values(path, np.moveaxis(values, 2, 0), listed)
        return affine, np.moveaxis(flat, 0, 2)

    def is_of_size(series: Series) -> bool:
        return lesion()[1].size == len(series) * series.shape[0] * series.shape[1]

    return Annotation(
        path,
        read=lambda series, _: _on_slices(path, *lesion(), series),
        names={1: nifti_stem(path)},
        named_by_file=True,
        prefers=is_of_size,
        check=lambda: lesion() and None,
    )


def _on_slices(
    path: Path, affine: np.ndarray, values: np.ndarray, series: Series
) -> Masks:
    """A mask on the series' own grid, in whatever order its axes run."""
    check_placed(path, series)
    height, width = series.shape
    lesion = np.zeros((len(series), height, width), np.uint8)
    rows, columns = np.mgrid[:height, :width]
    to_index = np.linalg.inv(affine)
    flip = np.array([-1, -1, 1])  # DICOM's axes point left and back, NIfTI's do not
    for i, start in enumerate(series.positions):
        place = start + np.stack(
            [columns * series.spacing[1], rows * series.spacing[0]], -1
        ) @ series.orientation.reshape(2, 3)
        index = (place * flip) @ to_index[:3, :3].T + to_index[:3, 3]
        nearest = np.rint(index).astype(int)
        inside = ((nearest >= 0) & (nearest < values.shape)).all()
        if not inside or np.abs(index - nearest).max() > GRID_MM:
            raise ValueError(f"{path}: its grid of {values.shape} is not the slices'")
        lesion[i] = values[tuple(np.moveaxis(nearest, -1, 0))]
    return dict(enumerate(lesion))
