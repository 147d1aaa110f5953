"""What a split gives away: test images that have a near-copy in training.

Positions and parts are those of one set of images, numbered from 0.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesionkit.catalogue import IGNORED
from lesionkit.splits.duplicates import BLOCK, ends, signatures

_TIE = 1e-5  # float32 sums over 256 products differ by less between machines


def leaked_share(
    pairs: pd.DataFrame, train: np.ndarray, test: np.ndarray, *, count: int
) -> float:
    """The share of test images that have a near-copy in training.

    Args:
        pairs: what `duplicates.near_pairs` returns.
        train: positions of the training images; may be none.
        test: positions of the test images.
        count: how many images there are, in all parts.

    Raises:
        ValueError: no test image, an image in both parts, or a position outside 0 to
            count - 1.
    """
    first, second = ends(pairs, count)
    train, test = _parts(train, test, count)
    trained = np.zeros(count, bool)
    trained[train] = True
    leaked = np.zeros(count, bool)
    leaked[first[trained[second]]] = True
    leaked[second[trained[first]]] = True
    return float(leaked[test].mean())


def nearest(
    thumbnails: np.ndarray, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The training image most similar to each test image, by correlation.

    Of several that are equally similar, as copies are, the first in `train`.

    Shape:
        thumbnails: (N, 32, 32) uint8
        returns: positions (len(test),) int64, correlation (len(test),) float32

    Raises:
        ValueError: no training image, no test image, an image in both parts, or a
            position outside the thumbnails.
    """
    train, test = _parts(train, test, len(thumbnails))
    if not len(train):
        raise ValueError("train holds no image to be similar to")
    every = signatures(thumbnails)
    known = every.at(train)
    positions = np.zeros(len(test), np.int64)
    similarity = np.zeros(len(test), np.float32)
    for start in range(0, len(test), BLOCK):
        rows = slice(start, start + BLOCK)
        found = every.at(test[rows]).correlations(known)
        similarity[rows] = found.max(axis=1)
        as_good = found >= similarity[rows, None] - _TIE
        positions[rows] = train[as_good.argmax(axis=1)]
    return positions, similarity


def copy_nearest_scores(
    thumbnails: np.ndarray,
    masks: np.ndarray,
    *,
    train: np.ndarray,
    test: np.ndarray,
    ignore: bool = False,
) -> np.ndarray:
    """Dice of a "model" that copies the mask of the most similar training image.

    It has learnt nothing, so whatever it scores comes from images that resemble each
    other. Two empty masks score 1.

    Args:
        train: positions of the training images.
        test: positions of the test images.
        ignore: leave pixels of 255 out, see `dice`.

    Shape:
        thumbnails: (N, 32, 32) uint8
        masks: (N, H, W), 0 background, anything else lesion
        returns: (len(test),) float64, in the order of `test`

    Raises:
        ValueError: as `nearest`, or masks that are not one an image.
    """
    if masks.ndim != 3 or len(masks) != len(thumbnails):
        raise ValueError(f"masks must be ({len(thumbnails)}, H, W), got {masks.shape}")
    positions, _ = nearest(thumbnails, train, test)
    pairs = zip(positions, test, strict=True)
    return np.array([dice(masks[a], masks[b], ignore=ignore) for a, b in pairs])


def dice(copied: np.ndarray, mask: np.ndarray, *, ignore: bool = False) -> float:
    """Dice of two masks; 1 if both are empty.

    Args:
        ignore: leave pixels out that are 255 in either. NaN where that is all of them.
    """
    if ignore:
        valid = (copied != IGNORED) & (mask != IGNORED)
        copied, mask = copied[valid], mask[valid]
        if not valid.any():
            return float("nan")
    copied, mask = copied != 0, mask != 0
    marked = int(copied.sum()) + int(mask.sum())
    return 2 * int((copied & mask).sum()) / marked if marked else 1.0


def _parts(
    train: np.ndarray, test: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both parts as positions, or an error that says what is wrong with them."""
    train, test = np.asarray(train, np.int64), np.asarray(test, np.int64)
    every = np.concatenate([train, test])
    if not len(test):
        raise ValueError("test holds no image")
    if every.min() < 0 or every.max() >= count:
        raise ValueError(
            f"positions must be 0 to {count - 1}, got {every.min()} to {every.max()}"
        )
    shared = np.intersect1d(train, test)
    if len(shared):
        raise ValueError(f"{len(shared)} image(s) in train and in test: {shared[:5]}")
    return train, test
