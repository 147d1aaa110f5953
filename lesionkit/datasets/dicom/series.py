"""The slices of a CT series: found, ordered, checked, and what is unusual in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom

from lesionkit.datasets.dicom.files import (
    ORIENTATION,
    POSITION,
    SPACING,
    dicom_files,
    frame_hu,
    numbers_of_frame,
    open_dicom,
)
from lesionkit.datasets.dicom.kinds import is_image, why_no_ct

GRID_MM = 0.1  # how far a mask's grid may be off the series' grid
_SAME_MM = 0.01  # two positions nearer than this are one


@dataclass(frozen=True)
class Series:
    """The slices of one series in the order of their position along the normal.

    Attributes:
        uid: SeriesInstanceUID; "" where the header was stripped of it.
        frame_of_reference: FrameOfReferenceUID, "" where unknown.
        paths, frames, instances: file, frame in it, SOPInstanceUID of each slice.
        positions: (N, 3) mm, centre of each slice's first pixel; NaN where unknown.
        orientation: (6,) direction of a row and of a column, as the tag has it.
        spacing: mm between the centres of rows and of columns; NaN where unknown.
        shape: (H, W) of a slice.
        description: SeriesDescription, "" where there is none.
        remarks: what is unusual, a line each.
    """

    uid: str
    frame_of_reference: str
    paths: tuple[Path, ...]
    frames: tuple[int, ...]
    instances: tuple[str, ...]
    positions: np.ndarray
    orientation: np.ndarray
    spacing: tuple[float, ...]
    shape: tuple[int, int]
    description: str
    remarks: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def normal(self) -> np.ndarray:
        """(3,) unit vector across the slices."""
        return np.cross(self.orientation[:3], self.orientation[3:])

    @property
    def heights(self) -> np.ndarray:
        """(N,) mm along the normal, growing; NaN where positions are unknown."""
        return self.positions @ self.normal

    @property
    def between(self) -> float:
        """Median distance of neighbouring slices, mm; NaN where unknown."""
        return float(np.median(np.diff(self.heights))) if len(self) > 1 else np.nan

    def slice_hu(self, i: int) -> np.ndarray:
        """Slice `i` in Hounsfield units, (H, W) float32; padding is air.

        Raises:
            ValueError: as `files.frame_hu`.
        """
        return frame_hu(self.paths[i], self.frames[i])


@dataclass(frozen=True)
class Scan:
    """What the DICOM files of a folder are.

    Attributes:
        series: of CT, longest first.
        annotations: SEG and RTSTRUCT files, each with its modality.
        broken: series that cannot be read, the reason of each by its UID.
    """

    series: list[Series]
    annotations: list[tuple[Path, str]]
    broken: dict[str, str]


def read_series(folder: Path) -> list[Series]:
    """Every CT series in or below a folder, longest first.

    Slices belong together by SeriesInstanceUID and are ordered by their position
    along the normal, whatever the files are called. Where no slice has a position,
    SliceLocation or InstanceNumber order them. What is no CT in Hounsfield units
    (PET, MR, scouts, dose reports, screenshots) is left out. The remarks say so.

    Raises:
        FileNotFoundError: no CT image in the folder.
        ValueError: a file that cannot be read; or no series without several sizes,
            several orientations, two different slices at one place, or no order.
    """
    return scan(folder).series


def scan(folder: Path) -> Scan:
    """The CT series and the annotations of a folder; errors as `read_series`."""
    by_series: dict[str, list[_Header]] = {}
    others: Counter[str] = Counter()
    annotations: list[tuple[Path, str]] = []
    for path in dicom_files(folder):
        dataset = open_dicom(path, pixels=False)
        if (modality := str(dataset.get("Modality"))) in ("SEG", "RTSTRUCT"):
            annotations.append((path, modality))
        if not is_image(dataset):
            continue
        if other := why_no_ct(dataset):
            others[other] += 1
            continue
        uid = str(dataset.get("SeriesInstanceUID", "")) or f"?{path.parent}"
        by_series.setdefault(uid, []).extend(_headers_of(dataset, path))
    left = [f"{count} {what} left out" for what, count in sorted(others.items())]
    if not by_series:
        what = f"no CT image in {folder} or below: {', '.join(left)}"
        none = f"no DICOM image in {folder} or below"
        raise FileNotFoundError(what if left else none)
    series, broken = [], {}
    for uid, found in by_series.items():
        try:
            series.append(_series(uid, found))
        except ValueError as error:
            broken[uid] = str(error)
    if not series:
        raise ValueError(next(iter(broken.values())))
    left += [f"series {uid} left out: {why}" for uid, why in broken.items()]
    series = [replace(s, remarks=(*s.remarks, *left)) for s in series]
    return Scan(sorted(series, key=lambda s: (-len(s), s.uid)), annotations, broken)


def _series(uid: str, headers: list[_Header]) -> Series:
    """The slices of one series, ordered and checked."""
    first, orientation = headers[0], _shared_orientation(headers)
    normal = np.cross(orientation[:3], orientation[3:])
    remarks: list[str] = []
    headers, heights = _ordered(headers, normal, remarks)
    headers, heights = _without_repeated(headers, heights, remarks)
    remarks += [*_gaps(heights), *_unusual_tags(uid, headers)]
    unknown = (np.nan, np.nan, np.nan)
    return Series(
        uid="" if uid[:1] == "?" else uid,
        frame_of_reference=str(first.dataset.get("FrameOfReferenceUID") or ""),
        paths=tuple(h.path for h in headers),
        frames=tuple(h.frame for h in headers),
        instances=tuple(str(h.dataset.get("SOPInstanceUID") or "") for h in headers),
        positions=np.array([h.position or unknown for h in headers]),
        orientation=orientation,
        spacing=first.spacing or unknown[:2],
        shape=(int(first.dataset.Rows), int(first.dataset.Columns)),
        description=str(first.dataset.get("SeriesDescription") or "").strip(),
        remarks=tuple(remarks),
    )


def _shared_orientation(headers: list[_Header]) -> np.ndarray:
    """The (6,) orientation of all slices; refused are several of them, or of sizes."""
    first, where = headers[0], headers[0].path.parent
    sizes = {(int(h.dataset.Rows), int(h.dataset.Columns)) for h in headers}
    if len(sizes) > 1:
        named = " and ".join(f"{rows} x {columns}" for rows, columns in sorted(sizes))
        raise ValueError(f"{where}: one series with slices of {named} pixels")
    orientation = np.array(first.orientation or (1, 0, 0, 0, 1, 0), float)
    for h in headers:
        if not np.allclose(h.orientation or orientation, orientation, atol=1e-3):
            raise ValueError(
                f"{where}: one series with several orientations, "
                f"{first.path.name} and {h.path.name}"
            )
    return orientation


@dataclass(frozen=True)
class _Header:
    """What the header says of one frame."""

    path: Path
    frame: int
    dataset: pydicom.Dataset
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None


def _headers_of(dataset: pydicom.Dataset, path: Path) -> Iterator[_Header]:
    """One header a frame."""
    for frame in range(int(dataset.get("NumberOfFrames") or 1)):
        yield _Header(
            path,
            frame,
            dataset,
            position=numbers_of_frame(dataset, frame, POSITION, count=3),
            orientation=numbers_of_frame(dataset, frame, ORIENTATION, count=6),
            spacing=numbers_of_frame(dataset, frame, SPACING, count=2),
        )


def _ordered(
    headers: list[_Header], normal: np.ndarray, remarks: list[str]
) -> tuple[list[_Header], np.ndarray]:
    """The headers by growing height, and the heights; NaN where there are none."""
    where = headers[0].path.parent
    placed = [h.position for h in headers if h.position is not None]
    lacking = [h for h in headers if h.position is None]
    if not lacking:
        heights = np.array([np.dot(position, normal) for position in placed])
        order = np.argsort(heights, kind="stable")
        return [headers[i] for i in order], heights[order]
    if placed:
        raise ValueError(
            f"{where}: {len(lacking)} of {len(headers)} slices have no "
            f"ImagePositionPatient, {lacking[0].path.name} for one"
        )
    unknown = np.full(len(headers), np.nan)
    if len({h.path for h in headers}) == 1:
        remarks.append("no ImagePositionPatient: frames in the order of the file")
        return headers, unknown
    for name in ("SliceLocation", "InstanceNumber"):
        named = [h for h in headers if h.dataset.get(name) not in (None, "")]
        keys = [(float(h.dataset[name].value), h.frame) for h in named]
        if len(set(keys)) == len(headers):
            remarks.append(f"no ImagePositionPatient: slices ordered by {name}")
            order = sorted(range(len(headers)), key=keys.__getitem__)
            return [headers[i] for i in order], unknown
    raise ValueError(
        f"{where}: {len(headers)} slices without ImagePositionPatient, SliceLocation "
        "or InstanceNumber have no order"
    )


def _without_repeated(
    headers: list[_Header], heights: np.ndarray, remarks: list[str]
) -> tuple[list[_Header], np.ndarray]:
    """Each place once; two different pictures at one place are refused."""
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


def _gaps(heights: np.ndarray) -> Iterator[str]:
    """Where slices are missing, a line each."""
    steps = np.diff(heights)
    if len(steps) < 2 or np.isnan(steps).any():
        return
    usual = float(np.median(steps))
    for i in np.flatnonzero(steps > 1.5 * usual):
        yield (
            f"about {round(steps[i] / usual) - 1} slice(s) missing between "
            f"{heights[i]:g} and {heights[i + 1]:g} mm"
        )


def _unusual_tags(uid: str, headers: list[_Header]) -> Iterator[str]:
    """Which tags are not there, and what the pixels went through, a line each."""
    datasets = [header.dataset for header in headers]
    spacings = {header.spacing for header in headers}
    if uid[:1] == "?":
        yield "no SeriesInstanceUID: the files of a folder are one series"
    for name in ("Modality", "PatientID"):
        if not all(dataset.get(name) for dataset in datasets):
            yield f"no {name}"
    if None in spacings:
        yield "no PixelSpacing: no sizes in mm"
    if len(spacings) > 1:
        yield "PixelSpacing differs between slices; the first one's is taken"
    enhanced = any("SharedFunctionalGroupsSequence" in d for d in datasets)
    if not enhanced and not all("RescaleIntercept" in d for d in datasets):
        yield "no rescale: stored values are taken for Hounsfield units"
    if any(d.get("PhotometricInterpretation") == "MONOCHROME1" for d in datasets):
        yield "MONOCHROME1: shown inverted elsewhere; the values are not"
    if any(d.get("LossyImageCompression") == "01" for d in datasets):
        yield "pixels went through lossy compression"


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
