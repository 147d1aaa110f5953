"""Chest CT, a folder for each patient: DICOM slices with masks of any kind."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np

from lesionkit.datasets.dicom import MEDIASTINAL, Series, window
from lesionkit.datasets.dicom.choosing import is_listed
from lesionkit.datasets.dicom.masks import Choice, Marked, marked_series
from lesionkit.datasets.lidc import CONSENSUS
from lesionkit.datasets.own_files import read_lesion_values, read_lines, read_table
from lesionkit.datasets.pairs import below, existing_folder, is_visible, natural_order
from lesionkit.datasets.pictures.lesions import ignored_of
from lesionkit.lookup import find, nearest


@dataclass(frozen=True)
class SliceSample:
    """One labelled slice, through the mediastinal window to 8 bits."""

    name: str
    group: str  # the patient's folder
    series: Series = field(repr=False)
    number: int  # in the series
    mask: np.ndarray = field(repr=False)
    stratum: str = ""  # "attached" or "inside"; "" where nobody said
    ignores: bool = False  # whether masks of the set may hold ignored pixels

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
        """Image (H, W, 1) uint8 and mask (H, W) uint8 of 0 and 1, 255 ignored."""
        return window(self.hu(), **MEDIASTINAL)[..., None], self.mask

    def hashes(self) -> tuple[str, str]:
        """SHA-256 of the Hounsfield units and of the mask.

        Not of the file: the same slice, compressed or with another header, is the same.
        """
        hu = sha256(self.hu().tobytes()).hexdigest()
        return hu, sha256(np.ascontiguousarray(self.mask).tobytes()).hexdigest()


def samples(raw: Path) -> list[SliceSample]:
    """Every labelled slice of every patient; the patient is the group.

    A patient's folder has CT with its masks. The series is the one that the masks
    name, or that alone fits them; what is unusual is said on the standard error. Beside
    the patients may lie series.txt (which series counts where several fit),
    structures.txt (which structures of a mask file count) and lesion_values.txt (which
    values of a mask are lesion); strata.csv in a patient's folder (columns file,
    stratum) says which slices are of which kind.

    Raises:
        FileNotFoundError: no folder, no patient in it, or a patient without a mask.
        ImportError: a mask needs a package of the extra `ct`.
        ValueError: a file that cannot be read or does not fit; several series or
            structures and none is listed; the same series in two folders.
    """
    inside = natural_order(existing_folder("lungct", raw).iterdir())
    folders = [path for path in inside if path.is_dir() and is_visible(path)]
    if not folders:
        raise FileNotFoundError(f"lungct: no folder of a patient in {raw}")
    choice = choice_of(raw)
    ignores = bool(ignored_of(choice.values))
    found: list[SliceSample] = []
    owners: dict[str, str] = {}
    for folder in folders:
        said: list[str] = []
        for marked in marked_series(folder, choice):
            uid = marked.series.uid
            owner = owners.setdefault(uid or folder.name, folder.name)
            if owner != folder.name:
                raise ValueError(
                    f"{folder}: the same series as in {owner}: one patient as two "
                    "would lie in two parts of a split"
                )
            found += _of_patient(raw, folder, marked, ignores=ignores)
            said += marked.remarks
        for remark in dict.fromkeys(said):
            print(f"{folder}: {remark}", file=sys.stderr)
    _check_lines(raw, choice, found)
    return found


def choice_of(raw: Path) -> Choice:
    """What the files beside the patients say."""
    lines = {
        name: tuple(read_lines(raw / name)) if (raw / name).is_file() else ()
        for name in ("series.txt", "structures.txt")
    }
    values = raw / "lesion_values.txt"
    listed = read_lesion_values(values) if values.is_file() else ()
    rule = raw / "consensus.txt"
    consensus = " ".join(read_lines(rule)) if rule.is_file() else "majority"
    find(f"{rule}: consensus of readers", consensus, CONSENSUS)
    return Choice(raw, lines["series.txt"], lines["structures.txt"], listed, consensus)


def _check_lines(raw: Path, choice: Choice, found: Sequence[SliceSample]) -> None:
    """Refuse a line of series.txt that names no series that is read."""
    read = {id(sample.series): sample.series for sample in found}.values()
    for line in choice.series:
        if not any(is_listed(series, line, raw) for series in read):
            names = [
                name for series in read for name in (series.uid, *_places(raw, series))
            ]
            near = nearest(line, names)
            hint = f", did you mean {near!r}?" if near else ""
            raise ValueError(
                f"{raw / 'series.txt'}: no CT series {line!r} with a mask{hint}"
            )


def _places(raw: Path, series: Series) -> list[str]:
    """The folders of a series, below the raw folder."""
    return [below(folder, raw) for folder in {path.parent for path in series.paths}]


def _of_patient(
    raw: Path, folder: Path, marked: Marked, *, ignores: bool
) -> list[SliceSample]:
    """The labelled slices of one patient, from the lowest place to the highest."""
    table = folder / "strata.csv"
    rows = read_table(table, ("file", "stratum")) if table.is_file() else []
    strata = {row["file"]: row["stratum"] for _, row in rows}
    series = marked.series
    several = len(set(series.paths)) < len(series)
    return [
        SliceSample(
            name=below(series.paths[i], raw) + f"#{series.frames[i]}" * several,
            group=folder.name,
            series=series,
            number=i,
            mask=mask,
            stratum=strata.get(series.paths[i].name, "") if (mask == 1).any() else "",
            ignores=ignores,
        )
        for i, mask in marked.masks.items()
    ]
