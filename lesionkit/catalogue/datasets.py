"""The data sets, as a plain dict literal."""

from __future__ import annotations

from dataclasses import dataclass

IGNORED = 255  # in a mask: a pixel that counts neither way, where that is asked for


@dataclass(frozen=True)
class DatasetEntry:
    """One data set: its adapter, what its publisher says of it, how it must lie."""

    target: str
    title: str
    modality: str
    published_count: int | None
    licence: str
    source: str
    layout: str  # what the raw folder must hold
    generated: bool = False  # made by the kit: needs no raw folder
    which: str = ""  # target that tells which of several sources a raw folder is
    channels: int = 3  # of the prepared images
    known: str = ""  # defects that `lesionkit inspect` found, see docs/measurements.md


LIDC_LICENCE = "CC BY 3.0 (as recorded by a data-set library); cite it"
LIDC_SOURCE = "Armato et al., Med. Phys. 38 (2011) 915-931"


def _lidc_crops(kept: str, marked: str) -> DatasetEntry:
    """LIDC-IDRI's crops with the masks of so many readers."""
    return DatasetEntry(
        f"lesionkit.datasets.lidc:{kept}_samples",
        f"LIDC-IDRI nodule crops, marked by {marked}",
        "chest CT, 8 bits",
        15548,
        LIDC_LICENCE,
        LIDC_SOURCE,
        "LIDC-IDRI-*/nodule-*/images/*.png with mask-0/ to mask-3/ of the same names",
        channels=1,
    )


DATASETS = {
    "toy": DatasetEntry(
        "lesionkit.datasets.toy:samples",
        "Toy lesions (skin, endoscopy and ultrasound looks)",
        "procedural",
        None,
        "MIT, made by the kit",
        "lesionkit",
        "nothing: the kit draws it",
        generated=True,
    ),
    "kvasir": DatasetEntry(
        "lesionkit.datasets.kvasir:samples",
        "Kvasir-SEG",
        "colonoscopy",
        1000,
        "research and education only; commercial use needs permission",
        "Jha et al., MMM 2020",
        "Kvasir-SEG/images/*.jpg and Kvasir-SEG/masks/*.jpg with the same names",
        known="all 1,000 masks are JPEG with grey values (cut at half of the range);"
        " 14 images have a near-copy",
    ),
    "clinicdb": DatasetEntry(
        "lesionkit.datasets.clinicdb:samples",
        "CVC-ClinicDB",
        "colonoscopy",
        612,
        "research and education only; commercial use forbidden",
        "Bernal et al., Comput. Med. Imaging Graph. 43 (2015)",
        "CVC-ClinicDB/Original/N.tif and CVC-ClinicDB/Ground Truth/N.tif, N = 1 to 612",
        known="frames of 29 video sequences: 335 of 612 have a near-copy, and when"
        " frames are dealt one by one 44 % of the test images have one in training",
    ),
    "isic2017": DatasetEntry(
        "lesionkit.datasets.isic2017:samples",
        "ISIC 2017, lesion boundaries",
        "dermoscopy",
        2750,
        "CC0 by recollection; check the publisher's page",
        "Codella et al., arXiv:1710.05006",
        "ISIC-2017_Training_Data/ISIC_*.jpg with"
        " ISIC-2017_Training_Part1_GroundTruth/ISIC_*_segmentation.png,"
        " and the same for Validation and Test_v2 where present",
        known="of the 2,000 training images 30 have a near-copy",
    ),
    "wound": DatasetEntry(
        "lesionkit.datasets.wound:samples",
        "Wounds (the study's set; the foot-ulcer challenge stands in)",
        "photograph",
        1109,
        "no licence file; shared publicly with the clinic's permission",
        "Wang et al., Sci. Rep. 10 (2020) 21897",
        "train, validation or test/images/*.png with labels/*.png of the same names",
        which="lesionkit.datasets.wound:source",
        known="of the foot-ulcer challenge, 1,010 images: 24 masks are empty, 49 images"
        " are there more than once to the byte, 47 of them with masks that differ",
    ),
    "busi": DatasetEntry(
        "lesionkit.datasets.busi:samples",
        "BUSI, benign and malignant together",
        "breast ultrasound",
        647,
        "unclear: treat as research use",
        "Al-Dhabyani et al., Data in Brief 28 (2020) 104863",
        "Dataset_BUSI_with_GT/benign and Dataset_BUSI_with_GT/malignant, each with"
        " X.png and X_mask.png, _mask_1.png, ...",
        known="one image is there as benign (433) and as malignant (145)",
    ),
    "busi_benign": DatasetEntry(
        "lesionkit.datasets.busi:benign_samples",
        "BUSI, benign",
        "breast ultrasound",
        437,
        "unclear: treat as research use",
        "Al-Dhabyani et al., Data in Brief 28 (2020) 104863",
        "Dataset_BUSI_with_GT/benign/benign (N).png with benign (N)_mask.png"
        " and, for more lesions, _mask_1.png, _mask_2.png",
    ),
    "busi_malignant": DatasetEntry(
        "lesionkit.datasets.busi:malignant_samples",
        "BUSI, malignant",
        "breast ultrasound",
        210,
        "unclear: treat as research use",
        "Al-Dhabyani et al., Data in Brief 28 (2020) 104863",
        "Dataset_BUSI_with_GT/malignant/malignant (N).png with malignant (N)_mask.png",
    ),
    "ct_phantom": DatasetEntry(
        "lesionkit.datasets.ct_phantom:samples",
        "Chest phantom with nodules inside and at the wall, as DICOM files",
        "chest CT, procedural",
        None,
        "MIT, made by the kit",
        "lesionkit",
        "nothing: the kit writes it",
        generated=True,
        channels=1,
    ),
    "lungct": DatasetEntry(
        "lesionkit.datasets.lungct:samples",
        "Your chest CT: DICOM with masks, a folder for each patient",
        "chest CT",
        None,
        "yours",
        "you; paper B had 80 patients of a hospital, not published",
        "a folder for each patient with its DICOM slices and a mask: DICOM SEG,"
        " RTSTRUCT, .nii.gz, LIDC's XML, or masks/<name of the slice's file>.png or"
        " .npy",
        channels=1,
    ),
    "lidc_slices_any": _lidc_crops("any", "any reader"),
    "lidc_slices_majority": _lidc_crops("majority", "half of the readers or more"),
    "lidc_slices_all": _lidc_crops("all", "all readers"),
    "lidc_npz": DatasetEntry(
        "lesionkit.datasets.lidc:array_samples",
        "LIDC-IDRI whole slices, lungs isolated and standardised",
        "chest CT, not in HU",
        None,
        LIDC_LICENCE,
        LIDC_SOURCE,
        "LIDC-IDRI-*/*.npz with image and mask, or Image/ and Mask/ with .npy files",
        channels=1,
    ),
    "folder": DatasetEntry(
        "lesionkit.datasets.folder:samples",
        "Your own images",
        "any",
        None,
        "yours",
        "you",
        "images/ and masks/ (or labels/, gt/, annotations/) with the same names, x.png"
        " beside x_mask.png, any of these below train/, val/, test/, nnU-Net, LabelMe,"
        " COCO or YOLO outlines, .npy, .npz, 2D NIfTI, parquet; pairs.csv with the"
        " columns image, mask always works",
    ),
}
