"""What the adapters share: the raw folder, natural order, images with their masks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from lesionkit.catalogue import DATASETS
from lesionkit.datasets.samples import FileSample


def natural_key(name: str) -> tuple[list[str | int], str]:
    """The key that sorts 2.tif before 10.tif; equal numbers by their digits."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if part.isdecimal() else part for part in parts], name


def find_root(dataset: str, raw: Path, choices: Sequence[tuple[str, ...]]) -> Path:
    """The folder, `raw` or one below it, that holds every folder of one choice.

    Args:
        dataset: name in the catalogue, whose layout the error quotes.
        choices: each a tuple of folders that must all exist, "train/images" with /.

    Raises:
        FileNotFoundError: no such folder; what was looked for, where, the layout.
        ValueError: more than one folder below `raw` fits.
    """
    wanted = " or ".join(" with ".join(choice) for choice in choices)
    if not raw.is_dir():
        raise _missing(dataset, f"no folder {raw}")
    if _holds(raw, choices):
        return raw
    below = sorted(path for path in raw.iterdir() if _is_visible(path))
    found = [path for path in below if path.is_dir() and _holds(path, choices)]
    if not found:
        raise _missing(dataset, f"no {wanted} in {raw} or one level below")
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
        raise _missing(dataset, f"no folder {folder}")
    return folder


def files_in(dataset: str, folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """The visible files of `folder` with one of `suffixes`, in natural order.

    Args:
        suffixes: ".jpg" and the like, in lower case; the files' case does not matter.

    Raises:
        FileNotFoundError: no folder, or no such file in it.
    """
    allowed = tuple(suffixes)
    files = [
        path
        for path in existing_folder(dataset, folder).iterdir()
        if path.suffix.lower() in allowed and _is_visible(path) and path.is_file()
    ]
    if not files:
        raise _missing(dataset, f"no {', '.join(allowed)} file in {folder}")
    return sorted(files, key=lambda path: natural_key(path.name))


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
    masks: Mapping[str, Sequence[Path]],
    group: Callable[[Path], str] = lambda image: "",
) -> list[FileSample]:
    """Each image with the masks filed under its stem, named by its path below `raw`.

    Raises:
        ValueError: images without a mask, or masks without an image: how many, and
            the first of them.
    """
    stems = {image.stem for image in images}
    refuse(dataset, "have no mask", [p for p in images if p.stem not in masks])
    orphans = [path for stem in masks if stem not in stems for path in masks[stem]]
    refuse(dataset, "have no image", orphans)
    samples = [
        FileSample(
            name=image.relative_to(raw).as_posix(),
            image=image,
            masks=tuple(masks[image.stem]),
            group=group(image),
        )
        for image in images
    ]
    return in_order(samples)


def in_order(samples: Iterable[FileSample]) -> list[FileSample]:
    """The samples in the natural order of their names."""
    return sorted(samples, key=lambda sample: natural_key(sample.name))


def refuse(dataset: str, defect: str, files: Sequence[Path]) -> None:
    """Raise a ValueError that counts `files` and names the first three, if any."""
    if not files:
        return
    shown = ", ".join(path.name for path in files[:3])
    more = ", ..." if len(files) > 3 else ""
    where = files[0].parent
    raise ValueError(
        f"{dataset}: {len(files)} file(s) in {where} {defect}: {shown}{more}"
    )


def _holds(folder: Path, choices: Sequence[tuple[str, ...]]) -> bool:
    """Whether all folders of one choice lie in `folder`."""
    return any(all((folder / part).is_dir() for part in choice) for choice in choices)


def _is_visible(path: Path) -> bool:
    """False for hidden files and for what macOS adds to archives."""
    return not path.name.startswith(".") and path.name != "__MACOSX"


def _missing(dataset: str, problem: str) -> FileNotFoundError:
    """The error for a raw folder that is not there or is another data set's."""
    layout = DATASETS[dataset].layout
    return FileNotFoundError(f"{dataset}: {problem}. Needed: {layout}")
