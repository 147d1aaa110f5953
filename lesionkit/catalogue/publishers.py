"""Where each data set is published and under which terms, as a plain dict literal.

An address is here only if it was read in the publisher's own page or repository, or in
public code that downloads from it; none of them was opened from here. A checksum is
here only if public code pins it. What is not known is None or empty.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """One file of a publisher."""

    file: str
    urls: tuple[str, ...] = ()  # the publisher's addresses, tried in this order
    size: int | None = None  # bytes
    sha256: str | None = None
    md5: str | None = None
    folder: str = ""  # what it becomes in the raw folder; empty: it is not unpacked
    part: str = ""  # the one folder of it that is unpacked; empty: all of it


@dataclass(frozen=True)
class Publisher:
    """How to get a data set, and what its publisher asks for."""

    homepage: str
    terms: str
    archives: tuple[Archive, ...] = ()
    form: str = ""  # what to do by hand
    dataset: str = ""  # which of DATASETS reads it, if not the one of its name
    layout: str = ""  # what the raw folder must hold, if not as DATASETS says
    table: str = ""  # the named table that reads it, if it is no data set


ISIC = (
    "https://isic-archive.s3.amazonaws.com/challenges/2017/",
    "https://isic-challenge-data.s3.amazonaws.com/2017/",
)
WOUND_COMMIT = "42a272dfe0679f20675e826385925cb7562934b6"
RERUN_COMMIT = "71050a3bfdce93c0761bc1799ff5ffdd42ef9898"
BUSI = Publisher(  # both classes lie in one archive
    "https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
    "unclear: treat as research use. The article (Al-Dhabyani et al., Data in Brief 28"
    " (2020) 104863, to be cited) is open access; a catalogue states CC0 for a copy",
    (
        Archive(
            "Dataset_BUSI.zip",
            ("https://scholar.cu.edu.eg/Dataset_BUSI.zip",),
            sha256="b2ce09f6063a31a73f628b6a6ee1245187cbaec225e93e563735691d68654de7",
            folder="Dataset_BUSI_with_GT",
        ),
    ),
    form="open the homepage in a browser and save Dataset_BUSI.zip in the folder"
    " (programs have been refused there for the server's certificate; its SHA-256 is"
    " checked)",
)
WOUND_TERMS = (
    "no licence file; the publisher's README says that the clinic gave permission and"
    " that the set is shared publicly. Cite Wang et al., Sci. Rep. 10 (2020) 21897"
)
LIDC_HOMEPAGE = "https://www.cancerimagingarchive.net/collection/lidc-idri/"
LIDC_TERMS = (
    "CC BY 3.0 (as recorded by a data-set library); cite Armato et al., Med. Phys. 38"
    " (2011) 915-931, and the archive"
)
LIDC_CROPS = Publisher(
    LIDC_HOMEPAGE,
    LIDC_TERMS,
    form="the publisher has DICOM series and XML marks; the crops are made from them."
    " A processed copy goes by the name LIDC-IDRI-slices. Put its LIDC-IDRI-*/ folders"
    " in the folder below; one copy does for any, majority and all: prepare with --raw",
)


def _isic(part: str, content: str, md5: str) -> Archive:
    """One of ISIC's six archives; each holds a folder of its own name."""
    name = f"ISIC-2017_{part}_{content}"
    urls = tuple(f"{address}{name}.zip" for address in ISIC)
    return Archive(f"{name}.zip", urls, md5=md5, folder=name)


PUBLISHERS = {
    "kvasir": Publisher(
        "https://datasets.simula.no/kvasir-seg/",
        "research and education only; commercial use needs prior written permission;"
        " cite Jha et al., MMM 2020",
        (
            Archive(
                "kvasir-seg.zip",
                ("https://datasets.simula.no/downloads/kvasir-seg.zip",),
                size=46_227_172,
                sha256="03b30e21d584e04facf49397a2576738fd626815771afbbf788f74a7153478f7",
                folder="Kvasir-SEG",
            ),
        ),
    ),
    "clinicdb": Publisher(
        "https://polyp.grand-challenge.org/CVCClinicDB/",
        "research and education only; commercial use is forbidden; cite Bernal et al.,"
        " Comput. Med. Imaging Graph. 43 (2015) 99-111",
        (
            Archive(
                "CVC-ClinicDB.rar",
                ("https://www.dropbox.com/s/p5qe9eotetjnbmq/CVC-ClinicDB.rar?dl=1",),
                folder="CVC-ClinicDB",
            ),
        ),
        form="follow the download link of the homepage and save CVC-ClinicDB.rar in the"
        " folder, or unpack it there",
    ),
    "isic2017": Publisher(
        "https://challenge.isic-archive.com/data/#2017",
        "CC0 (as others quote the homepage; check it); cite Codella et al.,"
        " arXiv:1710.05006. The training images alone are about 5.8 GB",
        (
            _isic("Training", "Data", "a14a7e622c67a358797ae59abb8a0b0c"),
            _isic("Training", "Part1_GroundTruth", "77fdbeb6fbec4139937224416b250f4c"),
            _isic("Validation", "Data", "8d6419d942112f709894c0d82f6c9038"),
            _isic(
                "Validation", "Part1_GroundTruth", "64d3e68fa2deeb8a5e89aa8dec2efd44"
            ),
            _isic("Test_v2", "Data", "5f6a0b5e1f2972bd1f5ea02680489f09"),
            _isic("Test_v2", "Part1_GroundTruth", "b1742de6bd257faca3b2b21a4aa3b781"),
        ),
    ),
    "wound": Publisher(
        "https://github.com/uwm-bigdata/wound-segmentation",
        WOUND_TERMS,
        (
            Archive(
                "azh_wound_care_center_dataset_patches.zip",
                (
                    "https://raw.githubusercontent.com/uwm-bigdata/wound-segmentation/"
                    f"{WOUND_COMMIT}/data/wound_dataset/"
                    "azh_wound_care_center_dataset_patches.zip",
                ),
                folder="azh_wound_care_center_dataset_patches",
            ),
        ),
        form="save data/wound_dataset/azh_wound_care_center_dataset_patches.zip of the"
        " repository in the folder. The foot-ulcer challenge, which stands in for this"
        " set: lesionkit fetch wound_fuseg",
    ),
    "wound_fuseg": Publisher(
        "https://fusc.grand-challenge.org/",
        WOUND_TERMS + "; the challenge's design document says CC BY NC",
        (
            Archive(
                "wound-segmentation.zip",
                (
                    "https://github.com/uwm-bigdata/wound-segmentation/archive/"
                    f"{WOUND_COMMIT}.zip",
                ),
                folder="Foot Ulcer Segmentation Challenge",
                part=f"wound-segmentation-{WOUND_COMMIT}/data/"
                "Foot Ulcer Segmentation Challenge",
            ),
        ),
        dataset="wound",
    ),
    "busi": BUSI,
    "busi_benign": BUSI,
    "busi_malignant": BUSI,
    "lungct": Publisher(
        "you (paper B's 80 patients of a hospital were not published)",
        "yours",
        form="put your own chest CT in the folder, or name another with prepare --raw;"
        " public series: the LIDC-IDRI collection, "
        + LIDC_HOMEPAGE
        + ", whose marks (XML or DICOM SEG) have to be DICOM SEG here",
    ),
    "lidc_slices_any": LIDC_CROPS,
    "lidc_slices_majority": LIDC_CROPS,
    "lidc_slices_all": LIDC_CROPS,
    "lidc_npz": Publisher(
        LIDC_HOMEPAGE,
        LIDC_TERMS,
        form="the publisher has DICOM series and XML marks; whole slices with lungs"
        " isolated are made from them by a preprocessing of your own",
    ),
    "public-rerun": Publisher(
        "https://github.com/soujing/losses_research",
        "no licence file: use it as facts, do not pass the file on. Its authorship is"
        " not stated",
        (
            Archive(
                "all_data_0511.csv",
                (
                    "https://raw.githubusercontent.com/soujing/losses_research/"
                    f"{RERUN_COMMIT}/making_mask/all_data_0511.csv",
                ),
            ),
        ),
        layout="all_data_0511.csv, about 1.3 MB",
        table="public-rerun-runs",
    ),
}
