"""What lies in a raw folder: its visible files, and folders of images beside masks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lesionkit.datasets.annotations.naming import FOLDERS, ROLES, part_of, squeezed
from lesionkit.datasets.own_files import SETTINGS, SUFFIXES, leaves, visible
from lesionkit.datasets.pairs import below, is_visible, natural_order, refuse
from lesionkit.datasets.pictures.arrays import ARRAYS

READ = (*SUFFIXES, *ARRAYS)  # endings of images and masks in folders
DEEP = 4  # folders between the raw folder and a folder of images
LITTER = {"thumbs.db", "desktop.ini"}
_SHOWN = 4


@dataclass(frozen=True)
class Scan:
    """A raw folder, looked through once.

    Attributes:
        raw: the folder.
        files: those that are visible, in natural order, links out of it left out.
        listed: lesion_values.txt, if it is there.
    """

    raw: Path
    files: tuple[Path, ...]
    listed: Path | None = None

    @classmethod
    def of(cls, raw: Path, listed: Path | None = None) -> Scan:
        """Everything below a folder."""
        found = natural_order(path for path in visible(raw, ("",)) if path.is_file())
        kept = (p for p in found if p.name.lower() not in LITTER)
        return cls(raw, tuple(kept), listed)

    def ending(self, *endings: str) -> list[Path]:
        """The files whose names end so, in whatever case."""
        return [path for path in self.files if path.name.lower().endswith(endings)]

    @cached_property
    def documents(self) -> dict[Path, Any]:
        """What the .json files hold, the pictures in them left out; None: not JSON."""
        inside = (p for p in self.ending(".json") if not leaves(p, self.raw))
        return {path: _document(path) for path in inside}

    def told(self) -> str:
        """How many files of which kind there are, most first."""
        count = Counter(path.suffix.lower() or "other" for path in self.files)
        kinds = [f"{n} {kind}" for kind, n in count.most_common(_SHOWN)]
        more = ", ..." * (len(count) > _SHOWN)
        return f"found {', '.join(kinds)}{more} files" if kinds else "it is empty"


def _document(path: Path) -> Any:
    """A JSON file's content, without the picture that LabelMe packs into it."""
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, OSError):
        return None
    if isinstance(content, dict):
        content.pop("imageData", None)
    return content


@dataclass(frozen=True)
class Place:
    """A folder of images beside the one of their masks."""

    images: Path
    masks: Path
    part: str  # train, validation or test where the folders on the way say so


def places(raw: Path, holds: Callable[[Path], bool]) -> list[Place]:
    """Folders of images beside folders of masks, at most DEEP folders down.

    Args:
        raw: where they are looked for.
        holds: whether a folder of a mask's name holds masks.

    Raises:
        ValueError: of two folders of images or of masks side by side either may be
            meant, or several places that are no parts of one split.
    """
    found = list(_places(raw, raw, holds))
    if len(found) > 1 and not all(place.part for place in found):
        names = ", ".join(below(place.images, raw) for place in found[:_SHOWN])
        raise ValueError(
            f"folder: more than one folder of {raw} fits: {names}; name the one that "
            "is meant, list the pairs in pairs.csv, or call them train/, val/, test/"
        )
    return found


def _places(
    raw: Path, folder: Path, holds: Callable[[Path], bool], depth: int = 0
) -> Iterator[Place]:
    """Those in one folder, then those below."""
    inside = sorted(p for p in folder.iterdir() if is_visible(p) and p.is_dir())
    sides: dict[str, dict[str, list[Path]]] = {}
    for path in inside:
        role, part = FOLDERS.get(squeezed(path.name), ("", ""))
        if role and (holds if role == "masks" else has_images)(path):
            sides.setdefault(part, {r: [] for r in ROLES})[role].append(path)
    taken = []
    for part, by in sides.items():
        if not all(by.values()):
            continue
        for several in by.values():
            if len(several) > 1:
                names = " and ".join(f"{path.name}/" for path in several)
                raise ValueError(
                    f"folder: {folder} holds {names}, which may be meant: remove one, "
                    "or list the pairs in pairs.csv"
                )
        images, masks = by["images"][0], by["masks"][0]
        on_way = images.parent.relative_to(raw).parts
        yield Place(images, masks, part or part_of(on_way))
        taken += [images, masks]
    for path in inside:
        if path not in taken and depth < DEEP and not path.is_symlink():
            yield from _places(raw, path, holds, depth + 1)


def refuse_lone(raw: Path, at: Sequence[Place], images: Sequence[Path]) -> None:
    """Refuse the images of a folder beside which no folder of masks lies.

    Args:
        raw: the raw folder.
        at: the places that are taken.
        images: of the raw folder, all that may be read.
    """
    taken = [folder for place in at for folder in (place.images, place.masks)]
    lone = [
        path
        for path in images
        if not any(path.is_relative_to(folder) for folder in taken)
        and any(_role(name) == "images" for name in path.relative_to(raw).parts[:-1])
    ]
    refuse("folder", "have no mask", lone)


@dataclass(frozen=True)
class Holders:
    """The folders that have images in them, and all above those."""

    above: frozenset[Path]
    names: frozenset[str]  # of the folders where images lie

    @classmethod
    def of(cls, images: Sequence[Path]) -> Holders:
        """Of all images of a raw folder."""
        above = frozenset(folder for image in images for folder in image.parents)
        return cls(above, frozenset(image.parent.name for image in images))

    def meant(self, path: Path, images: Sequence[Path], said: str = "") -> list[Path]:
        """Of images of one name those that a file of outlines elsewhere may mean.

        They lie below the nearest folder above the file that has images at all, and
        where images lie in folders called as the file's own, or as `said`, in one of
        that name: the image of json/p1/1.json is never img/p2/1.png.

        Args:
            path: the file of outlines.
            images: of the name.
            said: the folder that the file gives for the image.
        """
        near = next((f for f in path.parents if f in self.above), path.parent)
        found = [image for image in images if image.is_relative_to(near)]
        for name in (said, path.parent.name):
            if name in self.names:
                return [image for image in found if image.parent.name == name]
        return found


def _role(name: str) -> str:
    """What a folder of this name holds, if it is one of the words."""
    return FOLDERS.get(squeezed(name), ("", ""))[0]


def has_images(folder: Path) -> bool:
    """Whether a folder or one below holds a file that is read as an image or a mask."""
    return next(visible(folder, READ), None) is not None


def has_texts(folder: Path) -> bool:
    """Whether a folder or one below holds .txt files."""
    return next(visible(folder, (".txt",)), None) is not None


def is_setting(path: Path) -> bool:
    """Whether a file is one of those that say how the set is read."""
    return path.name.lower() in SETTINGS
