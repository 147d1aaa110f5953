"""Which DICOM files are slices of CT in Hounsfield units, and what the others are."""

from __future__ import annotations

import pydicom
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
)

from lesionkit.datasets.dicom.files import POSITION, RESCALE, of_frame

NOT_IMAGES = ("SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "SR", "PR", "KO", "REG")
_CT = (
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
)
_SCOUTS = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW"}
_RESCALE_TYPE = ("PixelValueTransformationSequence", "RescaleType")
# Values of RescaleType that are other units (PS3.3, C.11.1.1.2); many writers leave
# the tag out or write US, not specified, for Hounsfield units.
_OTHER_UNITS = ("OD", "MGML", "Z_EFF", "ED", "EDW", "PCT")


def is_image(dataset: pydicom.Dataset) -> bool:
    """Whether a file has pixels of an image, of whatever kind."""
    return dataset.get("Modality") not in NOT_IMAGES and "Rows" in dataset


def why_no_ct(dataset: pydicom.Dataset) -> str:
    """What an image is that is no slice of CT in Hounsfield units, in plural; or "".

    A header without modality is judged by its SOP class; without both it counts as CT.
    """
    modality = str(dataset.get("Modality") or "").strip().upper()
    storage = str(dataset.get("SOPClassUID") or "")
    if modality not in ("", "CT") or (not modality and storage not in ("", *_CT)):
        named = modality or pydicom.uid.UID(storage).name
        return f"image(s) of modality {named}"
    if _SCOUTS & {str(v).strip().upper() for v in dataset.get("ImageType") or ()}:
        return "scout image(s)"
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if int(dataset.get("SamplesPerPixel", 1)) != 1 or photometric[:10] != "MONOCHROME":
        return f"colour picture(s) (photometric {photometric})"
    placed = of_frame(dataset, 0, POSITION) is not None
    scaled = of_frame(dataset, 0, RESCALE[1]) is not None
    if storage not in ("", *_CT) and not (placed and scaled):
        return "screenshot(s) or report(s), without position or rescale,"
    units = str(of_frame(dataset, 0, _RESCALE_TYPE) or "").strip().upper()
    return f"image(s) in {units}, not HU," if units in _OTHER_UNITS else ""
