"""Places on the slices of a series: which slice lies at a height, and what is off."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lesionkit.datasets.dicom.series import Series

GRID_MM = 0.1  # how far a mask's grid may be off the series' grid


def check_placed(path: Path, series: Series) -> None:
    """Refuse slices of which nobody knows where they are."""
    if np.isnan(series.spacing).any() or np.isnan(series.positions).any():
        raise ValueError(f"{path}: its slices have no position or no spacing")


def slice_at(path: Path, series: Series, height: float, *, within: float = 0.5) -> int:
    """The slice at a height along the normal, mm; one has to be there.

    Args:
        within: how far off it may be, as a share of the distance of two slices.
    """
    distance = np.abs(series.heights - height)
    i = int(np.argmin(distance))
    limit = max(within * series.between, GRID_MM) if len(series) > 1 else GRID_MM
    if not distance[i] <= limit:
        raise ValueError(f"{path}: marks {height:g} mm, where no slice is")
    return i
