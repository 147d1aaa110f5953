"""Your own images and masks: a table, folders, or the files of an annotation program.

1. A table pairs.csv, columns image, mask and, if you have them, group: paths below
   its folder. Several rows of one image unite their masks. It is read before all else.
2. Folders of images and masks side by side, with the same names in them: images,
   image, imgs with masks, mask, labels, label, gt, annotations, annotation, in any
   case. The mask of a.jpg is a, a_mask, a-seg, mask_a and the like (`naming`); a_1,
   a_2 or a_mask, a_mask_1 are united, as several lesions.
3. One folder, with sub-folders or not: a_mask.png beside a.jpg, endings as above.
4. nnU-Net, LabelMe, COCO, YOLO, arrays, parquet: see `annotations`.

Below train/, val/ and test/ they are one set, whose split of kind "lists" they are.
Beside them may lie groups.csv (columns file and group) or groups.txt (one regular
expression with one group, looked for in the image's path): whose images belong
together, a patient's for instance. And lesion_values.txt: what of a mask of several
classes is lesion, one a line: an integer, a colour, opaque or transparent; or a name,
of outlines and labels that have some. A line such as ignore 255 says what counts
neither way.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lesionkit.datasets.annotations import layouts
from lesionkit.datasets.annotations.naming import (
    FOLDERS,
    ROLES,
    Pairs,
    is_named_mask,
    squeezed,
)
from lesionkit.datasets.annotations.scanning import Scan
from lesionkit.datasets.own_files import (
    SETTINGS,
    OwnSample,
    as_posix,
    breaks_line,
    is_read,
    leaves,
    read_groups,
    read_lesion_values,
    read_table,
    refuse_rows,
    settings,
)
from lesionkit.datasets.pairs import (
    below,
    by_key,
    in_order,
    is_visible,
    missing,
    refuse,
)
from lesionkit.lookup import nearest


def samples(raw: Path) -> list[OwnSample]:
    """Every image with its masks, in the one form that is there.

    Args:
        raw: the folder that holds it, or one above it.

    Raises:
        FileNotFoundError: no form that is known; the text says what was found.
        ValueError: two forms, images without a mask, masks without an image, names
            that may mean two files, paths or links that lead out of `raw`, a table or
            another file of yours that cannot be used.
    """
    if not raw.is_dir():
        raise missing("folder", f"no folder {raw}")
    root = _root(raw)
    files = settings(raw, root)
    listed = files.get("lesion_values.txt")
    if "pairs.csv" not in files:
        return in_order(_grouped(raw, files, layouts.samples(Scan.of(raw, listed))))
    pairs, groups = _of_table(files["pairs.csv"])
    if not groups:
        groups = read_groups(files, raw, list(pairs))
    elif other := [name for name in ("groups.csv", "groups.txt") if name in files]:
        raise ValueError(f"{raw}: pairs.csv has groups already, {other[0]} is too much")
    values = read_lesion_values(listed) if listed else ()
    found = [
        OwnSample(below(image, raw), image, tuple(masks), groups[image], "", values)
        for image, masks in pairs.items()
    ]
    return in_order(layouts.in_parts(found))


def _grouped(
    raw: Path, files: Mapping[str, Path], found: list[OwnSample]
) -> list[OwnSample]:
    """The samples with the groups that groups.csv or groups.txt names."""
    names = [raw / sample.name for sample in found]
    groups = read_groups(dict(files), raw, names)
    return [
        replace(sample, group=groups[name])
        for sample, name in zip(found, names, strict=True)
    ]


def _root(raw: Path) -> Path:
    """Where pairs.csv and the like lie: `raw`, or the one folder in it that has some.

    Of a raw folder with images and masks of its own the folders are not looked into.
    """
    inside = sorted(p for p in raw.iterdir() if is_visible(p) and p.is_dir())
    roles = {FOLDERS.get(squeezed(path.name), ("",))[0] for path in inside}
    if (raw / "pairs.csv").is_file() or roles >= set(ROLES):
        return raw
    found = [p for p in inside if any((p / name).is_file() for name in SETTINGS)]
    if len(found) > 1:
        raise ValueError(
            f"folder: {', '.join(path.name for path in found)} in {raw} have files "
            "such as groups.txt or pairs.csv each; one in the raw folder is read"
        )
    return found[0] if found else raw


def holds_masks(folder: Path) -> bool:
    """Whether a folder has a table of pairs, or a folder named as one of masks."""
    inside = [path for path in folder.iterdir() if path.is_dir()]
    roles = {FOLDERS.get(squeezed(path.name), ("",))[0] for path in inside}
    return (folder / "pairs.csv").is_file() or "masks" in roles


def is_mask(path: Path) -> bool:
    """Whether a name has a mask's word at its end or its beginning."""
    return is_read(path) and is_named_mask(path.stem)


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
