"""Chest CT, a folder for each patient: DICOM slices with masks of any kind."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np

from lesionkit.datasets.dicom import MEDIASTINAL, Series, read_series, window
from lesionkit.datasets.dicom.masks import read_masks
from lesionkit.datasets.own_files import read_lines, read_table
from lesionkit.datasets.pairs import below, existing_folder, is_visible, natural_order


@dataclass(frozen=True)
class SliceSample:
    """One labelled slice, through the mediastinal window to 8 bits."""

    name: str
    group: str  # the patient's folder
    series: Series = field(repr=False)
    number: int  # in the series
    mask: np.ndarray = field(repr=False)
    stratum: str = ""  # "attached" or "inside"; "" where nobody said

    @property
    def details(self) -> dict[str, object]:
        """What the index states beside the name: stratum, size of a pixel, place."""
        rows, columns = self.series.spacing
        return {
            "stratum": self.stratum,
            "row_mm": rows,
            "column_mm": columns,
            "slice_mm": self.series.between,
            "height_mm": float(self.series.heights[self.number]),
        }

    def hu(self) -> np.ndarray:
        """The slice in Hounsfield units, (H, W) float32."""
        return self.series.slice_hu(self.number)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, 1) uint8 and mask (H, W) uint8 of 0 and 1."""
        return window(self.hu(), **MEDIASTINAL)[..., None], self.mask

    def hashes(self) -> tuple[str, str]:
        """SHA-256 of the Hounsfield units and of the mask.

        Not of the file: the same slice, compressed or with another header, is the same.
        """
        hu = sha256(self.hu().tobytes()).hexdigest()
        return hu, sha256(np.ascontiguousarray(self.mask).tobytes()).hexdigest()


def samples(raw: Path) -> list[SliceSample]:
    """Every labelled slice of every patient; the patient is the group.

    A patient's folder has one CT series with its masks; of several series the longest
    is taken, and what is unusual is said on the standard error. structures.txt in the
    raw folder chooses among the structures of a mask file; strata.csv in a patient's
    folder (columns file, stratum) says which slices are of which kind.

    Raises:
        FileNotFoundError: no folder, no patient in it, or a patient without a mask.
        ImportError: a mask needs a package of the extra `ct`.
        ValueError: a file that cannot be read or does not fit; the same series in two
            folders.
    """
    inside = natural_order(existing_folder("lungct", raw).iterdir())
    folders = [path for path in inside if path.is_dir() and is_visible(path)]
    if not folders:
        raise FileNotFoundError(f"lungct: no folder of a patient in {raw}")
    listed = raw / "structures.txt"
    structures = read_lines(listed) if listed.is_file() else []
    found: list[SliceSample] = []
    owners: dict[str, str] = {}
    for folder in folders:
        series, *shorter = read_series(folder)
        left = [f"{len(shorter)} shorter series left out"] if shorter else []
        for remark in [*series.remarks, *left]:
            print(f"{folder}: {remark}", file=sys.stderr)
        owner = owners.setdefault(series.uid or folder.name, folder.name)
        if owner != folder.name:
            raise ValueError(
                f"{folder}: the same series as in {owner}: one patient as two would "
                "lie in two parts of a split"
            )
        found += _of_patient(raw, folder, series, structures)
    return found


def _of_patient(
    raw: Path, folder: Path, series: Series, structures: Sequence[str]
) -> list[SliceSample]:
    """The labelled slices of one patient, from the lowest place to the highest."""
    table = folder / "strata.csv"
    rows = read_table(table, ("file", "stratum")) if table.is_file() else []
    strata = {row["file"]: row["stratum"] for _, row in rows}
    masks = read_masks(folder, series, structures)
    several = len(set(series.paths)) < len(series)
    return [
        SliceSample(
            name=below(series.paths[i], raw) + f"#{series.frames[i]}" * several,
            group=folder.name,
            series=series,
            number=i,
            mask=mask,
            stratum=strata.get(series.paths[i].name, "") if mask.any() else "",
        )
        for i, mask in masks.items()
    ]
