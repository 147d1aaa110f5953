"""Images and masks in files that are no pictures: .npy, .npz and NIfTI of one slice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lesionkit.datasets.pictures.images import Raster, decode, read_array
from lesionkit.datasets.pictures.nifti import NIFTI, is_nifti, nifti_image
from lesionkit.extras import install
from lesionkit.lookup import one_line

ARRAYS = (".npy", ".npz", *NIFTI)
ITK = (-1.0, -1.0)  # directions of rows and columns of a picture that ITK saves


def is_plane(path: Path) -> bool:
    """Whether a NIfTI file is one picture and no volume.

    Raises:
        ValueError: nibabel is not there, or the file cannot be read.
    """
    sides = [side for side in _opened(path).shape[2:] if side != 1]
    return sides in ([], [3])


def decoded(path: Path, *, is_mask: bool = False) -> Raster:
    """A picture, or an array as if it were one, in 8 or 16 bits.

    Raises:
        ValueError: as `images.decode`, or an array that is no image; one line.
    """
    if is_nifti(path):
        return raster_of(path, _nifti_plane(path), is_mask=is_mask)
    if path.suffix.lower() in (".npy", ".npz"):
        values = read_array(path, _only_key(path))
        return raster_of(path, values, is_mask=is_mask)
    return decode(path)


def raster_of(path: Path | str, values: np.ndarray, *, is_mask: bool = False) -> Raster:
    """An array as a decoded picture.

    Truth values become 0 and 1. Fractions between 0 and 1 become 0 to 255, as the
    picture had that they were divided from; whole numbers stay what they are: uint16
    and int16 of an image in 16 bits, all others and every mask in 8 where they fit.

    Args:
        path: for the text of the error.
        is_mask: whether the values are numbers of classes and not greys.

    Shape:
        values: (H, W), (H, W, C) or (C, H, W), C 1 or 3

    Raises:
        ValueError: another shape, or values that 16 bits do not hold.
    """
    if values.dtype == object or values.dtype.kind not in "buif":
        raise ValueError(f"{path}: values of type {values.dtype} are no image")
    values = _channels_last(path, values)
    if not values.size or not np.isfinite(values).all():
        raise ValueError(f"{path}: an array that is empty or has values like NaN")
    low, high = values.min(), values.max()
    whole = values.dtype.kind in "bui" or (values == np.round(values)).all()
    if low >= 0 and whole and high <= 65535:
        narrow = high <= 255 and (is_mask or values.dtype != np.uint16)
        if not is_mask:
            _check_depth(path, values, narrow)
        return Raster(values.astype(np.uint8 if narrow else np.uint16))
    if low >= 0 and high <= 1:
        return Raster(np.round(values * 255).astype(np.uint8))
    raise ValueError(
        f"{path}: values from {low:g} to {high:g}; allowed are whole numbers from 0 to "
        "65535 and fractions from 0 to 1 (chest CT in HU is the data set lungct)"
    )


def _check_depth(path: Path | str, values: np.ndarray, narrow: bool) -> None:
    """Refuse an image that may have another scale beside others of its set."""
    if values.dtype.kind == "f" and values.max() == 1:
        raise ValueError(
            f"{path}: 0 and 1 as {values.dtype}: black and white or nearly black? Save "
            "all images as uint8"
        )
    if (values.dtype == np.int16) if narrow else (values.dtype.itemsize > 2):
        raise ValueError(
            f"{path}: values up to {values.max():g} as {values.dtype}: of 8 or of 16 "
            "bits? Save all images as uint8 or as uint16"
        )


def check_grids(image: Path, mask: Path) -> None:
    """Refuse a NIfTI mask whose rows may run otherwise than those of its image.

    Raises:
        ValueError: two NIfTI files of different affines, or beside a picture an affine
            that is not ITK's of a picture.
    """
    if not is_nifti(mask):
        return
    found = _opened(mask).affine
    if is_nifti(image):
        same = np.allclose(found, _opened(image).affine, atol=1e-3)
    else:
        plane = found[:2, :2]
        same = np.array_equal(np.sign(np.diag(plane)), ITK) and np.allclose(
            plane, np.diag(np.diag(plane)), atol=1e-6
        )
    if not same:
        raise ValueError(
            f"{mask}: its affine is not that of {image.name}; the mask may be turned "
            "or mirrored: save both as NIfTI in one program, or the mask as PNG"
        )


def _channels_last(path: Path | str, values: np.ndarray) -> np.ndarray:
    """(H, W, C) of an array that may have its channels first, or none."""
    if values.ndim == 2:
        return values[..., None]
    if values.ndim == 3 and values.shape[2] in (1, 3):
        return values
    if values.ndim == 3 and values.shape[0] in (1, 3):
        return np.moveaxis(values, 0, 2)
    raise ValueError(
        f"{path}: an array of shape {values.shape}; one image is (H, W), (H, W, 3) or "
        "(3, H, W), one mask (H, W)"
    )


def _only_key(path: Path) -> str:
    """The key of the one array of a .npz file; "" of a .npy file."""
    if path.suffix.lower() == ".npy":
        return ""
    try:
        with np.load(path, allow_pickle=False) as found:
            keys = found.files
    except Exception as error:  # noqa: BLE001 - a broken archive in many ways
        raise ValueError(f"{path}: no .npz: {one_line(error)}") from None
    if len(keys) != 1:
        raise ValueError(f"{path}: one array is expected, it has {', '.join(keys)}")
    return keys[0]


def _opened(path: Path) -> Any:
    """A NIfTI file; of own images a missing library is one more file that is bad."""
    try:
        return nifti_image(path)
    except ImportError:
        raise ValueError(
            f"{path}: NIfTI is read by nibabel, which is not installed: {install('ct')}"
        ) from None


def _nifti_plane(path: Path) -> np.ndarray:
    """(H, W) or (H, W, 3) of a NIfTI of one slice, x along the columns."""
    image = _opened(path)
    shape = [side for side in image.shape[2:] if side != 1]
    if len(image.shape) < 2 or shape not in ([], [3]):
        raise ValueError(
            f"{path}: a volume of shape {image.shape}; 2D NIfTI has one slice (chest "
            "CT volumes are the data set lungct)"
        )
    try:
        values = np.asanyarray(image.dataobj)
    except Exception as error:  # noqa: BLE001 - cut off in many ways
        raise ValueError(f"{path}: {one_line(error)}") from None
    if values.dtype.names:  # RGB as a record of three
        values = np.stack([values[name] for name in values.dtype.names], axis=-1)
        shape = [values.shape[-1]]
    return np.swapaxes(values.reshape(*values.shape[:2], *shape), 0, 1)
