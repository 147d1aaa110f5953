"""Masks of CT series: DICOM SEG, RTSTRUCT, NIfTI, LIDC's XML, pictures, .npy files.

What the files need beyond pydicom comes with the extra `ct`: highdicom for SEG,
scikit-image for the contours of RTSTRUCT, nibabel for NIfTI.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lesionkit.datasets.dicom.annotations import (
    Annotation,
    Masks,
    chosen_structures,
    owners,
)
from lesionkit.datasets.dicom.choosing import IN_SERIES_TXT, described, listed_series
from lesionkit.datasets.dicom.contours import open_rtstruct
from lesionkit.datasets.dicom.drawn import mask_folders
from lesionkit.datasets.dicom.nifti import open_nifti
from lesionkit.datasets.dicom.readers import is_lidc, open_readers
from lesionkit.datasets.dicom.segments import open_seg
from lesionkit.datasets.dicom.series import Scan, Series, scan
from lesionkit.datasets.pairs import is_visible
from lesionkit.datasets.pictures.ignoring import united
from lesionkit.datasets.pictures.lesions import LesionValue
from lesionkit.datasets.pictures.nifti import is_nifti


@dataclass(frozen=True)
class Choice:
    """What the user says of a raw folder's masks.

    Attributes:
        raw: the folder below which series are named.
        series: lines of series.txt: which series count where several do.
        structures: lines of structures.txt: which structures of mask files count.
        values: of lesion_values.txt: which values of a mask are lesion.
        consensus: of consensus.txt: how many readers of LIDC's XML have to agree.
    """

    raw: Path
    series: tuple[str, ...] = ()
    structures: tuple[str, ...] = ()
    values: tuple[LesionValue, ...] = ()
    consensus: str = "majority"


@dataclass(frozen=True)
class Marked:
    """A series with the masks of its labelled slices, and what was left out."""

    series: Series
    masks: Masks
    remarks: tuple[str, ...]


def marked_series(folder: Path, choice: Choice) -> list[Marked]:
    """The series of a patient's folder that its annotations mark.

    An annotation belongs to the series that it names by slices, by series, by its
    frame of reference, or by its grid. SEG, RTSTRUCT and NIfTI label every slice of
    it; masks/<name of the slice's file>.png or .npy the slices that they name. Of
    several structures those count that are listed; without a list those named as a
    lesion, or the only one. Files are united.

    Shape:
        masks: each (H, W) uint8 of 0 and 1, and 255 where it is ignored

    Raises:
        FileNotFoundError: no CT, or no mask file at all.
        ImportError: a file needs a package of the extra `ct`; the text names it.
        ValueError: a file that cannot be read, lies on another grid, belongs to other
            slices, or does not say what is lesion; several series or structures and
            none is listed.
    """
    found = scan(folder)
    listed = listed_series(found.series, choice.series, choice.raw)
    annotations = _annotations(folder, found, choice)
    if not annotations:
        raise FileNotFoundError(
            f"no mask in {folder}: a DICOM SEG or RTSTRUCT, a .nii or .nii.gz, or "
            "masks/<name of the slice's file>.png or .npy, or the XML of LIDC-IDRI"
        )
    chosen, left = chosen_structures(annotations, choice.structures, folder)
    annotations = [a for a in annotations if not a.names or chosen[a.path]]
    of_series: dict[str, list[Annotation]] = {}
    for annotation in annotations:
        for uid in annotation.series_uids & set(found.broken):
            reason = found.broken[uid]
            raise ValueError(f"{annotation.path}: drawn on series {uid}: {reason}")
        theirs = owners(annotation, found.series, listed, choice.raw)
        if not listed or any(series in listed for series in theirs):
            for series in theirs:
                of_series.setdefault(_key(series), []).append(annotation)
        else:
            left.append(f"{annotation.path.name} left out: drawn on {theirs[0].uid}")
    if not of_series:
        raise FileNotFoundError(
            f"no mask in {folder} of the listed series: {'; '.join(left)}"
        )
    marked = [series for series in found.series if _key(series) in of_series]
    if len(marked) > 1 and not listed:
        files = ", ".join(a.path.name for each in of_series.values() for a in each)
        raise ValueError(
            f"{folder}: {files} mark {len(marked)} series: "
            f"{described(marked, choice.raw)}; of those that count, {IN_SERIES_TXT}"
        )
    if others := len(found.series) - len(marked):
        left.append(f"{others} other CT series left out")
    return [
        Marked(
            s,
            _united(s, of_series[_key(s)], chosen),
            (*s.remarks, *_said(of_series[_key(s)]), *left),
        )
        for s in marked
    ]


def _said(annotations: Sequence[Annotation]) -> list[str]:
    """How files are read that may be read in several ways."""
    return [f"{a.path.name}: {a.remark}" for a in annotations if a.remark]


def _united(
    series: Series, annotations: Sequence[Annotation], chosen: dict[Path, set[int]]
) -> Masks:
    """The masks of a series by all its annotations, in the order of the slices."""
    union: Masks = {}
    for annotation in annotations:
        masks = annotation.read(series, chosen.get(annotation.path, set()))
        for i, mask in masks.items():
            union[i] = united([union[i], mask]) if i in union else mask
    return dict(sorted(union.items()))


def _annotations(folder: Path, found: Scan, choice: Choice) -> list[Annotation]:
    """Every file or folder that marks slices."""
    openers = {"SEG": open_seg, "RTSTRUCT": open_rtstruct}
    annotations = [openers[modality](path) for path, modality in found.annotations]
    read = partial(open_readers, consensus=choice.consensus)
    files = sorted(p for p in folder.rglob("*") if is_visible(p) and p.is_file())
    annotations += [open_nifti(p, choice.values) for p in files if is_nifti(p)]
    annotations += [read(p) for p in files if is_lidc(p)]
    return annotations + mask_folders(folder, choice.values)


def _key(series: Series) -> str:
    """What tells the series of one folder apart."""
    return series.uid or str(series.paths[0])
