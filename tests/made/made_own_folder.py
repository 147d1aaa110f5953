"""A folder of one's own as a test asks: images, masks and tables beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionkit.datasets import folder

SHAPE = (12, 20)


def picture(path: Path, value: int = 90) -> Path:
    """An image of one value; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SHAPE, 3), value, np.uint8)).save(path)
    return path


def lesion(path: Path, column: int = 3, value: int = 255) -> Path:
    """A mask of one column; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, column] = value
    Image.fromarray(mask).save(path)
    return path


def files(raw: Path, images: str, masks: str) -> None:
    """Images of the values 1, 2, ... and masks of the columns 1, 2, ..."""
    names = [*images.split(), *masks.split()]
    for i, name in enumerate(images.split(), 1):
        picture(raw / name, i)
    for i, name in enumerate(masks.split(), 1):
        lesion(raw / name, i)
    if len({name.casefold() for name in names}) < len(names):
        skip_where_case_is_lost(raw)


def skip_where_case_is_lost(raw: Path) -> None:
    """Some file systems hold no two names that differ in case."""
    (raw / ".probe").touch()
    if (raw / ".PROBE").exists():
        pytest.skip("the file system knows no case")


def columns(raw: Path) -> dict[str, list[int]]:
    """Each image's name with the columns of its lesion."""
    found = {}
    for sample in folder.samples(raw):
        found[sample.name] = np.flatnonzero(sample.read()[1][0]).tolist()
    return found


def groups(raw: Path) -> dict[str, str]:
    """Each image's name with its group."""
    return {sample.name: sample.group for sample in folder.samples(raw)}


def refusal(raw: Path, *names: str) -> str:
    """The one line that `raw` is refused with, which has all the names."""
    with pytest.raises((ValueError, OSError)) as caught:
        [sample.read() for sample in folder.samples(raw)]
    told = str(caught.value)
    assert len(told.splitlines()) == 1
    assert [name for name in names if name not in told] == []
    return told


def table(raw: Path, *rows: str, name: str = "pairs.csv", **options) -> None:
    """A table of these lines."""
    (raw / name).write_text("\n".join(rows) + "\n", **options)
