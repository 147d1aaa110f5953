"""The headers of a series' slices: ordered, checked, and what is unusual in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from lesionkit.datasets.dicom.files import (
    ORIENTATION,
    POSITION,
    SPACING,
    frame_hu,
    numbers_of_frame,
)

_SAME_MM = 0.01  # two positions nearer than this are one


@dataclass(frozen=True)
class Header:
    """What the header says of one frame."""

    path: Path
    frame: int
    dataset: pydicom.Dataset
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None


def headers_of(dataset: pydicom.Dataset, path: Path) -> Iterator[Header]:
    """One header a frame.

    Raises:
        ValueError: a picture in colour, which is no CT slice.
    """
    if int(dataset.get("SamplesPerPixel", 1)) != 1:
        raise ValueError(f"{path}: a colour picture, not a CT slice")
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if not photometric.startswith("MONOCHROME"):
        raise ValueError(f"{path}: photometric {photometric}, not a CT slice")
    for frame in range(int(dataset.get("NumberOfFrames") or 1)):
        yield Header(
            path,
            frame,
            dataset,
            position=numbers_of_frame(dataset, frame, POSITION, count=3),
            orientation=numbers_of_frame(dataset, frame, ORIENTATION, count=6),
            spacing=numbers_of_frame(dataset, frame, SPACING, count=2),
        )


def ordered(
    headers: list[Header], normal: np.ndarray, remarks: list[str]
) -> tuple[list[Header], np.ndarray]:
    """The headers by growing height, and the heights; NaN where there are none.

    Args:
        normal: (3,) unit vector across the slices.
        remarks: gets a line where something else than the position orders them.

    Raises:
        ValueError: only some have a position, or nothing orders them.
    """
    where = headers[0].path.parent
    placed = [h.position for h in headers if h.position is not None]
    if len(placed) == len(headers):
        heights = np.array([np.dot(position, normal) for position in placed])
        order = np.argsort(heights, kind="stable")
        return [headers[i] for i in order], heights[order]
    lacking = [h for h in headers if h.position is None]
    if placed:
        raise ValueError(
            f"{where}: {len(lacking)} of {len(headers)} slices have no "
            f"ImagePositionPatient, {lacking[0].path.name} for one"
        )
    unknown = np.full(len(headers), np.nan)
    if len(headers) == 1 or len({h.path for h in headers}) == 1:
        remarks.append("no ImagePositionPatient: frames in the order of the file")
        return headers, unknown
    for name in ("SliceLocation", "InstanceNumber"):
        values = [h.dataset.get(name) for h in headers]
        pairs = list(zip(values, headers, strict=True))
        keys = [(float(v), h.frame) for v, h in pairs if v not in (None, "")]
        if len(set(keys)) == len(headers):
            remarks.append(f"no ImagePositionPatient: slices ordered by {name}")
            order = sorted(range(len(headers)), key=keys.__getitem__)
            return [headers[i] for i in order], unknown
    raise ValueError(
        f"{where}: {len(headers)} slices without ImagePositionPatient, SliceLocation "
        "or InstanceNumber have no order"
    )


def without_repeated(
    headers: list[Header], heights: np.ndarray, remarks: list[str]
) -> tuple[list[Header], np.ndarray]:
    """Each place once; a picture that is there twice is said in the remarks.

    Raises:
        ValueError: two different pictures at one place.
    """
    kept, dropped = [0], 0
    for i in range(1, len(headers)):
        if not abs(heights[i] - heights[kept[-1]]) < _SAME_MM:  # NaN is no place
            kept.append(i)
            continue
        one, other = headers[kept[-1]], headers[i]
        first, second = (frame_hu(h.path, h.frame) for h in (one, other))
        if one.position != other.position or not np.array_equal(first, second):
            raise ValueError(
                f"{one.path.parent}: two different slices at {heights[i]:g} mm: "
                f"{one.path.name} and {other.path.name}"
            )
        dropped += 1
    if dropped:
        remarks.append(f"{dropped} repeated slice(s) left out")
    return [headers[i] for i in kept], heights[kept]


def remark_gaps(heights: np.ndarray, remarks: list[str]) -> None:
    """Say where slices are missing."""
    steps = np.diff(heights)
    if len(steps) < 2 or np.isnan(steps).any():
        return
    usual = float(np.median(steps))
    for i in np.flatnonzero(steps > 1.5 * usual):
        remarks.append(
            f"about {round(steps[i] / usual) - 1} slice(s) missing between "
            f"{heights[i]:g} and {heights[i + 1]:g} mm"
        )


def remark_tags(uid: str, headers: list[Header], remarks: list[str]) -> None:
    """Say which tags are not there, and what the pixels went through."""
    datasets = [header.dataset for header in headers]
    if uid[:1] == "?":
        remarks.append("no SeriesInstanceUID: the files of a folder are one series")
    for name in ("Modality", "PatientID"):
        if not all(dataset.get(name) for dataset in datasets):
            remarks.append(f"no {name}")
    if any(header.spacing is None for header in headers):
        remarks.append("no PixelSpacing: no sizes in mm")
    if len({header.spacing for header in headers}) > 1:
        remarks.append("PixelSpacing differs between slices; the first one's is taken")
    enhanced = [h for h in headers if "SharedFunctionalGroupsSequence" in h.dataset]
    if not enhanced and not all("RescaleIntercept" in d for d in datasets):
        remarks.append("no rescale: stored values are taken for Hounsfield units")
    if any(d.get("PhotometricInterpretation") == "MONOCHROME1" for d in datasets):
        remarks.append("MONOCHROME1: shown inverted elsewhere; the values are not")
    if any(d.get("LossyImageCompression") == "01" for d in datasets):
        remarks.append("pixels went through lossy compression")


def windows_of(header: Header) -> tuple[tuple[float, float], ...]:
    """Every (center, width) of the header; a tag may hold several."""
    found = [header.dataset.get(name) for name in ("WindowCenter", "WindowWidth")]
    if any(value is None or value == "" for value in found):
        return ()
    lists = [np.atleast_1d(np.array(value, float)) for value in found]
    return tuple((float(c), float(w)) for c, w in zip(*lists, strict=False))
