"""What a name says: whose mask a file is, what a folder holds, which part of a split.

Case, how accents are written, and the marks `_ - . space` in a folder's name do not
matter. The words are the tables below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from lesionkit.datasets.own_files import composed
from lesionkit.datasets.pairs import below, by_key, refuse

ROLES = {
    "images": (
        "images image imgs img originals original pictures photos jpegimages imgdir"
    ).split(),
    "masks": (
        "masks mask labels label gts gt annotations annotation groundtruths "
        "groundtruth segmentations segmentation segs seg segmentationclass anndir"
    ).split(),
}
PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
WORD = "masks?|segmentation|seg|labels?|gt|ground[_ -]?truth|annotation|lesion"
UNSURE = re.compile("lesion|annotation", re.IGNORECASE)  # an image may have them too
# What a mask's name has more than its image's: a word, a number, or both.
ENDING = re.compile(rf"(?:([_\-. ](?:{WORD}))([_-]\d+)?|(_\d+))?\Z", re.IGNORECASE)
START = re.compile(rf"(?:{WORD})(?:[_\-. ]+(?=.)|(?=\d))", re.IGNORECASE)
NUMBER = re.compile(r"[_-]\d+\Z")
# What an image's name has more than the name that its mask adds its own words to.
IMAGE = re.compile(
    r"\A(?:image|img|im|frame|original|photo)(?:[_\-. ]+(?=.)|(?=\d))"
    r"|[_\-. ](?:image|img|original|orig)\Z"
)

Pairs = dict[Path, list[Path]]  # each image with its masks


def squeezed(name: str) -> str:
    """A folder's name without case and without `_ - . space`."""
    return re.sub(r"[\s_.-]", "", composed(name).casefold())


FOLDERS = {  # "images", "trainimages", "masksval", ... to what it holds and the part
    name: (role, part)
    for role, words in ROLES.items()
    for word in words
    for part, affixes in ({"": ("",)} | PARTS).items()
    for affix in affixes
    for name in (affix + word, word + affix)
}
FOLDER_PARTS = {name: part for name, (_, part) in FOLDERS.items() if part} | {
    word + more: part
    for part, words in PARTS.items()
    for word in words
    for more in ("", "set", "data", "dataset", "2017")
}


def part_of(names: Iterable[str]) -> str:
    """train, validation or test by the folders on a path; "" where none or two say."""
    found = {FOLDER_PARTS.get(squeezed(name), "") for name in names} - {""}
    return found.pop() if len(found) == 1 else ""


def words_of(name: str) -> list[str]:
    """instances and train of instances_train2017: what numbers and marks part."""
    return re.split(r"[\d\s_.-]+", name)


def is_named_mask(stem: str) -> bool:
    """Whether a name has a mask's word at an end, and one that no image would have."""
    ending, start = ENDING.search(stem), START.match(stem)
    words = [ending[1] if ending else None, start[0] if start else None]
    return any(word and not UNSURE.search(word) for word in words)


def masks_among(paths: Sequence[Path]) -> set[Path]:
    """The masks among files that lie together; x_lesion is one where x is there."""
    there = {_key(path, stem_of(path)) for path in paths}

    def is_mask(path: Path) -> bool:
        stem = stem_of(path)
        found = ENDING.search(stem)
        rest = stem.removesuffix(found[0]) if found and found[1] else ""
        return is_named_mask(stem) or bool(rest and _key(path, rest) in there)

    return set(filter(is_mask, paths))


def _key(path: Path, stem: str) -> str:
    return f"{path.parent.as_posix()}/{fold(stem)}"


def matched(
    images: Sequence[Path], masks: Sequence[Path], bases: tuple[Path, Path]
) -> Pairs:
    """Each image with the masks of its name, by the path below `bases`.

    Raises:
        ValueError: images without a mask, masks without an image or with several,
            several masks of one image that are not its numbered lesions.
    """
    table = by_key(images, lambda path: _stem(path, bases[0]))
    for files in table.values():
        refuse("folder", "share one stem", files if len(files) > 1 else [])
    find = _owner_finder(table)
    owners = {mask: find(_stem(mask, bases[1])) for mask in masks}
    unclear = [mask for mask, (names, _) in owners.items() if len(names) > 1]
    said = "have several images, whose names differ in case, in zeros or in a word"
    refuse("folder", said, unclear)
    refuse("folder", "have no image", [m for m in masks if not owners[m][0]])
    clear = [mask for mask in masks if len(owners[mask][0]) == 1]
    found = by_key(clear, lambda mask: owners[mask][0][0])
    for files in found.values():
        one = len(files) == 1 or _are_parts([owners[mask][1] for mask in files])
        refuse("folder", "belong to one image", [] if one else files)
    left = [files[0] for stem, files in table.items() if stem not in found]
    refuse("folder", "have no mask", left)
    return {table[stem][0]: found[stem] for stem in table if stem in found}


def _owner_finder(images: Iterable[str]) -> Callable[[str], tuple[list[str], str]]:
    """Finds the images that a mask's stem may mean, and what it has more than theirs.

    A number more is a further lesion only where no image has such a number: of images
    a and a_1, a mask a_2 is not the first one's, its own image is missing.
    """
    stems = list(images)
    tables = {level: _by_level(stems, level) for level in LEVELS}

    def owners(mask: str) -> tuple[list[str], str]:
        for level, (table, numbered) in tables.items():
            for stem, affix in _variants(mask):
                alike = table.get(level(stem), [])
                if alike and not (NUMBER.search(affix) and level(stem) in numbered):
                    return [stem] if stem in alike else alike, affix
        return [], ""

    return owners


def _by_level(
    stems: Sequence[str], level: Callable[[str], str]
) -> tuple[dict[str, list[str]], set[str]]:
    """Images by the key of a level, and what they are called without a number."""
    table: dict[str, list[str]] = {}
    for stem in stems:
        if key := level(stem):
            table.setdefault(key, []).append(stem)
    return table, {NUMBER.sub("", key) for key in table if NUMBER.search(key)}


def _variants(mask: str) -> Iterator[tuple[str, str]]:
    """A mask's stem without number, word and first word, and what was taken off."""
    folder, _, name = mask.rpartition("/")
    folder += "/" * bool(folder)
    start = START.match(name)
    for first in dict.fromkeys(("", start[0] if start else "")):
        rest = name.removeprefix(first)
        found = ENDING.search(rest)  # all of it is optional: never None
        number, whole = (found[2] or found[3] or "", found[0]) if found else ("", "")
        for ending in dict.fromkeys(("", number, whole)):
            yield folder + rest.removesuffix(ending), (first + ending).lower()


def _are_parts(affixes: Sequence[str]) -> bool:
    """Whether masks of these affixes are several lesions: a_1, a_2 or a_mask, a_mask_1.

    A mask named as its image is the whole; beside a_1 it may be another's.
    """
    words = {NUMBER.sub("", affix) for affix in affixes}
    return len(words) == 1 and len({*affixes, ""}) == len(affixes) + 1


def stem_of(path: Path) -> str:
    """A file's name without its ending; .nii.gz is one."""
    return path.stem.removesuffix(".nii") if path.suffix == ".gz" else path.stem


def _stem(path: Path, base: Path) -> str:
    return below(path.with_name(stem_of(path)), base)


def fold(stem: str) -> str:
    """The stem without regard to case and to how its accents are written."""
    return composed(composed(stem).casefold())


def _padded(stem: str) -> str:
    """The same without the zeros before a number of the file's name."""
    folder, mark, name = fold(stem).rpartition("/")
    return folder + mark + re.sub("[0-9]+", lambda n: n[0].lstrip("0") or "0", name)


def _bare(stem: str) -> str:
    """The same without `img_` or `_image`."""
    folder, mark, name = _padded(stem).rpartition("/")
    return folder + mark + IMAGE.sub("", name)


LEVELS = (fold, _padded, _bare)  # the first at which an image fits decides
