"""A folder of DICOM files to series of slices in Hounsfield units, and the window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionkit.datasets.dicom.files import dicom_files, frame_hu, open_dicom
from lesionkit.datasets.dicom.headers import (
    Header,
    headers_of,
    ordered,
    remark_gaps,
    remark_tags,
    windows_of,
    without_repeated,
)
from lesionkit.lookup import find

MEDIASTINAL = {"center": 50.0, "width": 350.0}  # paper B: W350 L50
NOT_IMAGES = ("SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "SR", "PR", "KO", "REG")

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
    allowed = width >= 1 if function == "LINEAR" else width > 0
    if not (allowed and np.isfinite(width) and np.isfinite(center)):
        limit = "1 or more" if function == "LINEAR" else "more than 0"
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


@dataclass(frozen=True)
class Series:
    """The slices of one series in the order of their position along the normal.

    Attributes:
        uid: SeriesInstanceUID; "" where the header was stripped of it.
        patient: PatientID, "" where unknown.
        study: StudyInstanceUID, "" where unknown.
        frame_of_reference: FrameOfReferenceUID, "" where unknown.
        paths, frames, instances: file, frame in it, SOPInstanceUID of each slice.
        positions: (N, 3) mm, centre of each slice's first pixel; NaN where unknown.
        orientation: (6,) direction of a row and of a column, as the tag has it.
        spacing: mm between the centres of rows and of columns; NaN where unknown.
        windows: (center, width) pairs that the first slice's header offers.
        remarks: what is unusual, a line each.
    """

    uid: str
    patient: str
    study: str
    frame_of_reference: str
    paths: tuple[Path, ...]
    frames: tuple[int, ...]
    instances: tuple[str, ...]
    positions: np.ndarray
    orientation: np.ndarray
    spacing: tuple[float, float]
    windows: tuple[tuple[float, float], ...]
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

    def hu(self) -> np.ndarray:
        """Every slice in Hounsfield units, (N, H, W) float32."""
        return np.stack([self.slice_hu(i) for i in range(len(self))])

    def slice_hu(self, i: int) -> np.ndarray:
        """Slice `i` in Hounsfield units, (H, W) float32; padding is air.

        Raises:
            ValueError: as `dicom_files.frame_hu`.
        """
        return frame_hu(self.paths[i], self.frames[i])


def read_series(folder: Path) -> list[Series]:
    """Every image series in or below a folder, longest first.

    Slices belong together by SeriesInstanceUID and are ordered by their position
    along the normal, whatever the files are called. Where no slice has a position,
    SliceLocation or InstanceNumber order them, which is said in the remarks.

    Raises:
        FileNotFoundError: no DICOM image in the folder.
        ValueError: a file that cannot be read, a series of several sizes or
            orientations, two different slices at one place, or no order.
    """
    by_series: dict[str, list[Header]] = {}
    scouts: dict[str, int] = {}
    for path in dicom_files(folder):
        dataset = open_dicom(path, pixels=False)
        if dataset.get("Modality") in NOT_IMAGES or "Rows" not in dataset:
            continue
        uid = str(dataset.get("SeriesInstanceUID", "")) or f"?{path.parent}"
        if "LOCALIZER" in (dataset.get("ImageType") or ()):
            scouts[uid] = scouts.get(uid, 0) + 1
            continue
        by_series.setdefault(uid, []).extend(headers_of(dataset, path))
    if not by_series:
        raise FileNotFoundError(f"no DICOM image in {folder} or below")
    series = [
        _series(uid, headers, scouts.get(uid, 0)) for uid, headers in by_series.items()
    ]
    return sorted(series, key=lambda s: (-len(s), s.uid))


def _series(uid: str, headers: list[Header], scouts: int) -> Series:
    """The slices of one series, ordered and checked, and how many scouts it had."""
    first, orientation = headers[0], _shared_orientation(headers)
    normal = np.cross(orientation[:3], orientation[3:])
    remarks: list[str] = []
    headers, heights = ordered(headers, normal, remarks)
    headers, heights = without_repeated(headers, heights, remarks)
    remark_gaps(heights, remarks)
    remark_tags(uid, headers, remarks)
    if scouts:
        remarks.append(f"{scouts} scout image(s) left out")
    unknown = (np.nan, np.nan, np.nan)
    rows_mm, columns_mm = first.spacing or unknown[:2]
    return Series(
        uid="" if uid[:1] == "?" else uid,
        patient=str(first.dataset.get("PatientID") or ""),
        study=str(first.dataset.get("StudyInstanceUID") or ""),
        frame_of_reference=str(first.dataset.get("FrameOfReferenceUID") or ""),
        paths=tuple(h.path for h in headers),
        frames=tuple(h.frame for h in headers),
        instances=tuple(str(h.dataset.get("SOPInstanceUID") or "") for h in headers),
        positions=np.array([h.position or unknown for h in headers]),
        orientation=orientation,
        spacing=(rows_mm, columns_mm),
        windows=windows_of(headers[0]),
        remarks=tuple(remarks),
    )


def _shared_orientation(headers: list[Header]) -> np.ndarray:
    """The (6,) orientation of all slices; refused are several of them, or of sizes."""
    first, where = headers[0], headers[0].path.parent
    sizes = {(int(h.dataset.Rows), int(h.dataset.Columns)) for h in headers}
    if len(sizes) > 1:
        named = " and ".join(f"{rows} x {columns}" for rows, columns in sorted(sizes))
        raise ValueError(f"{where}: one series with slices of {named} pixels")
    orientation = np.array(first.orientation or (1, 0, 0, 0, 1, 0), float)
    for header in headers:
        other = header.orientation or orientation
        if not np.allclose(other, orientation, atol=1e-3):
            raise ValueError(
                f"{where}: one series with several orientations, "
                f"{first.path.name} and {header.path.name}"
            )
    return orientation
