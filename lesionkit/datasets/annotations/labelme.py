"""LabelMe: a .json file for each image, with its outlines and their names."""

from __future__ import annotations

import base64
import os
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from lesionkit.datasets.annotations.areas import Area, DrawnSample, of_lesions
from lesionkit.datasets.annotations.naming import stem_of
from lesionkit.datasets.annotations.scanning import Holders, Scan
from lesionkit.datasets.own_files import as_posix, pictures
from lesionkit.datasets.pairs import below, by_key, refuse

OUTLINES = ("polygon", "rotation", "oriented_rectangle", "quadrilateral")


def found(scan: Scan) -> list[Path]:
    """The files of this form."""
    return [path for path, content in scan.documents.items() if _is_one(content)]


def _is_one(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def samples(scan: Scan) -> list[DrawnSample]:
    """Every image with the areas that its file marks.

    A file without a shape says that there is no lesion; an image without a file is
    refused as one without a mask.

    Raises:
        ValueError: files without an image, images without a file, a shape that cannot
            be read, or areas of several names and no lesion_values.txt.
    """
    images = pictures(scan.raw, scan.raw)
    owners = _owners(scan, images)
    left = [path for path in images if path not in owners]
    refuse("folder", "have no mask", left)
    made = []
    for image, path in owners.items():
        content = scan.documents[path]
        height, width = content.get("imageHeight"), content.get("imageWidth")
        made.append(
            DrawnSample(
                below(image, scan.raw),
                image,
                (),
                areas=tuple(_area(path, shape) for shape in content["shapes"]),
                size=(height, width) if height and width else None,
            )
        )
    return of_lesions(scan.raw, made, scan.listed)


def _owners(scan: Scan, images: list[Path]) -> dict[Path, Path]:
    """Each image with its file."""
    by_name = by_key(images, lambda path: path.name)
    by_stem, holders = by_key(images, stem_of), Holders.of(images)
    owners: dict[Path, list[Path]] = {}
    lost, unclear = [], []
    for path in found(scan):
        names = by_name, by_stem
        meant = _meant(path, scan.documents[path], *names, holders)
        if len(meant) == 1:
            owners.setdefault(meant[0], []).append(path)
        else:
            (unclear if meant else lost).append(path)
    refuse("folder", "have no image", lost)
    refuse("folder", "have several images", unclear)
    for files in owners.values():
        refuse("folder", "belong to one image", files if len(files) > 1 else [])
    return {image: files[0] for image, files in owners.items() if len(files) == 1}


def _meant(
    path: Path,
    content: dict[str, Any],
    by_name: dict[str, list[Path]],
    by_stem: dict[str, list[Path]],
    holders: Holders,
) -> list[Path]:
    """The images that a file may mean: as it says, beside it, or of its name."""
    said = as_posix(str(content.get("imagePath") or ""))
    name = PurePosixPath(said).name
    place = Path(os.path.normpath(path.parent / said)) if name else path
    named = [image for image in by_name.get(name, []) if image == place]
    same = by_stem.get(path.stem, [])
    beside = [image for image in same if image.parent == path.parent]
    if named and beside and named[0] not in beside:
        raise ValueError(
            f"{path}: its imagePath is {said!r}, and {beside[0].name} lies beside it; "
            "which of them was marked?"
        )
    if named or beside:
        return named or beside
    return holders.meant(path, by_name.get(name, [])) or holders.meant(path, same)


def _area(path: Path, shape: dict[str, Any]) -> Area:
    """One shape of a file."""
    try:
        label, kind = str(shape["label"]), shape.get("shape_type") or "polygon"
        points = np.array(shape["points"], float).reshape(-1, 2)
        if kind == "rectangle" and len(points) == 2:
            (left, top), (right, bottom) = points.tolist()
            corners = (left, top, right, top, right, bottom, left, bottom)
            return Area(label, "polygon", corners)
        if kind in OUTLINES or (kind == "rectangle" and len(points) == 4):
            return Area(label, "polygon", tuple(points.ravel().tolist()))
        if kind == "circle":
            radius = float(np.hypot(*(points[1] - points[0])))
            return Area(label, kind, (*points[0].tolist(), radius))
        if kind == "mask":
            return Area(label, "crop", _small_mask(points, shape["mask"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: a shape that cannot be read: {error!r}") from None
    return Area(label, str(kind), ())


def _small_mask(points: np.ndarray, packed: str) -> tuple:
    """A mask that LabelMe stores as a picture at a place."""
    with Image.open(BytesIO(base64.b64decode(packed)), formats=("PNG",)) as image:
        small = np.asarray(image.convert("L")) > 0
    column, row = points[0].round().astype(int).tolist()
    return (row, column, *small.shape, np.packbits(small).tobytes())
