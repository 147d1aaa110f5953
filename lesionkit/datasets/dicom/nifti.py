"""NIfTI volumes of one frame, and masks placed on the slices of a series."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from lesionkit.datasets.dicom.packages import package
from lesionkit.lookup import one_line

_ENDINGS = (".nii", ".nii.gz")


def is_nifti(path: Path) -> bool:
    """Whether a name ends in .nii or .nii.gz, in whatever case."""
    return path.name.lower().endswith(_ENDINGS)


def nifti_stem(path: Path) -> str:
    """The name without its ending."""
    lower = path.name.lower()
    return path.name[: -len(next(e for e in _ENDINGS[::-1] if lower.endswith(e)))]


def load_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Affine (4, 4) and values (three axes) of a NIfTI file with one frame.

    Raises:
        ImportError: nibabel is not there.
        ValueError: it cannot be read, or has several frames.
    """
    nibabel = package("nibabel", path)
    try:
        if path.name.endswith(_ENDINGS):
            image = nibabel.load(path)
        else:  # nibabel knows endings in small letters alone
            data = path.read_bytes()
            if path.name.lower().endswith(".gz"):
                data = gzip.decompress(data)
            image = nibabel.Nifti1Image.from_bytes(data)
        values = np.asanyarray(image.dataobj)
    except Exception as error:  # noqa: BLE001 - truncated gzip, wrong magic, ...
        reason = one_line(error, longest=160)
        raise ValueError(f"{path}: not a NIfTI file: {reason}") from error
    if values.ndim < 3 or any(size != 1 for size in values.shape[3:]):
        shape = " x ".join(map(str, values.shape))
        raise ValueError(f"{path}: of {shape}; one frame of three axes is needed")
    if values.dtype.kind not in "biuf" or not np.isfinite(image.affine).all():
        raise ValueError(f"{path}: values of type {values.dtype} or no affine")
    return np.asarray(image.affine), values.reshape(values.shape[:3])
