"""Masks that are arrays, of NIfTI and .npy: by the rules of masks that are pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lesionkit.datasets.pictures.ignoring import with_ignored
from lesionkit.datasets.pictures.images import Raster
from lesionkit.datasets.pictures.lesions import (
    CLASS_LIMIT,
    LesionValue,
    ignored_of,
    lesion_in,
)

_WHOLE = 1e-3  # a value this near to a whole number is one
_TOP = 65535
_PICTURE = 0.25  # share of pixels between background and lesion: it is no mask
_BORDER = 0.08  # of the range: values this near to its ends are no greys between
_WIDE = 255  # values further apart than this are no numbers of classes
_WAY = "save it as 0 and 1, or list what is lesion in lesion_values.txt"


def lesion_of_values(
    path: Path,
    values: np.ndarray,
    listed: Sequence[LesionValue] = (),
    *,
    reached: bool = False,
) -> np.ndarray:
    """Where an array marks lesion: as listed, or as the values say by themselves.

    Whole numbers are read as a grey picture is, see `lesions.lesion_in`. Fractions from
    0 to 1 are a soft mask, lesion above half. Signed values and other fractions are
    refused, and what is an image.

    Args:
        path: for the text of the error.
        listed: of lesion_values.txt.
        reached: whether another array of the same set is above half somewhere, so that
            this one may have no lesion.

    Shape:
        values: (..., H, W), bool, integer or float
        returns: (..., H, W) uint8 of 0 and 1, and 255 where it is ignored

    Raises:
        ValueError: what is lesion is not clear; one line with the file's name.
    """
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{path}: values of type {values.dtype}; {_WAY}")
    if not values.size:
        raise ValueError(f"{path}: no values")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ValueError(f"{path}: values that are not finite; {_WAY}")
        if any(np.abs(plane - np.rint(plane)).max() > _WHOLE for plane in values):
            return _soft(path, values, listed, reached)
        values = np.rint(values)
    low, high = int(values.min()), int(values.max())
    numbers = [value for value in listed if isinstance(value, int)]
    if (low < 0 or high > _TOP) and not numbers:
        raise _no_mask(path, values)
    if low < 0 or high > _TOP:
        out = [value for value in ignored_of(listed) if isinstance(value, int)]
        return with_ignored(np.isin(values, numbers), np.isin(values, out))
    return _grey(path, values.astype(np.uint8 if high < 256 else np.uint16), listed)


def is_soft(values: np.ndarray) -> bool:
    """Whether an array has fractions, and is above half somewhere."""
    return values.dtype.kind == "f" and bool((values > 0.5).any())


def _soft(
    path: Path, values: np.ndarray, listed: Sequence[LesionValue], reached: bool
) -> np.ndarray:
    """Fractions cut at half, as of a DICOM SEG; areas of one fraction are refused."""
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise _no_mask(path, values)
    if listed:
        raise ValueError(
            f"{path}: fractions from {low:g} to {high:g}; lesion_values.txt lists "
            "whole numbers: save the mask as 0 and 1, or as its whole numbers"
        )
    lesion = (values > 0.5).astype(np.uint8)
    if not lesion.any():
        if reached:
            return lesion
        raise ValueError(
            f"{path}: fractions from {low:g} to {high:g}, none above 0.5, where a soft "
            "mask is cut: save it as 0 and 1"
        )
    scaled = np.rint(values * _TOP)
    try:
        _grey(path, scaled.astype(np.uint16), ())
    except ValueError as error:
        shown, times = np.unique(values, return_counts=True)
        common = np.sort(shown[np.argsort(-times, kind="stable")[:5]])
        raise ValueError(
            f"{path}: areas of one fraction each, the commonest values are "
            f"{', '.join(f'{v:g}' for v in common)}: a soft mask is even at 0 and 1 "
            "alone; save what is lesion as 0 and 1"
        ) from error
    return lesion


def _grey(path: Path, values: np.ndarray, listed: Sequence[LesionValue]) -> np.ndarray:
    """Whole numbers of 8 or 16 bits as one tall grey picture."""
    if not listed:
        check_no_image(path, values, int(np.iinfo(values.dtype).max))
    tall = values.reshape(-1, values.shape[-1])
    return lesion_in(path, Raster(tall[..., None]), listed).reshape(values.shape)


def check_no_image(path: Path, values: np.ndarray, top: int) -> None:
    """Refuse grey values of which many lie between background and lesion.

    Args:
        top: the largest value that a mask of this kind can have.

    Raises:
        ValueError: a quarter of the pixels or more are neither dark nor bright, or of
            16 bits no value of many is bright.
    """
    most = int(values.max())
    if most <= 1:
        return
    between = (values > _BORDER * top) & (values < (1 - _BORDER) * top)
    dark = top == _TOP and 2 * most <= top
    many = dark or between.mean() > _PICTURE
    if many and len(np.unique(values)) > CLASS_LIMIT:
        raise _no_mask(path, values)


def _no_mask(path: Path, values: np.ndarray) -> ValueError:
    """The error for what is an image, or signed values."""
    found = np.unique(values)
    if len(found) > CLASS_LIMIT or np.ptp(found) > _WIDE:
        what = "an image, not a mask: it has"
    else:
        what = "no mask of 0 and 1: it has"
    shown = (
        ", ".join(f"{v:g}" for v in found)
        if len(found) <= 5
        else f"{len(found)} values from {found[0]:g} to {found[-1]:g}"
    )
    return ValueError(
        f"{path}: {what} {shown}; {_WAY}; an image has to lie elsewhere, or "
        "structures.txt names the masks (of NIfTI by the file's name)"
    )
