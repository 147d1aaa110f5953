"""What marks the slices of made_ct: DICOM SEG and RTSTRUCT, as right as a test asks."""

from __future__ import annotations

from itertools import repeat

import numpy as np
import pydicom
from made_ct import SIDE
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from lesionkit.datasets.dicom.files import made_uid


def truth(series):
    """A mask that no flip and no turn leaves as it is."""
    masks = np.zeros((len(series), SIDE, SIDE), np.uint8)
    masks[1, 2:5, 1:3] = 1
    masks[2, 2:4, 1:7] = 1
    return masks


def write_seg(path, series, labels, kind="BINARY"):
    """A DICOM SEG by highdicom: each label's mask is one segment.

    Args:
        kind: "BINARY", "FRACTIONAL" or "LABELMAP"; of the last, masks must not overlap.
    """
    import highdicom
    from highdicom.sr.coding import CodedConcept

    sources = [pydicom.dcmread(p) for p in series.paths]
    for source in sources:
        for name in ("PatientName", "PatientBirthDate", "PatientSex"):
            setattr(source, name, "")
        for name in ("StudyDate", "StudyTime", "AccessionNumber", "StudyID"):
            setattr(source, name, "")
        source.ReferringPhysicianName, source.SeriesNumber = "", 1
        source.SliceThickness = 2.0
    lesion = CodedConcept("52988006", "SCT", "Lesion")
    segments = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=CodedConcept("49755003", "SCT", "Morphology"),
            segmented_property_type=lesion,
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, label in enumerate(labels, 1)
    ]
    pixels = np.stack(list(labels.values()), axis=-1)
    if kind == "LABELMAP":
        pixels = (pixels * np.arange(1, len(labels) + 1, dtype=np.uint8)).sum(-1)
    is_float = kind == "FRACTIONAL"
    highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels.astype(float if is_float else np.uint8),
        segmentation_type=kind,
        segment_descriptions=segments,
        series_instance_uid=made_uid("seg", path.name),
        series_number=2,
        sop_instance_uid=made_uid("seg", path.name, 1),
        instance_number=1,
        manufacturer="made",
        manufacturer_model_name="made",
        software_versions="1",
        device_serial_number="1",
        max_fractional_value=100,
    ).save_as(path)
    return path


def write_rtstruct(path, contours, *, name="GTV", named=(), frame=None, kinds=None):
    """An RTSTRUCT of one structure: contours of (x, y, z) in mm, of these kinds."""
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    dataset.SOPInstanceUID, dataset.Modality = made_uid("rt"), "RTSTRUCT"
    roi, drawn = Dataset(), Dataset()
    roi.ROINumber, roi.ROIName = 1, name
    roi.ReferencedFrameOfReferenceUID = frame or made_uid("frame")
    drawn.ReferencedROINumber, drawn.ContourSequence = 1, Sequence()
    for points, kind in zip(contours, kinds or repeat("CLOSED_PLANAR"), strict=False):
        contour = Dataset()
        contour.ContourGeometricType = kind
        contour.ContourData = [float(value) for point in points for value in point]
        images = []
        for uid in named:
            image = Dataset()
            image.ReferencedSOPInstanceUID = uid
            images.append(image)
        contour.ContourImageSequence = Sequence(images)
        drawn.ContourSequence.append(contour)
    dataset.StructureSetROISequence = Sequence([roi])
    dataset.ROIContourSequence = Sequence([drawn])
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def box(row, rows, column, columns, z):
    """A rectangle around pixel centres, on the grid of `series`."""
    left, right = -10 + 0.25 * (column - 0.5), -10 + 0.25 * (column + columns - 0.5)
    top, bottom = -20 + 0.5 * (row - 0.5), -20 + 0.5 * (row + rows - 0.5)
    return [(left, top, z), (right, top, z), (right, bottom, z), (left, bottom, z)]
