"""Which form a raw folder has, of all that are known; two at once are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import ModuleType

from lesionkit.datasets.annotations import (
    bundles,
    coco,
    folders,
    hub,
    labelme,
    nnunet,
    yolo,
)
from lesionkit.datasets.annotations.naming import part_of
from lesionkit.datasets.annotations.scanning import Scan
from lesionkit.datasets.own_files import OwnSample
from lesionkit.datasets.pairs import missing

# Each has `found`, the files that show it, and `samples`.
FORMS = {
    "nnU-Net folders": nnunet,
    "LabelMe .json files": labelme,
    "COCO .json files": coco,
    "YOLO .txt files": yolo,
    "arrays of images and masks": bundles,
    "parquet files": hub,
    "mask files": folders,
}


def samples(scan: Scan) -> list[OwnSample]:
    """The images with masks of the one form that is there.

    Raises:
        FileNotFoundError: none; the text says what is there and what is read.
        ValueError: two forms, or what a form refuses.
    """
    there = {name: files for name, form in FORMS.items() if (files := form.found(scan))}
    if not there:
        raise missing("folder", f"no images with masks in {scan.raw}: {_told(scan)}")
    if len(there) > 1:
        told = " and ".join(_counted(name, files) for name, files in there.items())
        raise ValueError(
            f"folder: {scan.raw} holds {told}; leave one of them, or list the pairs "
            "in pairs.csv"
        )
    form: ModuleType = FORMS[next(iter(there))]
    return in_parts(form.samples(scan))


def _counted(name: str, files: Sequence[Path]) -> str:
    return f"{len(files)} {name} ({files[0].name}{', ...' * (len(files) > 1)})"


def _told(scan: Scan) -> str:
    """What lies there, and what is known of it."""
    broken = [path for path, content in scan.documents.items() if content is None]
    notes = {
        "which have to be unpacked first": scan.ending(".zip", ".rar", ".tar", ".gz"),
        "whose boxes are no masks": scan.ending(".xml"),
        "which are not read; save them as .npy": scan.ending(".mat", ".h5", ".hdf5"),
        "which are no JSON": broken,
    }
    said = [f"{files[0].name} {note}" for note, files in notes.items() if files]
    return "; ".join([scan.told(), *said])


def in_parts(found: Sequence[OwnSample]) -> list[OwnSample]:
    """The samples with the part that their folder names, if all of them have one."""
    parts = [s.part or part_of(PurePosixPath(s.name).parts[:-1]) for s in found]
    whole = all(parts)
    return [
        replace(sample, part=part if whole else "")
        for sample, part in zip(found, parts, strict=True)
    ]
