"""YOLO: a .txt file for each image, a line an outline: class x y x y ... in shares."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import yaml

from lesionkit.datasets.annotations.areas import Area, DrawnSample, of_lesions
from lesionkit.datasets.annotations.naming import Pairs, fold, matched
from lesionkit.datasets.annotations.scanning import (
    Scan,
    has_texts,
    is_setting,
    places,
    refuse_lone,
)
from lesionkit.datasets.own_files import SUFFIXES, pictures, read_lines
from lesionkit.datasets.pairs import below, refuse

LISTS = ("classes.txt", "obj.names", "labels.txt")  # a class's name a line
TABLES = (".yaml", ".yml")  # with the key names


def found(scan: Scan) -> list[Path]:
    """The files of this form that mark something."""
    texts = [p for p in scan.ending(".txt") if not is_setting(p)]
    return [path for path in texts if _is_one(path)]


def _is_one(path: Path) -> bool:
    """Whether the first line is a class and four numbers or more."""
    try:
        lines = read_lines(path)
        first = [float(word) for word in lines[0].split()] if lines else []
    except (ValueError, OSError):
        return False
    return len(first) >= 5 and first[0] == int(first[0]) >= 0


def samples(scan: Scan) -> list[DrawnSample]:
    """Every image with the outlines that its file lists.

    An empty file says that there is no lesion; an image without a file is refused as
    one without a mask.

    Raises:
        ValueError: files without an image, images without a file, a line that is no
            outline, or outlines of several classes and no lesion_values.txt.
    """
    names = _names(scan)
    made = []
    for image, texts in _pairs(scan).items():
        areas = chain.from_iterable(_areas(path, names) for path in texts)
        made.append(DrawnSample(below(image, scan.raw), image, (), areas=tuple(areas)))
    return of_lesions(scan.raw, made, scan.listed)


def _pairs(scan: Scan) -> Pairs:
    """Each image with its file, whose name is the same."""
    pairs = _matched(scan)
    for image, files in pairs.items():
        others = [path for path in files if fold(path.stem) != fold(image.stem)]
        refuse("folder", "have no image", others)
    return pairs


def _matched(scan: Scan) -> Pairs:
    """Images and files, in labels/ beside images/ or side by side."""
    texts = [
        path
        for path in scan.ending(".txt")
        if not is_setting(path) and path.name not in LISTS
    ]
    pairs: Pairs = {}
    at = places(scan.raw, has_texts)
    for place in at:
        mine = [path for path in texts if path.is_relative_to(place.masks)]
        bases = place.images, place.masks
        pairs |= matched(pictures(scan.raw, place.images), mine, bases)
    if at:
        refuse_lone(scan.raw, at, scan.ending(*SUFFIXES))
        return pairs
    folders = {path.parent for path in found(scan)}
    beside = [path for path in texts if path.parent in folders]
    images = pictures(scan.raw, scan.raw)
    return matched(images, beside, (scan.raw, scan.raw))


def _names(scan: Scan) -> list[str]:
    """The names of the classes, from data.yaml or a list; none where nobody says."""
    told = {}
    for path in scan.files:
        if path.name.lower() in LISTS:
            told[path] = read_lines(path)
        elif path.suffix.lower() in TABLES:
            told |= {path: names} if (names := _of_table(path)) else {}
    several = {tuple(names) for names in told.values()}
    if len(several) > 1:
        files = ", ".join(below(path, scan.raw) for path in told)
        raise ValueError(f"{scan.raw}: {files} name the classes differently; keep one")
    return list(several.pop()) if several else []


def _of_table(path: Path) -> list[str]:
    """The key names of a YAML file, a list or a mapping from 0 on."""
    try:
        content = yaml.safe_load(path.read_text("utf-8-sig"))
        names = content["names"]
        if isinstance(names, dict):
            names = [names[i] for i in range(len(names))]
        return [str(name) for name in names]
    except (yaml.YAMLError, UnicodeError, KeyError, TypeError):
        return []


def _areas(path: Path, names: Sequence[str]) -> list[Area]:
    """The outlines of a file; a line of a class and four numbers is a box."""
    areas = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            which, *corners = (float(word) for word in line.split())
        except ValueError:
            raise ValueError(
                f"{path}: line {number} is no class and numbers: {line[:40]!r}"
            ) from None
        kind = int(which)
        if kind != which or (names and not 0 <= kind < len(names)):
            known = f", there are 0 to {len(names) - 1}" if names else ""
            raise ValueError(f"{path}: line {number} has class {which:g}{known}")
        label = names[kind] if names else str(kind)
        form = "box" if len(corners) == 4 else "share"
        areas.append(Area(label, form, tuple(corners)))
    return areas
