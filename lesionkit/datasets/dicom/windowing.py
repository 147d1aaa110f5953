"""Hounsfield units to 8 bits."""

from __future__ import annotations

import numpy as np

from lesionkit.lookup import find

MEDIASTINAL = {"center": 50.0, "width": 350.0}  # paper B: W350 L50

_FUNCTIONS = {"LINEAR": (0.5, 1.0), "LINEAR_EXACT": (0.0, 0.0)}  # off centre and width


def window(
    hu: np.ndarray, *, center: float, width: float, function: str = "LINEAR"
) -> np.ndarray:
    """Hounsfield units to 8 bits; what is a tie after scaling is rounded to even.

    LINEAR subtracts half a unit from the centre and one from the width;
    LINEAR_EXACT does neither. They differ by at most one grey level.

    Args:
        center, width: of the window, HU; paper B has 50 and 350.
        function: "LINEAR" (DICOM's default) or "LINEAR_EXACT".

    Shape:
        hu: (...), any real type
        returns: (...) uint8

    Raises:
        ValueError: another function; a width below 1 (LINEAR) or not above 0.

    Source: DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3.2.
    """
    off_center, off_width = find("window function", function, _FUNCTIONS)
    is_linear = function == "LINEAR"
    allowed = width >= 1 if is_linear else width > 0
    if not (allowed and np.isfinite([width, center]).all()):
        limit = "1 or more" if is_linear else "more than 0"
        raise ValueError(
            f"{function} needs a finite center and a width of {limit}, "
            f"got center {center} and width {width}"
        )
    x = np.asarray(hu, np.float64) - (center - off_center)
    span = width - off_width
    if span == 0:  # LINEAR of width 1 is a step
        return np.where(x > 0, 255, 0).astype(np.uint8)
    # multiplied before it is divided, so that a tie stays one in floating point
    return np.clip(np.rint(x * 255 / span + 127.5), 0, 255).astype(np.uint8)
