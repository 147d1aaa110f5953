"""An RTSTRUCT: closed contours filled on the slices of a series.

A pixel is inside where its centre is inside. CLOSEDPLANAR_XOR contours of one structure
on one slice are combined by exclusive or. Of others a contour all within another is a
hole, one within that hole is marked again; contours that overlap in part are united,
and one that is there twice counts once. A hole by a narrow channel (keyhole) is part of
its one contour. Each must lie on a slice that it names, or, where it names none, on a
slice of the same frame of reference.

Source: DICOM PS3.3, C.8.8.6.1 and C.8.8.6.3.
Chosen: the standard has no holes of CLOSED_PLANAR contours but by keyhole; many
planning systems write them so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lesionkit.datasets.dicom.annotations import Annotation, Masks
from lesionkit.datasets.dicom.files import open_dicom
from lesionkit.datasets.dicom.series import Series, check_placed, slice_at
from lesionkit.extras import package

# Closed contours by the standard, and one that planning systems write for contours
# that they drew between two others; it is filled as the first.
CLOSED = ("CLOSED_PLANAR", "INTERPOLATED_PLANAR")
XOR = "CLOSEDPLANAR_XOR"
OPEN = ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR")
_NEAR = 0.25  # of the distance of two slices: so far an unnamed contour may be off


def open_rtstruct(path: Path) -> Annotation:
    """An RTSTRUCT with its structures and what it names.

    Raises:
        ValueError: it cannot be read.
    """
    dataset = open_dicom(path)
    listed = dataset.get("StructureSetROISequence") or []
    names = {int(roi.ROINumber): str(roi.get("ROIName", "")) for roi in listed}
    frames = {str(roi.get("ReferencedFrameOfReferenceUID") or "") for roi in listed}
    series = {
        str(item.SeriesInstanceUID)
        for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []
        for study in frame.get("RTReferencedStudySequence") or []
        for item in study.get("RTReferencedSeriesSequence") or []
    }
    images = {
        uid
        for roi in dataset.get("ROIContourSequence") or []
        for contour in roi.get("ContourSequence") or []
        for uid in _named(contour)
    }
    return Annotation(
        path,
        read=lambda series, numbers: _read(path, dataset, series, numbers),
        names=names,
        series_uids=frozenset(series),
        instances=frozenset(images),
        frames=frozenset(frames - {""}),
    )


def _named(contour: Any) -> list[str]:
    """The slices that a contour says it lies on."""
    images = contour.get("ContourImageSequence") or []
    return [str(image.ReferencedSOPInstanceUID) for image in images]


def _read(path: Path, dataset: Any, series: Series, numbers: set[int]) -> Masks:
    """The masks of the structures with these numbers."""
    check_placed(path, series)
    listed = dataset.get("StructureSetROISequence") or []
    frames = {str(roi.get("ReferencedFrameOfReferenceUID", "")) for roi in listed}
    masks = {i: np.zeros(series.shape, np.uint8) for i in range(len(series))}
    for roi in dataset.get("ROIContourSequence") or []:
        if int(roi.ReferencedROINumber) not in numbers:
            continue
        drawn: dict[int, list[np.ndarray]] = {}
        contours = list(_closed(path, roi))
        for contour in contours:
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            i = _slice_of(path, series, contour, points=points, frames=frames)
            drawn.setdefault(i, []).append(_filled(path, series, i, points))
        exclusive = {str(c.ContourGeometricType).strip() == XOR for c in contours}
        if len(exclusive) > 1:
            raise ValueError(
                f"{path}: structure {roi.ReferencedROINumber} has contours of {XOR} "
                "and of CLOSED_PLANAR; all of one kind are allowed"
            )
        for i, areas in drawn.items():
            area = np.logical_xor.reduce(areas) if True in exclusive else _nested(areas)
            masks[i] |= area.astype(np.uint8)
    return masks


def _closed(path: Path, roi: Any) -> Iterator[Any]:
    """The closed contours of a structure; one of a kind that is unknown is refused."""
    found = list(roi.get("ContourSequence") or [])
    kinds = [str(c.get("ContourGeometricType", "")).strip() for c in found]
    if odd := [kind for kind in kinds if kind not in (*CLOSED, XOR, *OPEN)]:
        raise ValueError(
            f"{path}: structure {roi.ReferencedROINumber} has a contour of the type "
            f"{odd[0]!r}; allowed are {', '.join((*CLOSED, XOR))}"
        )
    if kinds and all(kind in OPEN for kind in kinds):
        raise ValueError(
            f"{path}: structure {roi.ReferencedROINumber} has contours of the types "
            f"{', '.join(sorted(set(kinds)))} alone: they hold no pixels; name other "
            "structures in structures.txt of the raw folder"
        )
    for contour, kind in zip(found, kinds, strict=True):
        if kind not in OPEN:
            yield contour


def _filled(path: Path, series: Series, i: int, points: np.ndarray) -> np.ndarray:
    """The pixels of slice `i` whose centres lie inside of the polygon."""
    draw = package("skimage.draw", path, extra="ct")
    shift = points - series.positions[i]
    column = shift @ series.orientation[:3] / series.spacing[1]
    row = shift @ series.orientation[3:] / series.spacing[0]
    return draw.polygon2mask(series.shape, np.stack([row, column], axis=1))


def _nested(areas: Sequence[np.ndarray]) -> np.ndarray:
    """Areas united, but one all within others is a hole, an island in it marked."""
    kept: list[np.ndarray] = []
    for area in areas:
        if area.any() and not any(np.array_equal(area, other) for other in kept):
            kept.append(area)
    result = np.zeros(areas[0].shape, bool)
    kept.sort(key=lambda area: -int(area.sum()))
    for k, area in enumerate(kept):
        depth = sum(not (area & ~outer).any() for outer in kept[:k])
        if depth % 2:
            result &= ~area
        else:
            result |= area
    return result


def _slice_of(
    path: Path, series: Series, contour: Any, *, points: np.ndarray, frames: set[str]
) -> int:
    """The slice a contour lies on: one that it names, or of its frame of reference."""
    named = _named(contour)
    if not named and series.frame_of_reference not in frames:
        raise ValueError(f"{path}: drawn in another frame of reference")
    heights = points @ series.normal
    height = float(np.mean(heights))
    if np.ptp(heights) > max(0.5 * series.between if len(series) > 1 else 0, 1.0):
        raise ValueError(
            f"{path}: a contour from {heights.min():g} to {heights.max():g} mm does "
            "not lie in a slice"
        )
    i = slice_at(path, series, height, within=0.5 if named else _NEAR)
    if named and series.instances[i] not in named:
        raise ValueError(f"{path}: at {height:g} mm it names a slice that is not here")
    return i
