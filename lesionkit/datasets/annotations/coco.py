"""COCO: one .json file for many images, with outlines or runs of pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from lesionkit.datasets.annotations.areas import Area, DrawnSample, of_lesions
from lesionkit.datasets.annotations.naming import part_of, words_of
from lesionkit.datasets.annotations.scanning import Holders, Scan
from lesionkit.datasets.own_files import as_posix, pictures
from lesionkit.datasets.pairs import below, by_key, refuse


def found(scan: Scan) -> list[Path]:
    """The files of this form."""
    return [path for path, content in scan.documents.items() if _is_one(content)]


def _is_one(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    lists = [content.get(name) for name in ("images", "annotations")]
    return all(isinstance(each, list) for each in lists)


def samples(scan: Scan) -> list[DrawnSample]:
    """Every image that a file lists, with the areas that it marks.

    An image that is listed and has no annotation has no lesion; one that is there and
    not listed is refused as one without a mask.

    Raises:
        ValueError: listed images that are not there or may be several, images that are
            listed twice, annotations that are boxes alone or cannot be read, areas of
            several names and no lesion_values.txt.
    """
    images = pictures(scan.raw, scan.raw)
    by_name, holders = by_key(images, lambda path: path.name), Holders.of(images)
    made: dict[Path, DrawnSample] = {}
    twice, lost, unclear = [], [], []
    for path in found(scan):
        for listed, areas in _listed(path, scan.documents[path]):
            said = as_posix(str(listed.get("file_name", "")))
            same = by_name.get(PurePosixPath(said).name, [])
            meant = _meant(scan.raw, path, said, same, holders)
            if len(meant) != 1:
                name = PurePosixPath(said).name
                (unclear if meant else lost).append(path.parent / name)
                continue
            if meant[0] in made:
                twice.append(meant[0])
            made[meant[0]] = _sample(scan.raw, path, meant[0], listed, areas)
    refuse("folder", "have no image", lost)
    refuse("folder", "are the end of several images' paths", unclear)
    refuse("folder", "are listed twice in the COCO files", twice)
    refuse("folder", "have no mask", [image for image in images if image not in made])
    return of_lesions(scan.raw, list(made.values()), scan.listed)


def _sample(
    raw: Path, path: Path, image: Path, listed: dict[str, Any], areas: list[Area]
) -> DrawnSample:
    height, width = listed.get("height"), listed.get("width")
    name = below(image, raw)
    part = part_of(Path(name).parts[:-1]) or part_of(words_of(path.stem))
    size = (height, width) if height and width else None
    return DrawnSample(name, image, (), part=part, areas=tuple(areas), size=size)


def _meant(
    raw: Path, path: Path, said: str, images: Sequence[Path], holders: Holders
) -> list[Path]:
    """The images that a listed name may be the end of, in the part that is said."""
    fits = [image for image in images if image.as_posix().endswith("/" + said)]
    fits = fits or holders.meant(path, images, PurePosixPath(said).parent.name)
    near = [image for image in fits if image.is_relative_to(path.parent)]
    fits = near if len(fits) > 1 and near else fits
    part = part_of(PurePosixPath(said).parts[:-1]) or part_of(words_of(path.stem))
    parts = {image: part_of(image.relative_to(raw).parts[:-1]) for image in fits}
    if part in parts.values():
        return [image for image in fits if parts[image] == part]
    return [image for image in fits if not (part and parts[image])]


def _listed(path: Path, content: dict) -> Iterator[tuple[dict[str, Any], list[Area]]]:
    """Each image's entry with its areas."""
    try:
        names = {c["id"]: str(c["name"]) for c in content.get("categories", [])}
        areas: dict[Any, list[Area]] = {image["id"]: [] for image in content["images"]}
        for annotation in content["annotations"]:
            label = names[annotation["category_id"]]
            areas[annotation["image_id"]] += _areas(label, annotation)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: an image, a category or a part of an annotation that is not "
            f"there: {error}"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    for image in content["images"]:
        yield image, areas[image["id"]]


def _areas(label: str, annotation: dict[str, Any]) -> list[Area]:
    """The areas of one annotation: its outlines, or the one that its runs say."""
    drawn = annotation.get("segmentation")
    if not drawn:
        return [Area(label, "box", ())]
    if isinstance(drawn, list):
        outlines = drawn if isinstance(drawn[0], list) else [drawn]
        return [Area(label, "polygon", tuple(map(float, each))) for each in outlines]
    counts = drawn["counts"]
    runs = unpacked(counts) if isinstance(counts, str) else [int(n) for n in counts]
    return [Area(label, "runs", tuple(runs))]


def unpacked(text: str) -> list[int]:
    """The runs of a compressed RLE, as pycocotools writes them.

    Each number is in digits of five bits, the least first, with a sixth that says
    whether another follows; from the fourth on it is the difference to the one but
    last.

    >>> unpacked("03")
    [0, 3]

    Raises:
        ValueError: it ends within a number, or has a letter that is no digit.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        digit = ord(letter) - 48
        if not 0 <= digit < 64:
            raise ValueError(f"an RLE with the letter {letter!r}")
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("an RLE that is cut off")
    return runs
