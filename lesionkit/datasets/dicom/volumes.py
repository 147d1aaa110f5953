"""A CT without masks as windowed slices: one DICOM series, or a NIfTI volume.

What a mask needs to be written back in the same geometry comes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lesionkit.datasets.dicom.choosing import IN_SERIES_TXT, only_series
from lesionkit.datasets.dicom.nifti import load_nifti
from lesionkit.datasets.dicom.series import Series, read_series
from lesionkit.datasets.dicom.windowing import MEDIASTINAL, window
from lesionkit.datasets.pictures.nifti import is_nifti

_AIR_HU = -200.0  # a CT without any value below this one is not in HU, most likely


@dataclass(frozen=True, eq=False)
class Volume:
    """The slices of one CT, from feet to head, rows to the back, columns to the left.

    A DICOM series has its own orientation instead, and grows along its normal.

    Attributes:
        name: folder of the series, or NIfTI file.
        shape: (N, H, W).
        spacing: mm between rows and between columns; NaN where unknown.
        between: mm between slices; NaN where unknown.
        paths, frames: DICOM file of each slice and frame in it; empty for NIfTI.
        affine: (4, 4) of the NIfTI file; None for DICOM.
        remarks: what is unusual, a line each.
        series: that it was read from; None for NIfTI.
    """

    name: Path
    shape: tuple[int, int, int]
    spacing: tuple[float, ...]
    between: float
    paths: tuple[Path, ...]
    frames: tuple[int, ...]
    affine: np.ndarray | None
    remarks: tuple[str, ...]
    series: Series | None = field(repr=False)
    _hu: Callable[[int], np.ndarray] = field(repr=False)
    _axes: tuple[int, ...] = (0, 1, 2)
    _flips: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self.shape[0]

    def hu(self, i: int) -> np.ndarray:
        """Slice `i` in Hounsfield units, (H, W) float32."""
        return self._hu(i)

    def slice(self, i: int) -> np.ndarray:
        """Slice `i` through the mediastinal window, (H, W, 1) uint8."""
        return window(self.hu(i), **MEDIASTINAL)[..., None]

    def in_file_axes(self, masks: np.ndarray) -> np.ndarray:
        """Masks of all slices in the axes of the NIfTI file, to save with `affine`.

        For DICOM the masks as they are: slice i is frame frames[i] of paths[i].

        Shape:
            masks: (N, H, W)
            returns: (N, H, W) for DICOM, the first three axes of the file for NIfTI

        Raises:
            ValueError: masks of another shape.
        """
        if masks.shape != self.shape:
            raise ValueError(f"masks of {masks.shape}, the volume is of {self.shape}")
        return np.flip(masks, self._flips).transpose(np.argsort(self._axes))


def read_volume(
    path: Path, listed: Sequence[str] = (), *, option: str = IN_SERIES_TXT
) -> Volume:
    """One CT series of a folder, or a .nii or .nii.gz file in Hounsfield units.

    Args:
        path: a folder with DICOM files in it or below, or a NIfTI file.
        listed: which series counts where a folder has several: UIDs, descriptions or
            folders below `path`, with * and ?.
        option: how a user lists one, for the text of the error.

    Raises:
        FileNotFoundError: no CT in the folder.
        ImportError: NIfTI needs nibabel, of the extra `ct`.
        ValueError: several series and none is listed; a file that cannot be read;
            NIfTI with several frames.
    """
    path = Path(path)
    if is_nifti(path):
        return _of_nifti(path)
    return volume_of(path, only_series(read_series(path), path, listed, option=option))


def volume_of(folder: Path, series: Series) -> Volume:
    """The slices of a series; the folder gives it its name."""
    return Volume(
        folder,
        (len(series), *series.shape),
        spacing=series.spacing,
        between=series.between,
        paths=series.paths,
        frames=series.frames,
        affine=None,
        remarks=series.remarks,
        series=series,
        _hu=series.slice_hu,
    )


def _of_nifti(path: Path) -> Volume:
    """A NIfTI volume cut across the axis that is nearest to the body's long one."""
    affine, values = load_nifti(path)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    axes, flips = _body_axes(path, affine)
    turned = np.flip(values.transpose(axes), flips)
    remarks = []
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"{path}: values that are not finite")
    if values.min() > _AIR_HU:
        remarks.append(
            f"no value below {_AIR_HU:g}, from {values.min():g} to {values.max():g}: "
            "is it in Hounsfield units?"
        )
    return Volume(
        path,
        turned.shape,
        spacing=(float(steps[axes[1]]), float(steps[axes[2]])),
        between=float(steps[axes[0]]),
        paths=(),
        frames=(),
        affine=affine,
        remarks=tuple(remarks),
        series=None,
        _hu=lambda i: turned[i].astype(np.float32),
        _axes=axes,
        _flips=flips,
    )


def _body_axes(path: Path, affine: np.ndarray) -> tuple[tuple[int, ...], tuple]:
    """The file's axes for slices, rows and columns, and which of them run backwards.

    Slices run to the head, rows to the back, columns to the left; NIfTI's axes point
    to the right, to the front and to the head.
    """
    from nibabel.orientations import io_orientation

    facing = io_orientation(affine)  # a row for each axis of the file
    if np.isnan(facing).any():
        raise ValueError(f"{path}: an affine of which axes cannot be told")
    place = {int(world): axis for axis, (world, _) in enumerate(facing)}
    axes = tuple(place[world] for world in (2, 1, 0))
    wanted = (1, -1, -1)
    flips = tuple(i for i in range(3) if facing[axes[i], 1] != wanted[i])
    return axes, flips
