"""Which image is train, validation or test, for each seed; manifests of that.

A split depends on the content of the images and the seed alone, so a renamed or moved
folder, or another image size, gives the same split.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesionkit import lookup
from lesionkit.config import data_folder
from lesionkit.files import write_bytes
from lesionkit.prepared import Prepared

PARTS = ("train", "validation", "test")
SHARES = (0.6, 0.2, 0.2)  # paper A, II-4
KINDS = ("image", "group")


@dataclass(frozen=True)
class Split:
    """Positions of each part in the prepared arrays, in the order of the arrays."""

    kind: str
    seed: int
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def part(self, name: str) -> np.ndarray:
        """The positions of train, validation or test."""
        lookup.find("part", name, dict.fromkeys(PARTS))
        return getattr(self, name)


def split(
    data: Prepared,
    *,
    kind: str = "image",
    seed: int = 42,
    groups: Sequence[str] | None = None,
) -> Split:
    """A random 60:20:20 split, written as a manifest beside the data.

    Args:
        data: an opened data set.
        kind: "image" deals single images, as published; "group" deals whole groups
            (patients, video sequences), so that no group lies in two parts.
        seed: of the shuffle.
        groups: one group name an image, in the order of the index; by default the
            groups that the data set itself knows.

    Raises:
        ValueError: unknown kind, fewer than five images or three groups, or no groups.

    Source: paper A, II-4 (random 60:20:20, seed 42).
    """
    if kind not in KINDS:
        raise lookup.unknown("split kind", kind, KINDS)
    if len(data) < 5:
        raise ValueError(
            f"{data.name}: a 60:20:20 split needs 5 images, got {len(data)}"
        )
    named = None
    if kind == "group":
        named = _groups(data, groups)
        parts = _deal_groups(named, _by_content(data), seed)
    else:
        parts = _deal_images(_by_content(data), seed)
    result = Split(kind, seed, *(np.sort(part) for part in parts))
    _write(data, result, named)
    return result


def manifest(
    data: Prepared, parts: Split, groups: Sequence[str] | None = None
) -> pd.DataFrame:
    """The split as a table: file, content_hash, group, part and seed of each image."""
    table = data.index[["file", "content_hash", "group"]].copy()
    if groups is not None:
        table["group"] = list(groups)
    table["part"] = ""
    for name in PARTS:
        table.loc[parts.part(name), "part"] = name
    table["seed"] = parts.seed
    return table


def _by_content(data: Prepared) -> np.ndarray:
    """Positions ordered by content, so that file names do not matter."""
    keys = data.index[["content_hash", "mask_hash", "file"]]
    return keys.sort_values(list(keys)).index.to_numpy()


def _sizes(count: int) -> tuple[int, int]:
    """How many images are for training and for validation; the rest is for test."""
    return round(SHARES[0] * count), round(SHARES[1] * count)


def _deal_images(order: np.ndarray, seed: int) -> list[np.ndarray]:
    """Single images to the three parts."""
    shuffled = np.random.default_rng(seed).permutation(order)
    train, validation = _sizes(len(order))
    return np.split(shuffled, [train, train + validation])


def _groups(data: Prepared, groups: Sequence[str] | None) -> np.ndarray:
    """A group for every image, or an error that says where groups come from."""
    named = np.array(data.index["group"] if groups is None else groups, dtype=str)
    if len(named) != len(data):
        raise ValueError(f"groups must name {len(data)} images, got {len(named)}")
    missing = int((named == "").sum())
    if missing:
        raise ValueError(
            f"split kind 'group': {missing} of {len(data)} images of {data.name} "
            "belong to no known group; give groups=, or take kind 'image'"
        )
    if len(set(named)) < 3:
        raise ValueError(f"split kind 'group' needs 3 groups, got {len(set(named))}")
    return named


def _deal_groups(named: np.ndarray, order: np.ndarray, seed: int) -> list[np.ndarray]:
    """Whole groups to the three parts, each to the part that lacks most images."""
    first_seen = list(dict.fromkeys(named[order]))  # ordered by content, not by name
    shuffled = np.random.default_rng(seed).permutation(first_seen)
    wanted = np.array(SHARES) * len(named)
    filled = np.zeros(3)
    parts: list[list[np.ndarray]] = [[], [], []]
    sizes = {name: int((named == name).sum()) for name in first_seen}
    for name in shuffled:
        target = int(np.argmax((wanted - filled) / wanted))
        parts[target].append(np.flatnonzero(named == name))
        filled[target] += sizes[name]
    return [np.concatenate(part) for part in parts]


def _write(data: Prepared, parts: Split, groups: np.ndarray | None) -> None:
    """Save the manifest below splits/, once for each content of the data set."""
    name = f"{parts.kind}-seed{parts.seed}-{data.fingerprint[:8]}.csv"
    text = io.StringIO()
    manifest(data, parts, groups).to_csv(text, index=False)
    path = data_folder() / "splits" / data.name / name
    if not path.is_file() or path.read_text() != text.getvalue():
        write_bytes(path, text.getvalue().encode())
