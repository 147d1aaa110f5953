"""Masks of a CT back in its own geometry: NIfTI for NIfTI, DICOM SEG for DICOM."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom

from lesionkit.datasets.dicom.files import open_dicom
from lesionkit.datasets.dicom.volumes import Volume
from lesionkit.extras import package
from lesionkit.lookup import one_line

# What a SEG takes over of its images; the standard lets these be empty.
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID"),
    *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"),
)
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")


def as_nifti(volume: Volume, values: np.ndarray) -> bytes:
    """Values of a NIfTI volume's slices as a .nii.gz file with its affine.

    The same values give the same bytes.

    Shape:
        values: (N, H, W) uint8, or float32

    Raises:
        ImportError: nibabel is not there.
        ValueError: values of another shape, or a volume of DICOM.
    """
    if volume.affine is None:
        raise ValueError(f"{volume.name}: a DICOM series, its masks are a DICOM SEG")
    nibabel = package("nibabel", volume.name, extra="ct")
    image = nibabel.Nifti1Image(volume.in_file_axes(values), volume.affine)
    image.header.set_xyzt_units("mm")
    return gzip.compress(image.to_bytes(), mtime=0)


def as_seg(volume: Volume, masks: np.ndarray, facts: Mapping[str, str]) -> bytes:
    """The masks of a DICOM series as a DICOM SEG with one binary segment, "lesion".

    Args:
        facts: name and version of what made the masks, and of the software: algorithm,
            algorithm_version, software.

    Shape:
        masks: (N, H, W) uint8 of 0 and 1, in the order of the volume

    Raises:
        ImportError: highdicom is not there.
        ValueError: nothing is marked, a header without the UIDs that a SEG refers to,
            or images that highdicom does not take; one line with the reason.

    Source: DICOM PS3.3, A.51.
    """
    if not masks.any():
        raise ValueError(f"{volume.name}: nothing is marked, so there is no DICOM SEG")
    highdicom = package("highdicom", volume.name, extra="ct")
    images, frames = _sources(volume, masks)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names without a caret
            made = _segmentation(highdicom, images, frames, facts)
    except Exception as error:  # noqa: BLE001 - highdicom is strict in many ways
        reason = one_line(error, longest=160)
        raise ValueError(f"{volume.name}: no DICOM SEG of it: {reason}") from error
    buffer = BytesIO()
    made.save_as(buffer)
    return buffer.getvalue()


def _segmentation(highdicom, images, frames: np.ndarray, facts: Mapping[str, str]):
    """The SEG of images and a frame for each."""
    return highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=frames,
        segmentation_type="BINARY",
        segment_descriptions=[_lesion(highdicom, facts)],
        series_instance_uid=highdicom.UID(),
        series_number=1000,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="lesionkit",
        manufacturer_model_name=facts["algorithm"],
        software_versions=facts["software"],
        device_serial_number="none",
    )


def _sources(
    volume: Volume, masks: np.ndarray
) -> tuple[list[pydicom.Dataset], np.ndarray]:
    """The images that a SEG refers to, and a frame for each of them."""
    files = list(dict.fromkeys(volume.paths))
    images = [_complete(open_dicom(path), path) for path in files]
    if not np.isnan(volume.between):
        for image in images:
            if image.get("SliceThickness") is None:
                image.SliceThickness = round(volume.between, 6)
    if len(files) == len(volume.paths):
        return images, masks
    if len(files) > 1:
        raise ValueError(f"{volume.name}: {len(files)} files of several frames each")
    frames = np.zeros((int(images[0].NumberOfFrames), *masks.shape[1:]), np.uint8)
    frames[list(volume.frames)] = masks
    return images, frames


def _complete(dataset: pydicom.Dataset, path: Path) -> pydicom.Dataset:
    """The header with what a SEG takes over, empty where it was stripped."""
    lacking = [name for name in _NEEDED if not dataset.get(name)]
    if lacking:
        raise ValueError(f"{path}: no {lacking[0]}, which a DICOM SEG refers to")
    for name in _MAY_BE_EMPTY:
        if name not in dataset:
            setattr(dataset, name, "")
    if not dataset.get("SpecificCharacterSet", "ISO_IR 6"):
        del dataset.SpecificCharacterSet  # empty stands for the default
    return dataset


def _lesion(highdicom, facts: Mapping[str, str]):
    """The one segment: a lesion, found by a program."""
    from pydicom.sr.codedict import codes

    made_by = highdicom.AlgorithmIdentificationSequence(
        name=facts["algorithm"],
        version=facts["algorithm_version"],
        family=codes.cid7162.ArtificialIntelligence,
    )
    return highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=made_by,
    )
