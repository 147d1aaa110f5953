"""Samples to arrays on every core, each kept as it is done, so that nothing is lost.

While a set is prepared its arrays lie one by one in a folder beside the prepared form.
A preparation that was stopped, or that met files it cannot read, goes on from there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np

from lesionkit.datasets.pictures.ignoring import lesion_share
from lesionkit.datasets.pictures.resizing import resize_image, resize_mask, thumbnail
from lesionkit.datasets.pictures.samples import Sample
from lesionkit.lookup import one_line

JOBS = min(8, os.cpu_count() or 1)  # samples decoded at once


@dataclass(frozen=True)
class Arrays:
    """One sample at the size of the prepared form, in its own type."""

    image: np.ndarray  # (size, size, C)
    mask: np.ndarray  # (size, size)
    thumbnail: np.ndarray  # (32, 32)
    facts: np.ndarray  # native height, native width, lesion share

    @property
    def row(self) -> dict[str, Any]:
        """What only decoding tells, for the index."""
        height, width, share = self.facts.tolist()
        return {"height": int(height), "width": int(width), "lesion_share": share}


def made(sample: Sample, size: int, resize: str) -> Arrays:
    """A sample, decoded and resized.

    Raises:
        ValueError: a file that cannot be read, or an image and a mask of two sizes.
    """
    image, mask = sample.read()
    facts = np.array([*mask.shape, lesion_share(mask)], np.float64)
    small = resize_image(image, size, resize=resize)
    return Arrays(small, resize_mask(mask, size), thumbnail(image), facts)


def in_order(function: Callable[[Any], Any], items: Iterable[Any]) -> Generator[Any]:
    """Results in the order of the items, with few of them ahead at any time."""
    with ThreadPoolExecutor(JOBS) as pool:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * JOBS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class Stage:
    """The folder where finished samples wait until all are there."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> Arrays | None:
        """A finished sample, None if it is not there or was cut off."""
        try:
            with np.load(self.folder / f"{key}.npz") as found:
                return Arrays(**{name: found[name] for name in found.files})
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            return None

    def finished(self, key: str) -> Arrays:
        """A sample that was finished before.

        Raises:
            FileNotFoundError: it is gone from the disk since.
        """
        arrays = self.get(key)
        if arrays is None:
            raise FileNotFoundError(f"{key}: gone from {self.folder} while preparing")
        return arrays

    def put(self, key: str, arrays: Arrays) -> None:
        """Keep a finished sample; it is there whole or not at all."""
        part = self.folder / f"{key}.{uuid4().hex[:8]}.part"  # copies share a key
        try:
            with part.open("wb") as stream:
                np.savez(stream, **arrays.__dict__)
            part.replace(self.folder / f"{key}.npz")
        finally:
            part.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what is there."""
        shutil.rmtree(self.folder, ignore_errors=True)


def key_of(row: dict[str, Any]) -> str:
    """A name for a sample by its content."""
    text = f"{row['content_hash']}{row['mask_hash']}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def fill(
    stage: Stage,
    samples: Sequence[Sample],
    rows: Sequence[dict[str, Any]],
    *,
    bad: dict[int, str],
    size: int,
    resize: str,
    progress: Callable[[Sequence[Sample]], Iterable[Sample]] = iter,
) -> int:
    """Finish every sample that the stage does not have yet.

    Args:
        stage: where they are kept.
        samples: all of them.
        rows: of the index, one a sample.
        bad: positions of samples that cannot be used, with the reason; those that are
            found here are added.
        size: side of the prepared images, pixels.
        resize: one of RESIZES, for images.
        progress: wraps the samples, tqdm for instance.

    Returns:
        How many were there already.
    """

    def one(i: int) -> tuple[str, bool]:
        if i in bad:
            return bad[i], False
        key = key_of(rows[i])
        if stage.get(key) is not None:
            return "", True
        try:
            arrays = made(samples[i], size, resize)
        except (ValueError, OSError) as error:
            reason = one_line(error)
            name = samples[i].name
            return (reason if name in reason else f"{name}: {reason}"), False
        stage.put(key, arrays)  # a full disk is not the sample's fault
        return "", False

    again = 0
    results = in_order(one, range(len(samples)))
    for i, _ in enumerate(progress(samples)):
        reason, was_there = next(results)
        again += was_there
        if reason:
            bad[i] = reason
    results.close()
    return again
