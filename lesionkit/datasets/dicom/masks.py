"""Masks of a CT series from DICOM SEG, RTSTRUCT, NIfTI, PNG or .npy files.

What the files need beyond pydicom comes with the extra `ct`: highdicom for SEG,
scikit-image for the contours of RTSTRUCT, nibabel for NIfTI.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from lesionkit.datasets.dicom.files import (
    ORIENTATION,
    POSITION,
    dicom_files,
    of_frame,
    open_dicom,
)
from lesionkit.datasets.dicom.series import Series
from lesionkit.datasets.pairs import is_visible
from lesionkit.datasets.pictures.images import read_array, read_mask
from lesionkit.extras import install
from lesionkit.lookup import one_line

GRID_MM = 0.1  # how far a mask's grid may be off the series' grid
SEGMENT = ("SegmentIdentificationSequence", "ReferencedSegmentNumber")
LESION_NAMES = r"nodul|tumou?r|lesion|gtv|neoplas|cancer|carcinom|mass"


def read_masks(
    folder: Path, series: Series, structures: Sequence[str] = ()
) -> dict[int, np.ndarray]:
    """The labelled slices of a series: position in it to mask.

    SEG, RTSTRUCT and NIfTI label every slice; masks/<stem of the slice's file>.png or
    .npy the slices that they name. Of several structures those count that `structures`
    names; without it those named as a lesion, or the only one. Files are united.

    Args:
        folder: of one patient, searched with the folders below it.
        structures: names, with * and ?, in any case.

    Shape:
        returns: each mask (H, W) uint8 of 0 and 1

    Raises:
        FileNotFoundError: no mask file at all.
        ImportError: a file needs a package of the extra `ct`; the text names it.
        ValueError: a file that cannot be read, lies on another grid, belongs to other
            slices, or has several structures and none is chosen.
    """
    found: list[dict[int, np.ndarray]] = []
    for path in dicom_files(folder):
        modality = open_dicom(path, pixels=False).get("Modality")
        if modality in ("SEG", "RTSTRUCT"):
            read = from_seg if modality == "SEG" else from_rtstruct
            found.append(read(path, series, structures))
    volumes = [*folder.rglob("*.nii"), *folder.rglob("*.nii.gz")]
    found += [from_nifti(path, series) for path in sorted(filter(is_visible, volumes))]
    found += _from_pictures(folder, series)
    if not found:
        raise FileNotFoundError(
            f"no mask in {folder}: a DICOM SEG or RTSTRUCT, a .nii or .nii.gz, or "
            "masks/<name of the slice's file>.png or .npy"
        )
    union: dict[int, np.ndarray] = {}
    for i, mask in (pair for masks in found for pair in masks.items()):
        union[i] = union[i] | mask if i in union else mask
    return dict(sorted(union.items()))


def from_seg(
    path: Path, series: Series, structures: Sequence[str] = ()
) -> dict[int, np.ndarray]:
    """A DICOM SEG: binary frames as they are, fractional ones cut at half.

    A frame belongs to the slice whose position it states.

    Raises:
        ImportError, ValueError: as `read_masks`.
    """
    segmentation = _package("highdicom", path).seg
    try:
        seg = segmentation.segread(path)
    except Exception as error:  # noqa: BLE001 - highdicom is strict in many ways
        reason = one_line(error, longest=160)
        raise ValueError(
            f"{path}: not a DICOM SEG that can be read: {reason}"
        ) from error
    names = {int(s.SegmentNumber): str(s.SegmentLabel) for s in seg.SegmentSequence}
    numbers = _chosen(path, names, structures)
    shape = (int(seg.Rows), int(seg.Columns))
    own = series.slice_hu(0).shape
    if own != shape:
        raise ValueError(f"{path}: of {shape} pixels, the slices are of {own}")
    masks = {i: np.zeros(shape, np.uint8) for i in range(len(series))}
    half = int(seg.get("MaximumFractionalValue") or 1) / 2
    for n, frame in enumerate(seg.pixel_array.reshape(-1, *shape)):
        if int(of_frame(seg, n, SEGMENT)) in numbers and frame.any():
            position = np.array(of_frame(seg, n, POSITION), float)
            _check_plane(path, series, position, of_frame(seg, n, ORIENTATION))
            i = _slice_at(path, series, float(np.dot(position, series.normal)))
            masks[i] |= (frame > half).astype(np.uint8)
    return masks


def _check_plane(
    path: Path, series: Series, position: np.ndarray, orientation: Any
) -> None:
    """Refuse a frame whose rows or first pixel are not those of the slices."""
    shift = position - series.positions[0]
    aside = shift - np.dot(shift, series.normal) * series.normal
    turned = orientation is not None and not np.allclose(
        np.array(orientation, float), series.orientation, atol=1e-3
    )
    if turned or np.linalg.norm(aside) > GRID_MM:
        raise ValueError(f"{path}: its frames lie on another grid than the slices")


def _slice_at(path: Path, series: Series, height: float) -> int:
    """The slice at a height along the normal, mm; one has to be there."""
    distance = np.abs(series.heights - height)
    i = int(np.argmin(distance))
    limit = 0.5 * series.between if len(series) > 1 else GRID_MM
    if not distance[i] <= limit:
        raise ValueError(f"{path}: marks {height:g} mm, where no slice is")
    return i


def from_rtstruct(
    path: Path, series: Series, structures: Sequence[str] = ()
) -> dict[int, np.ndarray]:
    """An RTSTRUCT: a pixel is inside where its centre is inside a closed contour.

    Contours of one structure on one slice are taken by turns: one within another is a
    hole. Each must lie on a slice that it names, or, where it names none, on a slice
    of the same frame of reference.

    Raises:
        ImportError, ValueError: as `read_masks`.
    """
    draw = _package("skimage.draw", path)
    dataset = open_dicom(path)
    listed = dataset.get("StructureSetROISequence") or []
    names = {int(roi.ROINumber): str(roi.get("ROIName", "")) for roi in listed}
    frames = {str(roi.get("ReferencedFrameOfReferenceUID", "")) for roi in listed}
    numbers = _chosen(path, names, structures)
    shape = series.slice_hu(0).shape
    masks = {i: np.zeros(shape, np.uint8) for i in range(len(series))}
    _check_placed(path, series)
    for roi in dataset.get("ROIContourSequence") or []:
        if int(roi.ReferencedROINumber) not in numbers:
            continue
        drawn: dict[int, np.ndarray] = {}
        for contour in roi.get("ContourSequence") or []:
            if contour.get("ContourGeometricType") != "CLOSED_PLANAR":
                continue
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            i = _slice_of(path, series, contour, points=points, frames=frames)
            shift = points - series.positions[i]
            column = shift @ series.orientation[:3] / series.spacing[1]
            row = shift @ series.orientation[3:] / series.spacing[0]
            inside = draw.polygon2mask(shape, np.stack([row, column], axis=1))
            drawn[i] = drawn.get(i, np.zeros(shape, bool)) ^ inside
        for i, mask in drawn.items():
            masks[i] |= mask.astype(np.uint8)
    return masks


def _check_placed(path: Path, series: Series) -> None:
    """Refuse slices of which nobody knows where they are."""
    if np.isnan(series.spacing).any() or np.isnan(series.positions).any():
        raise ValueError(f"{path}: its slices have no position or no spacing")


def _slice_of(
    path: Path, series: Series, contour: Any, *, points: np.ndarray, frames: set[str]
) -> int:
    """The slice a contour lies on: one that it names, or of its frame of reference."""
    images = contour.get("ContourImageSequence") or []
    named = [image.ReferencedSOPInstanceUID for image in images]
    if not named and series.frame_of_reference not in frames:
        raise ValueError(f"{path}: drawn in another frame of reference")
    height = float(np.mean(points @ series.normal))
    i = _slice_at(path, series, height)
    if named and series.instances[i] not in named:
        raise ValueError(f"{path}: at {height:g} mm it names a slice that is not here")
    return i


def from_nifti(path: Path, series: Series) -> dict[int, np.ndarray]:
    """A NIfTI mask on the series' own grid, in whatever order its axes run.

    Raises:
        ImportError, ValueError: as `read_masks`.
    """
    nibabel = _package("nibabel", path)
    try:
        image = nibabel.load(path)
        values = np.asanyarray(image.dataobj)
    except Exception as error:  # noqa: BLE001 - truncated gzip, wrong magic, ...
        reason = one_line(error, longest=160)
        raise ValueError(f"{path}: not a NIfTI file: {reason}") from error
    height, width = series.slice_hu(0).shape
    _check_placed(path, series)
    lesion = np.zeros((len(series), height, width), np.uint8)
    rows, columns = np.mgrid[:height, :width]
    to_index = np.linalg.inv(image.affine)
    flip = np.array([-1, -1, 1])  # DICOM's axes point left and back, NIfTI's do not
    for i, start in enumerate(series.positions):
        place = start + np.stack(
            [columns * series.spacing[1], rows * series.spacing[0]], -1
        ) @ series.orientation.reshape(2, 3)
        index = (place * flip) @ to_index[:3, :3].T + to_index[:3, 3]
        nearest = np.rint(index).astype(int)
        inside = ((nearest >= 0) & (nearest < values.shape[:3])).all()
        if not inside or np.abs(index - nearest).max() > GRID_MM:
            raise ValueError(f"{path}: its grid of {values.shape} is not the slices'")
        lesion[i] = values[tuple(np.moveaxis(nearest, -1, 0))] > 0
    return dict(enumerate(lesion))


def _from_pictures(folder: Path, series: Series) -> list[dict[int, np.ndarray]]:
    """The slices that masks/ has a picture or an array of, by the file's stem."""
    visible = filter(is_visible, folder.rglob("masks/*"))
    files = [path for path in visible if path.suffix in (".png", ".npy")]
    stems = {path.stem: i for i, path in enumerate(series.paths)}
    unknown = sorted(path.name for path in files if path.stem not in stems)
    if unknown:
        raise ValueError(
            f"{folder}: {len(unknown)} mask(s) belong to no slice: {unknown[0]}"
        )
    found = []
    for path in files:
        is_picture = path.suffix == ".png"
        mask = read_mask(path) if is_picture else (read_array(path) > 0).astype("uint8")
        i = stems[path.stem]
        shape = series.slice_hu(i).shape
        if mask.shape != shape:
            raise ValueError(f"{path}: a mask of {mask.shape}, its slice is of {shape}")
        found.append({i: mask})
    return found


def _package(name: str, path: Path) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        needs = f"{path} needs {name.split('.')[0]}: {install('ct')}"
        raise ImportError(needs) from error


def _chosen(path: Path, names: dict[int, str], wanted: Sequence[str]) -> set[int]:
    """The numbers of the structures that count."""
    pattern = "|".join(translate(w.lower()) for w in wanted) or f".*({LESION_NAMES})"
    found = {n for n, name in names.items() if re.match(pattern, name.lower())}
    if not wanted and len(names) == 1:
        found = set(names)
    if not found:
        listed = ", ".join(names.values()) or "none"
        raise ValueError(
            f"{path}: no structure is named as a lesion; it has {listed}. Name those "
            "that count in structures.txt of the raw folder, one a line"
        )
    return found
