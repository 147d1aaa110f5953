"""A DICOM SEG: binary, fractional or LABELMAP frames placed on a series."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lesionkit.datasets.dicom.annotations import Annotation, Masks
from lesionkit.datasets.dicom.files import ORIENTATION, POSITION, SPACING, of_frame
from lesionkit.datasets.dicom.series import GRID_MM, Series, slice_at
from lesionkit.extras import package
from lesionkit.lookup import one_line

SEGMENT = ("SegmentIdentificationSequence", "ReferencedSegmentNumber")
_SOURCES = ("DerivationImageSequence", "SourceImageSequence")
_NEAR = 0.1  # of the distance of two slices: so far a frame may be off its slice


def open_seg(path: Path) -> Annotation:
    """A SEG with its structures and what it names.

    Raises:
        ImportError: highdicom is not there.
        ValueError: no SEG that can be read.
    """
    segmentation = package("highdicom", path, extra="ct").seg
    try:
        seg = segmentation.segread(path)
    except Exception as error:  # noqa: BLE001 - highdicom is strict in many ways
        reason = one_line(error, longest=160)
        raise ValueError(
            f"{path}: not a DICOM SEG that can be read: {reason}"
        ) from error
    names = {int(s.SegmentNumber): str(s.SegmentLabel) for s in seg.SegmentSequence}
    if _is_labelmap(seg):
        names.pop(0, None)  # the background may be described as segment 0
    listed = list(seg.get("ReferencedSeriesSequence") or [])
    instances = {
        str(i.ReferencedSOPInstanceUID)
        for item in listed
        for i in item.get("ReferencedInstanceSequence") or []
    }
    return Annotation(
        path,
        read=lambda series, numbers: _read(path, seg, series, numbers),
        names=names,
        series_uids=frozenset(str(item.SeriesInstanceUID) for item in listed),
        instances=frozenset(instances | set(_sources(seg))),
        frames=frozenset({str(seg.get("FrameOfReferenceUID") or "")} - {""}),
    )


def _is_labelmap(seg: Any) -> bool:
    return str(seg.get("SegmentationType")) == "LABELMAP"


def _sources(seg: Any) -> Iterator[str]:
    """The slices that frames were drawn on."""
    shared = list(seg.get("SharedFunctionalGroupsSequence") or [])
    for group in [*shared, *(seg.get("PerFrameFunctionalGroupsSequence") or [])]:
        for derivation in group.get(_SOURCES[0]) or []:
            for source in derivation.get(_SOURCES[1]) or []:
                yield str(source.ReferencedSOPInstanceUID)


def _read(path: Path, seg: Any, series: Series, numbers: set[int]) -> Masks:
    """The masks of the segments with these numbers."""
    shape = (int(seg.Rows), int(seg.Columns))
    if series.shape != shape:
        raise ValueError(f"{path}: of {shape} pixels, the slices are of {series.shape}")
    masks = {i: np.zeros(shape, np.uint8) for i in range(len(series))}
    half = int(seg.get("MaximumFractionalValue") or 1) / 2
    labelmap = _is_labelmap(seg)
    for n, frame in enumerate(seg.pixel_array.reshape(-1, *shape)):
        if labelmap:
            lesion = np.isin(frame, list(numbers))
        elif (number := of_frame(seg, n, SEGMENT)) is None:
            raise ValueError(f"{path}: frame {n + 1} names no segment")
        else:
            lesion = (frame > half) & (int(number) in numbers)
        if lesion.any():
            masks[_placed(path, seg, n, series)] |= lesion.astype(np.uint8)
    return masks


def _placed(path: Path, seg: Any, n: int, series: Series) -> int:
    """The slice of a frame; one whose rows or first pixel are others' is refused."""
    position = of_frame(seg, n, POSITION)
    if position is None:
        raise ValueError(f"{path}: frame {n + 1} has no position")
    place = np.array(position, float)
    shift = place - series.positions[0]
    aside = shift - np.dot(shift, series.normal) * series.normal
    orientation, spacing = (of_frame(seg, n, tag) for tag in (ORIENTATION, SPACING))
    turned = orientation is not None and not np.allclose(
        np.array(orientation, float), series.orientation, atol=1e-3
    )
    scaled = spacing is not None and not np.allclose(
        np.array(spacing, float), series.spacing, rtol=0.01, equal_nan=True
    )
    if turned or scaled or np.linalg.norm(aside) > GRID_MM:
        raise ValueError(f"{path}: its frames lie on another grid than the slices")
    return slice_at(path, series, float(np.dot(place, series.normal)), within=_NEAR)
