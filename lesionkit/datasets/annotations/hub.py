"""Hugging Face: .parquet files whose rows hold an image and its mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from lesionkit.datasets.annotations.bundles import KEYS
from lesionkit.datasets.annotations.naming import ROLES, part_of, squeezed, words_of
from lesionkit.datasets.annotations.scanning import Scan
from lesionkit.datasets.own_files import OwnSample, read_lesion_values
from lesionkit.datasets.pairs import below
from lesionkit.datasets.pictures.images import decode
from lesionkit.datasets.pictures.lesions import lesion_in
from lesionkit.extras import install
from lesionkit.lookup import one_line

_READING = Lock()  # a table is opened once, whichever thread asks first


@dataclass(frozen=True)
class RowSample(OwnSample):
    """A row of a table: the bytes of an image file and of a mask file."""

    columns: tuple[str, str] = ("", "")
    row: int = 0

    def _files(self) -> list[bytes]:
        """The bytes of the two files."""
        row = table_of(self.image)[self.row]
        return [_content(self.name, column, row[column]) for column in self.columns]

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, C) uint8 or uint16 and mask (H, W) uint8 of 0 and 1.

        Raises:
            ValueError: a file that cannot be decoded, has an orientation tag, or does
                not say what is lesion; two sizes.
        """
        where = Path(self.name)
        image, marked = (decode(where, data) for data in self._files())
        if image.orientation != 1 or marked.orientation != 1:
            raise ValueError(f"{where}: has an orientation tag; save it upright")
        mask = lesion_in(where, marked, self.lesion_values)
        if mask.shape != image.colour.shape[:2]:
            raise ValueError(
                f"{where}: mask is {mask.shape}, its image {image.colour.shape[:2]}"
            )
        return image.colour, mask

    def hashes(self) -> tuple[str, str]:
        """SHA-256 of the two files in the table."""
        image, mask = self._files()
        listed = str(self.lesion_values or "").encode()
        return sha256(image).hexdigest(), sha256(mask + listed).hexdigest()


def found(scan: Scan) -> list[Path]:
    """The files of this form."""
    return scan.ending(".parquet")


def samples(scan: Scan) -> list[OwnSample]:
    """Every row of every file.

    Raises:
        ValueError: the library is not installed, a file that cannot be read, or other
            than one column of images and one of masks.
    """
    values = read_lesion_values(scan.listed) if scan.listed else ()
    made: list[OwnSample] = []
    for path in found(scan):
        table, name = table_of(path), below(path, scan.raw)
        columns = _columns(path, table.column_names)
        part = part_of(words_of(path.stem))
        for row in range(len(table)):
            mine = {"columns": columns, "row": row}
            made.append(
                RowSample(f"{name}/{row}", path, (), "", "", values, part, **mine)
            )
    return made


def _columns(path: Path, names: Sequence[str]) -> tuple[str, str]:
    """The columns of images and of masks, by their names."""
    roles = {name: KEYS.get(squeezed(name), ("", ""))[0] for name in names}
    images, masks = ([n for n in names if roles[n] == role] for role in ROLES)
    if len(images) != 1 or len(masks) != 1:
        raise ValueError(
            f"{path}: one column of images and one of masks is needed, such as image "
            f"and mask; it has {', '.join(names)}"
        )
    return images[0], masks[0]


def _content(name: str, column: str, cell: Any) -> bytes:
    """The bytes of a cell that holds an image file."""
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        raise ValueError(
            f"{name}: the column {column} holds {type(data).__name__}, not the bytes "
            "of an image file"
        )
    return data


def table_of(path: Path) -> Any:
    """A parquet file as a table whose rows are read one by one."""
    with _READING:
        return _table(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _table(path: Path, age: int) -> Any:
    """What a file holds as it is now."""
    try:
        import datasets
    except ImportError:
        raise ValueError(
            f"{path}: parquet is read by the library datasets, which is not installed: "
            f"{install('hub')}"
        ) from None
    datasets.disable_progress_bars()
    try:
        table = datasets.Dataset.from_parquet(str(path))
        for name, feature in table.features.items():
            if isinstance(feature, datasets.Image):  # bytes: decoded here, not there
                table = table.cast_column(name, datasets.Image(decode=False))
    except Exception as error:  # noqa: BLE001 - damaged in many ways
        raise ValueError(f"{path}: no parquet: {one_line(error)}") from None
    return table
