"""Single lesions in a mask: which were found, how large they are in mm.

A lesion is a set of marked pixels that touch, corners included (8 neighbours on an
image, 26 in a volume).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import find_objects, generate_binary_structure, label
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from lesionkit.catalogue import IGNORED
from lesionkit.metrics import same_shape

MEASURED = "volume_mm3 voxels slices longest_mm across_mm slice at_edge".split()


def components(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Each pixel's lesion, from 1, and how many there are; 0 is background.

    Shape:
        mask: any; more than 0 is lesion
        returns: of the same shape, int32
    """
    marked = np.asarray(mask) > 0
    return label(marked, generate_binary_structure(marked.ndim, marked.ndim))


def detections(
    predicted: np.ndarray, mask: np.ndarray, *, ignore: bool = False
) -> dict[str, np.ndarray]:
    """How many lesions there are, how many were found, how many are false, per image.

    A lesion is found if a predicted pixel lies on it; a predicted lesion is false if
    none of its pixels lies on a true one.

    Args:
        ignore: pixels of 255 in the mask are neither lesion nor background. A predicted
            lesion that lies on such pixels alone is not counted. One that goes on
            across them stays one lesion, so that an ignored border around a lesion
            makes no false one.

    Shape:
        predicted, mask: (N, H, W) or (N, D, H, W) of 0 and 1
        returns: lesions, lesions_found, false_lesions, each (N,) int64

    Raises:
        ValueError: the two differ in shape.
    """
    predicted, mask = np.asarray(predicted) > 0, np.asarray(mask)
    same_shape("predicted", predicted, mask)
    ignored = mask == IGNORED if ignore else np.zeros_like(predicted)
    mask = (mask > 0) & ~ignored
    found = np.zeros((len(mask), 3), np.int64)
    for i, both in enumerate(predicted & mask):
        lesions, count = components(mask[i])
        marked, marked_count = components(predicted[i])
        hit, right = (len(np.unique(each[both])) for each in (lesions, marked))
        if ignore:
            marked_count = len(np.unique(marked[predicted[i] & ~ignored[i]]))
        found[i] = count, hit, marked_count - right
    names = ("lesions", "lesions_found", "false_lesions")
    return dict(zip(names, found.T, strict=True))


def measure(mask: np.ndarray, spacing: tuple[float, float, float]) -> pd.DataFrame:
    """Size of every lesion of a volume.

    volume_mm3 counts voxels. longest_mm is the longest diameter on one slice and
    across_mm the width perpendicular to it there, as RECIST 1.1 and WHO measure them;
    both from pixel centre to pixel centre plus half a pixel.

    Args:
        spacing: mm between slices, rows and columns.

    Shape:
        mask: (D, H, W) of 0 and 1

    Returns:
        A row a lesion, largest first: volume_mm3, voxels, slices, longest_mm,
        across_mm, slice (of the longest diameter), at_edge (touches the first or the
        last slice, so that it may go on).

    Raises:
        ValueError: not a volume, or a spacing that is not above 0.

    Source: Eisenhauer et al., Eur. J. Cancer 45 (2009) 228-247 (RECIST 1.1).
    """
    mask = np.asarray(mask)
    if mask.ndim != 3:
        raise ValueError(f"mask must be (D, H, W), got {mask.shape}")
    if len(spacing) != 3 or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise ValueError(f"spacing must be three numbers above 0 mm, got {spacing}")
    labels, count = components(mask)
    rows = []
    for number, box in enumerate(find_objects(labels, count), 1):
        one = labels[box] == number
        lengths = [diameters(plane, spacing[1:]) for plane in one]
        longest = int(np.argmax([length for length, _ in lengths]))
        voxels = int(one.sum())
        volume = voxels * float(np.prod(spacing))
        first, last = box[0].start, box[0].stop
        at_edge = first == 0 or last == len(mask)
        place = (*lengths[longest], first + longest, at_edge)
        rows.append((volume, voxels, len(one), *place))
    table = pd.DataFrame(rows, columns=MEASURED)
    return table.sort_values("volume_mm3", ascending=False, ignore_index=True)


def diameters(plane: np.ndarray, spacing: tuple[float, float]) -> tuple[float, float]:
    """Longest diameter of what is marked on one slice, and across it, in mm.

    Args:
        plane: (H, W) of 0 and 1.
        spacing: mm between rows and between columns.
    """
    hull = np.argwhere(plane) * spacing
    if not len(hull):
        return 0.0, 0.0
    # on a line all points stay
    if len(hull) > 3 and np.linalg.matrix_rank(hull - hull[0], tol=1e-6) == 2:
        hull = hull[ConvexHull(hull).vertices]
    i, j = np.unravel_index(np.argmax(squareform(pdist(hull))), (len(hull),) * 2)
    along = hull[j] - hull[i] if i != j else np.array((0.0, 1.0))
    along = along / np.linalg.norm(along)
    across = np.array((-along[1], along[0]))
    # between the outermost centres, and half a pixel more: the border lies up to one
    # pixel outside of them, half on average
    longest, width = (
        float(np.ptp(hull @ direction) + 0.5 * np.abs(direction) @ spacing)
        for direction in (along, across)
    )
    return longest, width
