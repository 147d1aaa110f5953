"""Pixels of a mask that count neither way: 255 beside 0 and 1, where you ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

import numpy as np

from lesionkit.catalogue import IGNORED


def with_ignored(lesion: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """One mask of 0, 1 and 255.

    Shape:
        lesion, ignored: (..., H, W) bool or 0 and 1; no pixel is both
        returns: (..., H, W) uint8
    """
    return np.where(ignored, np.uint8(IGNORED), lesion).astype(np.uint8)


def united(masks: Sequence[np.ndarray]) -> np.ndarray:
    """The ground truth that several masks of one image say.

    A pixel is lesion if any of them marks it; else it is ignored if any ignores it.

    Shape:
        masks: each (H, W) uint8 of 0, 1 and 255
        returns: (H, W) uint8

    >>> united([np.array([[0, 1, 255]]), np.array([[255, 255, 0]])]).tolist()
    [[255, 1, 255]]
    """
    either = reduce(np.maximum, masks)
    if either.max(initial=0) < IGNORED:
        return either
    return np.where(reduce(np.logical_or, (m == 1 for m in masks)), 1, either).astype(
        np.uint8
    )


def lesion_share(mask: np.ndarray) -> float:
    """The share of the pixels that count which is lesion; 0 where none counts."""
    if mask.max(initial=0) < IGNORED:
        return float(mask.mean())
    return float((mask == 1).sum() / max(int((mask != IGNORED).sum()), 1))


def share_ignored(masks: Iterable[np.ndarray]) -> np.ndarray:
    """The share of each mask that is ignored, (N,)."""
    return np.array([(mask == IGNORED).mean() for mask in masks])
