"""One DICOM file: opened, its pixels decoded to Hounsfield units, or written."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.misc import is_dicom
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    generate_uid,
)

from lesionkit.lookup import one_line

PADDING_HU = -1024.0  # outside of the scanned circle: taken for air

# Where a tag of one frame stands: the functional group, and the keyword in it.
POSITION = ("PlanePositionSequence", "ImagePositionPatient")
ORIENTATION = ("PlaneOrientationSequence", "ImageOrientationPatient")
SPACING = ("PixelMeasuresSequence", "PixelSpacing")
RESCALE = (
    ("PixelValueTransformationSequence", "RescaleSlope"),
    ("PixelValueTransformationSequence", "RescaleIntercept"),
)

# The file of several frames that was read last: each reader asks for one frame a call.
_KEPT: dict[tuple[Path, int, int], tuple[pydicom.Dataset, np.ndarray]] = {}

# Which package decodes what; the last one is GPL, so no extra of ours brings it.
_DECODERS = (
    (JPEG2000TransferSyntaxes, "pylibjpeg-openjpeg"),
    (JPEGLSTransferSyntaxes, "pyjpegls"),
    (JPEGTransferSyntaxes, "pylibjpeg-libjpeg (GPL-3.0)"),
)


def open_dicom(path: Path, *, pixels: bool = True) -> pydicom.Dataset:
    """A DICOM file; one without the preamble is read too.

    Raises:
        ValueError: no DICOM file; one line with its name.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)
        if dataset.preamble or "SOPClassUID" in dataset or "Rows" in dataset:
            return dataset
        raise InvalidDicomError("no preamble, and no tag of an image")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # noqa: BLE001 - broken files fail in many ways
        reason = one_line(error, longest=120)
        raise ValueError(f"{path}: not a DICOM file: {reason}") from error


def dicom_files(folder: Path) -> list[Path]:
    """Files in or below a folder that end in .dcm or begin like DICOM, by name."""
    return [
        path
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
        and not path.name.startswith(".")
        and path.name != "DICOMDIR"
        and (path.suffix.lower() in (".dcm", ".dicom", ".ima") or is_dicom(path))
    ]


def frame_hu(path: Path, frame: int = 0) -> np.ndarray:
    """A frame in Hounsfield units, (H, W) float32; padding becomes PADDING_HU.

    Stored values are cut to BitsStored with their sign, then times slope plus
    intercept; without a rescale they are taken as they are. MONOCHROME1 inverts a
    display, not the values. The file of several frames that was read last is kept.

    Raises:
        ValueError: no decoder for the file (the text names the package), its pixels
            are cut off, or a slope that is 0 or no number; one line with its name.
    """
    state = path.stat()
    if (path, state.st_mtime_ns, state.st_size) in _KEPT:
        dataset, every = _KEPT[path, state.st_mtime_ns, state.st_size]
    else:
        dataset = open_dicom(path)
        every = _decoded(dataset, path)
        _KEPT.clear()
        if len(every) > 1:
            del dataset.PixelData
            _KEPT[path, state.st_mtime_ns, state.st_size] = dataset, every
    stored = every[frame]
    found = [of_frame(dataset, frame, tag) for tag in RESCALE]
    slope = 1.0 if found[0] in (None, "") else float(found[0])
    intercept = 0.0 if found[1] in (None, "") else float(found[1])
    if slope == 0 or not np.isfinite([slope, intercept]).all():
        raise ValueError(
            f"{path}: rescale with slope {slope} and intercept {intercept}"
        )
    values = stored.astype(np.float64) * slope + intercept
    values[_is_padding(dataset, stored)] = PADDING_HU
    return values.astype(np.float32)


def of_frame(dataset: pydicom.Dataset, frame: int, tag: tuple[str, str]) -> Any:
    """A value of one frame: its own group's, the shared group's, or the file's.

    Args:
        tag: keywords of the functional group and of the value, as POSITION has them.
    """
    group, name = tag
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    own = [per_frame[frame]] if frame < len(per_frame) else []
    for item in own + list(dataset.get("SharedFunctionalGroupsSequence") or []):
        if item.get(group) and name in item[group][0]:
            return item[group][0].get(name)
    return dataset.get(name)


def numbers_of_frame(
    dataset: pydicom.Dataset, frame: int, tag: tuple[str, str], *, count: int
) -> tuple[float, ...] | None:
    """The numbers of a tag, None where there are not so many, or one is not finite."""
    values = of_frame(dataset, frame, tag)
    if values is None or isinstance(values, str | float) or len(values) != count:
        return None
    numbers = tuple(float(value) for value in values)
    return numbers if np.isfinite(numbers).all() else None


def _decoded(dataset: pydicom.Dataset, path: Path) -> np.ndarray:
    """Stored values of all frames, (N, H, W); unused bits dropped, the sign kept."""
    syntax = getattr(dataset.file_meta, "TransferSyntaxUID", None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if syntax is None:  # a file without its meta group
                dataset.file_meta.TransferSyntaxUID = dataset.original_encoding_uid
            values = dataset.pixel_array
    except Exception as error:  # noqa: BLE001 - decoders fail in many ways
        for syntaxes, package in _DECODERS:
            if syntax in syntaxes and "missing dependencies" in str(error):
                raise ValueError(
                    f"{path}: compressed as {syntax.name}; install {package}"
                ) from error
        reason = one_line(error, longest=160)
        raise ValueError(f"{path}: pixels cannot be read: {reason}") from error
    return values.reshape(-1, *values.shape[-2:])


def _is_padding(dataset: pydicom.Dataset, stored: np.ndarray) -> np.ndarray:
    """Where the stored value is PixelPaddingValue, or in the range it opens.

    Some writers give a signed value as unsigned, 63536 for -2000, or an unsigned one
    as signed; others one of 16 bits where fewer are stored.
    """
    first = dataset.get("PixelPaddingValue")
    if first in (None, "") or stored.dtype.kind not in "iu":
        return np.zeros(stored.shape, bool)
    last = dataset.get("PixelPaddingRangeLimit")
    one = last in (None, "")
    bits = int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 16)
    allocated = int(dataset.get("BitsAllocated") or 16)
    low = -(1 << (bits - 1)) if stored.dtype.kind == "i" else 0
    high = low + (1 << bits) - 1
    ends = []
    for end in sorted((int(first), int(first if one else last))):
        for width in (allocated, bits) if one else (allocated,):
            if not low <= end <= high:  # as the bits of a stored value say it
                start = -(1 << (width - 1)) if low else 0
                end = (end - start) % (1 << width) + start
        ends.append(min(max(end, low), high))
    above, below = stored >= ends[0], stored <= ends[1]
    return above & below if ends[0] <= ends[1] else above | below


def write_slice(path: Path, stored: np.ndarray, tags: dict[str, Any]) -> None:
    """Write one CT slice as a DICOM file, explicit little endian.

    Args:
        stored: (H, W) int16 or uint16, as the file is to hold it.
        tags: by keyword: PatientID, SeriesInstanceUID, RescaleSlope and so on.
    """
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.Modality = CTImageStorage, "CT"
    dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.set_pixel_data(stored, "MONOCHROME2", 16, generate_instance_uid=False)
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)


def made_uid(*names: object) -> str:
    """A UID that depends on these names alone."""
    return generate_uid(entropy_srcs=["lesionkit", *map(str, names)])
