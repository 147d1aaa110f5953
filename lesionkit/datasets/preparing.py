"""Raw files to the prepared form, whatever the adapter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lesionkit import lookup
from lesionkit.catalogue import DATASETS
from lesionkit.config import data_folder
from lesionkit.datasets.resizing import resize_image, resize_mask
from lesionkit.datasets.samples import Sample
from lesionkit.prepared import Prepared, open_prepared, prepared_folder, write
from lesionkit.runs import RunRecord


def prepare(
    name: str,
    raw: Path | None = None,
    *,
    size: int = 224,
    resize: str = "bilinear",
    force: bool = False,
    progress: Callable[[list[Sample]], Iterable[Sample]] = iter,
) -> Prepared:
    """A data set's prepared form, made from its raw files unless it is there already.

    Masks are resized with the nearest pixel, images with an antialiased bilinear
    filter or, as the public re-run of paper A does, with the nearest pixel too.

    Args:
        name: one of lesionkit.DATASETS, or a new name for a folder of your own.
        raw: folder of raw files; by default raw/<name> in the data folder.
        size: side of the prepared images, pixels.
        resize: "bilinear" or "nearest", for images.
        force: make it again even if the raw files have not changed.
        progress: wraps the list of samples, tqdm for instance.

    Raises:
        FileNotFoundError: no raw folder, or not laid out as the entry says.
        ValueError: a name, a size or a filter that is not allowed; unpaired or
            unreadable files, which the text names.
    """
    if resize not in ("bilinear", "nearest"):
        raise lookup.unknown("resize", resize, ("bilinear", "nearest"))
    if size < 8:
        raise ValueError(f"size must be 8 pixels or more, got {size}")
    samples, source = find_samples(name, raw)
    rows = [_row(sample) for sample in samples]
    if not force and _is_prepared(name, size, resize, rows):
        return open_prepared(name, size, resize=resize)
    known = DATASETS.get(name)
    channels, dtype = (known.channels, "uint8") if known else _kind(samples)
    write(
        prepared_folder(name, size, resize),
        _pairs(progress(samples), rows, (size, resize, channels, dtype)),
        rows,
        shape=(size, size, channels),
        dtype=dtype,
        manifest={"name": name, "size": size, "resize": resize, "source": source},
    )
    return open_prepared(name, size, resize=resize)


def open_data(name: str, size: int = 224, *, resize: str = "bilinear") -> Prepared:
    """A prepared data set; one that the kit draws itself is prepared on the way.

    Raises:
        FileNotFoundError: it is not prepared; the text gives the command that does it.
    """
    entry = DATASETS.get(name)
    if entry is not None and entry.generated:
        return prepare(name, size=size, resize=resize)
    return open_prepared(name, size, resize=resize)


def data_of(record: RunRecord | None) -> Prepared | None:
    """The prepared data set that a run was trained on; None for no run.

    Raises:
        FileNotFoundError: it is not prepared here any more.
        ValueError: its content is not what the run saw.
    """
    if record is None:
        return None
    identity = record.identity
    data = open_data(identity["dataset"], identity["size"], resize=identity["resize"])
    if data.fingerprint != record.metrics["data"]["fingerprint"]:
        raise ValueError(
            f"{data.folder} has changed since {record.folder} was trained on it"
        )
    return data


def find_samples(name: str, raw: Path | None = None) -> tuple[list[Sample], str]:
    """The samples of a data set's raw folder, and the source they are from.

    Raises:
        FileNotFoundError: no raw folder, or not laid out as the entry says.
        ValueError: no such data set, or not a name a folder can have.
    """
    folder = data_folder() / "raw" / name if raw is None else Path(raw)
    if name not in DATASETS and raw is None and not folder.is_dir():
        raise lookup.unknown("data set", name, [n for n in DATASETS if n != "folder"])
    if name == "folder" or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise ValueError(
            "your own data set needs a name of its own, of small letters, digits, "
            f"- and _, such as my_set; got {name!r}"
        )
    entry = DATASETS.get(name, DATASETS["folder"])
    if not entry.generated and not folder.is_dir():
        raise FileNotFoundError(
            f"no raw folder {folder} for data set {name!r}; name it with --raw DIR. "
            f"It must hold {entry.layout}"
        )
    samples = lookup.resolve(entry.target)(folder)
    source = lookup.resolve(entry.which)(folder) if entry.which else name
    return samples, source


def _row(sample: Sample) -> dict[str, Any]:
    """The index row of a sample, but for what only decoding tells."""
    content_hash, mask_hash = sample.hashes()
    return {
        "file": sample.name,
        "content_hash": content_hash,
        "mask_hash": mask_hash,
        "group": sample.group,
        **getattr(sample, "details", {}),
    }


def _is_prepared(name: str, size: int, resize: str, rows: list[dict]) -> bool:
    """Whether the prepared form there is of exactly these raw files."""
    try:
        index = open_prepared(name, size, resize=resize).index
    except (OSError, ValueError, KeyError):
        return False
    columns = ["file", "content_hash", "mask_hash", "group"]
    columns += [name for name in rows[0] if name == "stratum"]
    found = index.reindex(columns=columns).to_dict("records")
    return found == [{name: row[name] for name in columns} for row in rows]


def _kind(samples: list[Sample]) -> tuple[int, str]:
    """Channels and dtype that hold every image of a folder without loss."""
    channels, dtype = 1, "uint8"
    for sample in samples:
        image, _ = sample.read()
        channels = max(channels, image.shape[2])
        dtype = "uint16" if image.dtype == np.uint16 else dtype
    return channels, dtype


def _pairs(
    samples: Iterable[Sample], rows: list[dict], form: tuple[int, str, int, str]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Resized image and mask of each sample; completes its row."""
    size, resize, channels, dtype = form
    for sample, row in zip(samples, rows, strict=True):
        image, mask = sample.read()
        row["height"], row["width"] = mask.shape
        row["lesion_share"] = float(mask.mean())
        image = _with_dtype(resize_image(image, size, resize=resize), dtype)
        if image.shape[2] < channels:
            image = np.repeat(image, channels, axis=2)
        yield image, resize_mask(mask, size)


def _with_dtype(image: np.ndarray, dtype: str) -> np.ndarray:
    """The image on the scale of dtype: 0 to 255 or 0 to 65,535."""
    if image.dtype == dtype:
        return image
    if dtype == "uint16":
        return image.astype(np.uint16) * 257
    return np.round(image / 257).astype(np.uint8)
