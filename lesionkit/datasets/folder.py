"""Your own images and masks, laid out in one of three ways.

1. A table pairs.csv, columns image, mask and, if you have them, group: paths below
   its folder. Several rows of one image unite their masks.
2. Folders images/ and masks/, with the same names in them, in sub-folders too. The
   mask of a.jpg is a, a_mask, a_segmentation, a_label or a_gt of any suffix of
   SUFFIXES; a_1, a_2 or a_mask, a_mask_1 are united, as several lesions.
3. One folder, with sub-folders or not: a_mask.png beside a.jpg, endings as above.

Beside them may lie groups.csv (columns file and group) or groups.txt (one regular
expression with one group, looked for in the image's path): whose images belong
together, a patient's for instance. And lesion_values.txt: what of a mask of several
classes is lesion, one a line: an integer, a colour, opaque or transparent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from lesionkit.datasets.own_files import (
    SUFFIXES,
    OwnSample,
    as_posix,
    breaks_line,
    composed,
    is_read,
    leaves,
    pictures,
    read_groups,
    read_lesion_values,
    read_table,
    refuse_rows,
    settings,
)
from lesionkit.datasets.pairs import (
    below,
    by_key,
    find_root,
    in_order,
    is_visible,
    missing,
    refuse,
)
from lesionkit.lookup import nearest

# What a mask's name has more than its image's: a word, a number, or both.
MASK_ENDING = re.compile(r"(_(?:mask|segmentation|label|gt))?(_\d+)?\Z", re.IGNORECASE)
NUMBER = re.compile(r"_\d+\Z")

Pairs = dict[Path, list[Path]]  # each image with its masks


def samples(raw: Path) -> list[OwnSample]:
    """Every image with its masks, in the first of the three layouts that is there.

    Args:
        raw: the folder that holds one of the layouts, or for the first two the one
            above it.

    Raises:
        FileNotFoundError: none of the layouts, or no picture in one of its folders.
        ValueError: images without a mask, masks without an image, names that may mean
            two files, paths or links that lead out of `raw`, a table or another file
            of yours that cannot be used.
    """
    root = _root(raw)
    files = settings(raw, root)
    pairs, groups = _pairs(raw, root, files)
    if not groups:
        groups = read_groups(files, raw, list(pairs))
    elif other := [name for name in ("groups.csv", "groups.txt") if name in files]:
        raise ValueError(f"{raw}: pairs.csv has groups already, {other[0]} is too much")
    values = files.get("lesion_values.txt")
    listed = read_lesion_values(values) if values else ()
    return in_order(
        OwnSample(below(image, raw), image, tuple(masks), groups[image], "", listed)
        for image, masks in pairs.items()
    )


def _root(raw: Path) -> Path:
    """The folder that holds a layout: `raw`, or the one below it that does."""
    try:
        root = find_root("folder", raw, [("images", "masks"), ("pairs.csv",)])
    except FileNotFoundError:
        if not raw.is_dir() or not any(map(is_mask, pictures(raw, raw))):
            raise
        return raw
    if root != raw:
        beside = sorted(p for p in raw.iterdir() if is_visible(p) and is_mask(p))
        refuse("folder", f"lie beside {root.name}/, which is taken", beside)
    return root


def _pairs(
    raw: Path, root: Path, files: Mapping[str, Path]
) -> tuple[Pairs, dict[Path, str]]:
    """Each image with its masks, and the groups if a table gives them."""
    if "pairs.csv" in files:
        return _of_table(files["pairs.csv"])
    if (root / "images").is_dir() and (root / "masks").is_dir():
        found = [_pictures(raw, root / part) for part in ("images", "masks")]
        return _matched(found[0], found[1], (root / "images", root / "masks")), {}
    found = _pictures(raw, root)
    images = [path for path in found if not is_mask(path)]
    masks = [path for path in found if is_mask(path)]
    return _matched(images, masks, (root, root)), {}


def _pictures(raw: Path, folder: Path) -> list[Path]:
    """The pictures of a folder, which must have some."""
    found = pictures(raw, folder)
    if not found:
        raise missing("folder", f"no {', '.join(SUFFIXES)} file in {folder}")
    return found


def is_mask(path: Path) -> bool:
    """Whether a name ends as that of a mask, by a word."""
    ending = MASK_ENDING.search(path.stem)
    return is_read(path) and bool(ending and ending[1])


def _of_table(table: Path) -> tuple[Pairs, dict[Path, str]]:
    """Pairs and groups by pairs.csv."""
    pairs: Pairs = {}
    groups: dict[Path, str] = {}
    problems = []
    for line, row in read_table(table, ("image", "mask"), ("group",)):
        try:
            _add_row(table, row, pairs, groups)
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    refuse_rows(table, problems)
    places = by_key(pairs, lambda path: f"{path.stat().st_dev} {path.stat().st_ino}")
    for files in places.values():  # one file may have several names
        refuse("folder", "are one file", files if len(files) > 1 else [])
    return pairs, groups


def _named(table: Path, row: Mapping[str, str], column: str) -> Path:
    """The file that a cell names, below the folder of the table."""
    text = row[column]
    if not text:
        raise ValueError(f"no {column}")
    path = Path(os.path.normpath(table.parent / as_posix(text)))
    if breaks_line(text):
        raise ValueError(f"{column} {text!r} has a line break in its name")
    if PurePosixPath(as_posix(text)).is_absolute() or leaves(path, table.parent):
        raise ValueError(f"{column} {text!r} leads out of the folder")
    if not path.is_file():
        names = os.listdir(path.parent) if path.parent.is_dir() else []
        near = nearest(path.name, names)
        hint = f", did you mean {near!r}?" if near else ""
        raise ValueError(f"{column} {text!r} is not there{hint}")
    return path


def _add_row(
    table: Path, row: Mapping[str, str], pairs: Pairs, groups: dict[Path, str]
) -> None:
    """One row's mask and group to those of its image."""
    image, mask = (_named(table, row, column) for column in ("image", "mask"))
    if mask == image:
        raise ValueError(f"{image.name!r} is image and mask")
    if mask in pairs.get(image, []):
        raise ValueError(f"{image.name!r} with {mask.name!r} is there twice")
    pairs.setdefault(image, []).append(mask)
    group = row.get("group")
    if group == "":
        raise ValueError(f"{image.name!r} has no group; give all one, or none")
    if group and groups.setdefault(image, group) != group:
        raise ValueError(f"{image.name!r} is in two groups")


def _owner_finder(images: Iterable[str]) -> Callable[[str], tuple[list[str], str]]:
    """Finds the images that a mask's stem may mean, and what it has more than theirs.

    A number more is a further lesion only where no image has such a number: of images
    a and a_1, a mask a_2 is not the first one's, its own image is missing.
    """
    folded: dict[str, list[str]] = {}
    for stem in images:
        folded.setdefault(_fold(stem), []).append(stem)
    numbered = {NUMBER.sub("", stem) for stem in folded if NUMBER.search(stem)}

    def owners(mask: str) -> tuple[list[str], str]:
        found = MASK_ENDING.search(mask)  # all of it is optional: never None
        number, whole = (found[2] or "", found[0]) if found else ("", "")
        for ending in ("", number, whole):
            stem = mask.removesuffix(ending)
            alike = folded.get(_fold(stem), [])
            if alike and not (NUMBER.search(ending) and _fold(stem) in numbered):
                return [stem] if stem in alike else alike, ending.lower()
        return [], ""

    return owners


def _matched(
    images: Sequence[Path], masks: Sequence[Path], bases: tuple[Path, Path]
) -> Pairs:
    """Each image with the masks of its name, by the path below `bases`."""
    table = by_key(images, lambda path: _stem(path, bases[0]))
    for files in table.values():
        refuse("folder", "share one stem", files if len(files) > 1 else [])
    find = _owner_finder(table)
    owners = {mask: find(_stem(mask, bases[1])) for mask in masks}
    unclear = [mask for mask, (names, _) in owners.items() if len(names) > 1]
    refuse("folder", "have several images, whose names differ in case", unclear)
    refuse("folder", "have no image", [m for m in masks if not owners[m][0]])
    clear = [mask for mask in masks if len(owners[mask][0]) == 1]
    found = by_key(clear, lambda mask: owners[mask][0][0])
    for files in found.values():
        one = len(files) == 1 or _are_parts([owners[mask][1] for mask in files])
        refuse("folder", "belong to one image", [] if one else files)
    left = [files[0] for stem, files in table.items() if stem not in found]
    refuse("folder", "have no mask", left)
    return {table[stem][0]: found[stem] for stem in table if stem in found}


def _are_parts(endings: Sequence[str]) -> bool:
    """Whether masks of these endings are several lesions: a_1, a_2 or a_mask, a_mask_1.

    A mask named as its image is the whole; beside a_1 it may be another's.
    """
    words = {NUMBER.sub("", ending) for ending in endings}
    return len(words) == 1 and len({*endings, ""}) == len(endings) + 1


def _stem(path: Path, base: Path) -> str:
    return below(path.with_suffix(""), base)


def _fold(stem: str) -> str:
    """The stem without regard to case and to how its accents are written."""
    return composed(composed(stem).casefold())
