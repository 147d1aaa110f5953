"""Where a mask lies among the slices of a series, in mm and in pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lesionkit.datasets.dicom import Series

GRID_MM = 0.1  # how far a mask's grid may be off the series' grid


def check_plane(
    path: Path, series: Series, position: np.ndarray, *, orientation: Any
) -> None:
    """Refuse a frame whose rows or first pixel are not those of the slices.

    Args:
        path: of its file, for the text of the error.
        position: (3,) mm, centre of its first pixel.
        orientation: six numbers, or None where the file does not say.

    Raises:
        ValueError: it lies on another grid.
    """
    shift = position - series.positions[0]
    aside = shift - np.dot(shift, series.normal) * series.normal
    turned = orientation is not None and not np.allclose(
        np.array(orientation, float), series.orientation, atol=1e-3
    )
    if turned or np.linalg.norm(aside) > GRID_MM:
        raise ValueError(f"{path}: its frames lie on another grid than the slices")


def check_placed(path: Path, series: Series) -> None:
    """Refuse slices of which nobody knows where they are.

    Raises:
        ValueError: a position or the spacing is not known.
    """
    if np.isnan(series.spacing).any() or np.isnan(series.positions).any():
        raise ValueError(f"{path}: its slices have no position or no spacing")


def slice_at(path: Path, series: Series, height: float) -> int:
    """The slice at a height along the normal, mm.

    Raises:
        ValueError: no slice is there.
    """
    distance = np.abs(series.heights - height)
    i = int(np.argmin(distance))
    limit = 0.5 * series.between if len(series) > 1 else GRID_MM
    if not distance[i] <= limit:
        raise ValueError(f"{path}: marks {height:g} mm, where no slice is")
    return i


def slice_of(
    path: Path, series: Series, contour: Any, *, points: np.ndarray, frames: set[str]
) -> int:
    """The slice a contour lies on; it has to be one that the contour names.

    Args:
        path: of its file, for the text of the error.
        contour: an item of ContourSequence.
        points: (P, 3) mm, its corners.
        frames: of reference that the file is drawn in; they decide where the contour
            names no slice.

    Raises:
        ValueError: no slice is there, it names others, or it is drawn elsewhere.
    """
    images = contour.get("ContourImageSequence") or []
    named = [image.ReferencedSOPInstanceUID for image in images]
    if not named and series.frame_of_reference not in frames:
        raise ValueError(f"{path}: drawn in another frame of reference")
    height = float(np.mean(points @ series.normal))
    i = slice_at(path, series, height)
    if named and series.instances[i] not in named:
        raise ValueError(f"{path}: at {height:g} mm it names a slice that is not here")
    return i


def to_pixels(points: np.ndarray, series: Series, i: int) -> np.ndarray:
    """Row and column of points in mm, (P, 2)."""
    shift = points - series.positions[i]
    column = shift @ series.orientation[:3] / series.spacing[1]
    row = shift @ series.orientation[3:] / series.spacing[0]
    return np.stack([row, column], axis=1)
