"""What the adapters share: the raw folder, natural order, images with their masks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

from lesionkit.catalogue import DATASETS
from lesionkit.datasets.pictures.samples import FileSample

Each = TypeVar("Each", bound=FileSample)
_NOTED: ContextVar[list | None] = ContextVar("noted", default=None)


def below(path: Path, folder: Path) -> str:
    """The path below `folder`, with forward slashes."""
    return path.relative_to(folder).as_posix()


def natural_key(name: str) -> tuple[list[str | int], str]:
    """The key that sorts 2.tif before 10.tif; equal numbers by their digits."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if part.isdecimal() else part for part in parts], name


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """The paths with slice-2 before slice-10."""
    return sorted(paths, key=lambda path: natural_key(path.as_posix()))


def find_root(dataset: str, raw: Path, choices: Sequence[tuple[str, ...]]) -> Path:
    """The folder, `raw` or one below it, that holds every part of one choice.

    Args:
        dataset: name in the catalogue, whose layout the error quotes.
        choices: each a tuple of folders, or files, that must all exist,
            "train/images" with /.

    Raises:
        FileNotFoundError: no such folder; what was looked for, where, the layout.
        ValueError: more than one folder below `raw` fits.
    """
    wanted = " or ".join(" with ".join(choice) for choice in choices)
    if not raw.is_dir():
        raise missing(dataset, f"no folder {raw}")
    if _holds(raw, choices):
        return raw
    inside = sorted(filter(is_visible, raw.iterdir()))
    found = [path for path in inside if path.is_dir() and _holds(path, choices)]
    if not found:
        raise missing(dataset, f"no {wanted} in {raw} or one level below")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ValueError(f"{dataset}: more than one folder of {raw} fits: {names}")
    return found[0]


def existing_folder(dataset: str, folder: Path) -> Path:
    """`folder` itself.

    Raises:
        FileNotFoundError: it does not exist; the text quotes the layout.
    """
    if not folder.is_dir():
        raise missing(dataset, f"no folder {folder}")
    return folder


def files_in(dataset: str, folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """The visible files of `folder` with one of `suffixes`, in natural order.

    Args:
        suffixes: ".jpg" and the like, in lower case; the files' case does not matter.

    Raises:
        FileNotFoundError: no folder, or no such file in it.
    """
    allowed = tuple(suffixes)
    inside = filter(is_visible, existing_folder(dataset, folder).iterdir())
    named = [p for p in inside if p.suffix.lower() in allowed and p.is_file()]
    files = natural_order(named)
    if not files:
        raise missing(dataset, f"no {', '.join(allowed)} file in {folder}")
    return files


def by_key(files: Iterable[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    """Each key with its files, in the order they came."""
    table: dict[str, list[Path]] = {}
    for path in files:
        table.setdefault(key(path), []).append(path)
    return table


def pair(
    dataset: str,
    raw: Path,
    images: Sequence[Path],
    *,
    masks: Iterable[Path],
    of: Callable[[str], str] = str,
    group: Callable[[str], str] = lambda stem: "",
) -> list[FileSample]:
    """Each image with its masks, named by its path below `raw`.

    Args:
        of: a mask's stem to its image's stem; left out, both are the same.
        group: an image's stem to its patient or sequence.

    Raises:
        ValueError: images without a mask, or masks without an image: how many, and
            the first of them.
    """
    found = by_key(masks, lambda mask: of(mask.stem))
    stems = {image.stem for image in images}
    refuse(dataset, "have no mask", [p for p in images if p.stem not in found])
    orphans = [path for stem in found if stem not in stems for path in found[stem]]
    refuse(dataset, "have no image", orphans)
    return in_order(
        FileSample(
            below(image, raw), image, tuple(found[image.stem]), group(image.stem)
        )
        for image in images
        if image.stem in found
    )


def in_order(samples: Iterable[Each]) -> list[Each]:
    """The samples in the natural order of their names."""
    return sorted(samples, key=lambda sample: natural_key(sample.name))


def refuse(dataset: str, defect: str, files: Sequence[Path]) -> None:
    """Raise a ValueError that counts `files` and names the first three, if any.

    Within `collecting` it is noted instead.
    """
    if not files:
        return
    noted = _NOTED.get()
    if noted is not None:
        noted.append((defect, tuple(path.as_posix() for path in files)))
        return
    where = Path(os.path.commonpath([path.parent for path in files]))
    names = [below(path, where) for path in files[:3]]
    shown = ", ".join(name if name.isprintable() else repr(name) for name in names)
    more = ", ..." if len(files) > 3 else ""
    raise ValueError(
        f"{dataset}: {len(files)} file(s) in {where} {defect}: {shown}{more}"
    )


@contextmanager
def collecting() -> Iterator[list[tuple[str, tuple[str, ...]]]]:
    """Note files that do not fit instead of refusing them, and go on without them.

    Yields:
        What was found, filled as it goes: the defect and its files.
    """
    noted: list[tuple[str, tuple[str, ...]]] = []
    token = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(token)


def _holds(folder: Path, choices: Sequence[tuple[str, ...]]) -> bool:
    return any(all((folder / part).exists() for part in choice) for choice in choices)


def is_visible(path: Path) -> bool:
    """False for hidden files and for what macOS adds to archives."""
    return not path.name.startswith(".") and path.name != "__MACOSX"


def missing(dataset: str, problem: str) -> FileNotFoundError:
    """The error for a raw folder that is not there or is another data set's."""
    layout = DATASETS[dataset].layout
    return FileNotFoundError(f"{dataset}: {problem}. Needed: {layout}")
