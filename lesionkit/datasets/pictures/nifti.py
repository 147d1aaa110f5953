"""NIfTI files by their names, and opened whatever the case of their endings."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from lesionkit.extras import package
from lesionkit.lookup import one_line

NIFTI = (".nii", ".nii.gz")


def is_nifti(path: Path) -> bool:
    """Whether a name ends in .nii or .nii.gz, in whatever case."""
    return path.name.lower().endswith(NIFTI)


def nifti_stem(path: Path) -> str:
    """The name without its ending."""
    lower = path.name.lower()
    return path.name[: -len(next(e for e in NIFTI[::-1] if lower.endswith(e)))]


def nifti_image(path: Path) -> Any:
    """The file as nibabel has it; its values are read when they are asked for.

    Raises:
        ImportError: nibabel is not there.
        ValueError: it cannot be read.
    """
    nibabel = package("nibabel", path, extra="ct")
    try:
        if path.name.endswith(NIFTI):
            return nibabel.load(path)
        data = path.read_bytes()  # nibabel knows endings in small letters alone
        if path.name.lower().endswith(".gz"):
            data = gzip.decompress(data)
        return nibabel.Nifti1Image.from_bytes(data)
    except Exception as error:  # noqa: BLE001 - truncated gzip, wrong magic, ...
        reason = one_line(error, longest=160)
        raise ValueError(f"{path}: not a NIfTI file: {reason}") from error
