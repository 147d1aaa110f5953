"""A prepared set in, the positions of train, validation and test out.

A split depends on the content of the images and the seed alone, so a renamed or moved
folder, or another image size, gives the same split. `duplicates` finds near-copies,
`leakage` counts those that a split gives away. Free of torch; training, inspection,
pages and notebooks import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from lesionkit import lookup
from lesionkit.config import data_folder
from lesionkit.prepared import Prepared
from lesionkit.records.files import write_bytes
from lesionkit.splits import dealing
from lesionkit.splits.cached import near_copies
from lesionkit.splits.duplicates import clusters

__all__ = [
    "PARTS",
    "Split",
    "cached",
    "dealing",
    "duplicates",
    "leakage",
    "manifest",
    "split",
]

PARTS = ("train", "validation", "test")
KINDS = ("image", "group", "lists", "group_v1")
MANIFESTS = {"group": "group_v2", "group_v1": "group"}  # names of files, once written
DEALERS = {
    "group": (dealing.bands_of, dealing.deal_groups),
    "group_v1": (dealing.first_bands, dealing.first_deal),
}


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
    groups: Sequence[str] | np.ndarray | None = None,
) -> Split:
    """A random 60:20:20 split, written as a manifest beside the data.

    Args:
        data: an opened data set.
        kind: "image" deals single images, as published; "group" deals whole groups
            (patients, video sequences), so that no group lies in two parts, and keeps
            the shares, also within each band of lesion size, as far as the groups allow
            (`dealing.deal_groups`); "lists" takes somebody else's lists or your folders
            (`read_lists`); "group_v1" deals groups as records of format 1 have them.
        seed: of the shuffle.
        groups: one group name an image, in the order of the index; by default the
            groups that the data set itself knows or, where it knows none, clusters of
            near-copies.

    Raises:
        FileNotFoundError: no lists.
        ValueError: unknown kind, fewer than five images or three groups, only some
            images with a group, lists that do not fit.

    Source: paper A, II-4 (random 60:20:20, seed 42).
    """
    lookup.find("split kind", kind, dict.fromkeys(KINDS))
    if kind == "lists":
        return _written(data, read_lists(data), None)
    if len(data) < 5:
        raise ValueError(
            f"{data.name}: a 60:20:20 split needs 5 images, got {len(data)}"
        )
    # by content, so that file names do not matter
    keys = data.index[["content_hash", "mask_hash", "file"]]
    order = keys.sort_values([*map(str, keys)]).index.to_numpy()
    named = None if kind == "image" else _groups(data, groups)
    if named is None:
        parts = dealing.deal_images(order, seed)
    else:
        share = data.index["lesion_share"].to_numpy(float)
        bands_of, deal_groups = DEALERS[kind]
        parts = deal_groups(named, bands_of(share), order, seed)
    result = Split(kind, seed, *(np.sort(part) for part in parts))
    return _written(data, result, named)


def deal(groups: np.ndarray, seed: int) -> list[np.ndarray]:
    """Positions of train, validation and test, by the groups alone.

    Groups of one image each are dealt as single images.

    Shape:
        groups: (N,) a group for each image
    """
    order = np.arange(len(groups))
    if len(set(groups.tolist())) == len(groups):
        return dealing.deal_images(order, seed)
    bands = np.zeros(len(groups), int)
    return dealing.deal_groups(groups.astype(str), bands, order, seed)


def read_lists(data: Prepared) -> Split:
    """Somebody else's split: train.txt, validation.txt and test.txt, a name a line.

    The lists lie in splits/<name>/lists of the data folder. A name is the file's path
    below the raw folder, its file name, or its stem. Where there are none, the folders
    train/, val/ and test/ of a raw folder of your own are the split.

    Raises:
        FileNotFoundError: a list or the folder of a part is not there.
        ValueError: a name that is no image's or several images', or an image that is
            in two lists or twice in one.
    """
    folder = data_folder() / "splits" / data.name / "lists"
    if "part" in data.index and not folder.is_dir():
        return _by_folders(data, folder)
    places: dict[str, list[int]] = {}  # every name that a list may use for an image
    for i, file in enumerate(data.index["file"]):
        path = PurePosixPath(file)
        for name in {file, path.name, path.stem}:
            places.setdefault(name, []).append(i)
    seen: dict[int, str] = {}
    parts: dict[str, list[int]] = {name: [] for name in PARTS}
    for part in PARTS:
        path = folder / f"{part}.txt"
        if not path.is_file():
            raise FileNotFoundError(
                f"no list {path}; a split of kind 'lists' needs train.txt, "
                "validation.txt and test.txt there, one file name a line, or a set "
                "of your own in the folders train/, val/ and test/"
            )
        for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
            if name := line.strip():
                where = f"{path.name}, line {number}"
                place = _place(name, where, places)
                if place in seen:
                    raise ValueError(f"{where}: {name} is in {seen[place]} already")
                seen[place] = where
                parts[part].append(place)
    return Split("lists", 0, *(np.array(sorted(parts[p]), int) for p in PARTS))


def _by_folders(data: Prepared, folder: Path) -> Split:
    """The split that the folders of the raw files say."""
    parts = {name: np.flatnonzero(data.index["part"] == name) for name in PARTS}
    if left := [name for name in PARTS if not len(parts[name])]:
        there = ", ".join(f"{len(parts[n])} in {n}" for n in PARTS if n not in left)
        raise FileNotFoundError(
            f"split kind 'lists': the folders of {data.name} say {there}, none is in "
            f"{' and '.join(left)}; move some to a folder of that name, write lists "
            f"to {folder}, or take kind 'image' or 'group'"
        )
    return Split("lists", 0, *(parts[name] for name in PARTS))


def _place(name: str, where: str, places: dict[str, list[int]]) -> int:
    """The image that a name of a list means."""
    found = places.get(name.replace("\\", "/"), [])
    if not found:
        near = lookup.nearest(name, places)
        hint = f" Did you mean {near!r}?" if near else ""
        raise ValueError(f"{where}: no image is called {name!r}.{hint}")
    if len(found) > 1:
        raise ValueError(
            f"{where}: {len(found)} images are called {name!r}; give their paths"
        )
    return found[0]


def manifest(
    data: Prepared,
    parts: Split,
    groups: Sequence[str] | np.ndarray | None = None,
) -> pd.DataFrame:
    """The split as a table: file, content_hash, group, part and seed of each image."""
    table = data.index[["file", "content_hash", "group"]].copy()
    if groups is not None:
        table["group"] = list(groups)
    table["part"] = ""  # of what no list has
    for name in PARTS:
        table.loc[parts.part(name), "part"] = name
    table["seed"] = parts.seed
    return table


def _groups(data: Prepared, groups: Sequence[str] | np.ndarray | None) -> np.ndarray:
    """A group for every image, or an error that says where groups come from."""
    named = np.array(data.index["group"] if groups is None else groups, dtype=str)
    if len(named) != len(data):
        raise ValueError(f"groups must name {len(data)} images, got {len(named)}")
    if groups is None and not named.astype(bool).any():
        named = copies(data)
    missing = int((named == "").sum())
    if missing:
        raise ValueError(
            f"split kind 'group': {missing} of {len(data)} images of {data.name} "
            "belong to no known group; give groups=, or take kind 'image'"
        )
    if len(set(named)) < 3:
        raise ValueError(f"split kind 'group' needs 3 groups, got {len(set(named))}")
    return named


def copies(data: Prepared) -> np.ndarray:
    """Clusters of near-copies as groups, each named by the content of an image."""
    found = clusters(len(data), near_copies(data))
    hashes = data.index["content_hash"].to_numpy(str)
    least: dict[int, str] = {}
    for cluster, content in zip(found.tolist(), hashes.tolist(), strict=True):
        least[cluster] = min(content, least.get(cluster, content))
    return np.array([f"copies_{least[cluster][:12]}" for cluster in found.tolist()])


def _written(data: Prepared, parts: Split, groups: np.ndarray | None) -> Split:
    """Save the manifest below splits/, once for each content of the data set."""
    kind = MANIFESTS.get(parts.kind, parts.kind)
    name = f"{kind}-seed{parts.seed}-{data.fingerprint[:8]}.csv"
    text = manifest(data, parts, groups).to_csv(index=False)
    path = data_folder() / "splits" / data.name / name
    if not path.is_file() or path.read_text() != text:
        write_bytes(path, text.encode())
    return parts
