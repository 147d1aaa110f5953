"""What a split gives away: test images that have a near-copy in training.

Positions and parts are those of one set of images, numbered from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from lesionkit.datasets.pictures.resizing import THUMBNAIL, thumbnail
from lesionkit.prepared import Prepared
from lesionkit.splits import deal_images, split
from lesionkit.splits.duplicates import BLOCK, ends, near_pairs, signatures

SEEDS = (42, 43, 44, 45, 46)  # of the five repeats, paper A, II-4
_TIE = 1e-5  # float32 sums over 256 products differ by less between machines


def thumbnails_of(data: Prepared) -> np.ndarray:
    """The thumbnail of every image of a prepared data set.

    Those made of the native images if the set has them, else of the prepared ones.

    Shape:
        returns: (N, 32, 32) uint8
    """
    if data.has_thumbnails:
        return data.thumbnails
    found = np.zeros((len(data), THUMBNAIL, THUMBNAIL), np.uint8)
    for i, image in enumerate(data.images):
        found[i] = thumbnail(image)
    return found


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


def random_split_leakage(
    pairs: pd.DataFrame, count: int, *, splits: int = 20, seed: int = 0
) -> float:
    """The share of leaked test images, mean over random 60:20:20 splits.

    Args:
        pairs: what `duplicates.near_pairs` returns.
        count: how many images there are.
        splits: how many are drawn.
        seed: of the first split; each next one has the next seed.

    Raises:
        ValueError: fewer than five images, no split, or a pair outside the images.

    Source: paper A, II-4 (random 60:20:20).
    """
    if count < 5 or splits < 1:
        raise ValueError(
            f"needs 5 images and 1 split, got {count} images and {splits} splits"
        )
    shares = []
    for i in range(splits):
        train, _, test = deal_images(np.arange(count), seed + i)
        shares.append(leaked_share(pairs, train, test, count=count))
    return float(np.mean(shares))


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
    thumbnails: np.ndarray, masks: np.ndarray, *, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Dice of a "model" that copies the mask of the most similar training image.

    It has learnt nothing, so whatever it scores comes from images that resemble each
    other. Two empty masks score 1.

    Args:
        train: positions of the training images.
        test: positions of the test images.

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
    scores = [_dice(masks[a], masks[b]) for a, b in zip(positions, test, strict=True)]
    return np.array(scores)


def leakage_table(
    data: Prepared,
    kinds: Sequence[str] = ("image", "group"),
    *,
    seeds: Iterable[int] = SEEDS,
    groups: Sequence[str] | None = None,
    thumbnails: np.ndarray | None = None,
) -> pd.DataFrame:
    """What each kind of split gives away, mean over seeds.

    Args:
        data: an opened data set.
        kinds: kinds of split, of `splits.KINDS`.
        seeds: of the splits; each split's manifest is written, as for training.
        groups: one group name an image for kind "group"; by default as `splits.split`.
        thumbnails: of every image; by default those of `thumbnails_of`.

    Shape:
        returns: a row a kind: kind, splits, leaked_share, copy_nearest_dice

    Raises:
        ValueError: no seed; as `splits.split`; thumbnails not one an image.
    """
    seeds = list(seeds)
    if not seeds:
        raise ValueError("seeds must name one split or more, got none")
    if thumbnails is None:
        thumbnails = thumbnails_of(data)
    if len(thumbnails) != len(data):
        raise ValueError(f"thumbnails must be {len(data)}, got {len(thumbnails)}")
    pairs = near_pairs(thumbnails)
    rows = []
    for kind in kinds:
        named = groups if kind == "group" else None
        parts = [split(data, kind=kind, seed=s, groups=named) for s in seeds]
        shares = [leaked_share(pairs, p.train, p.test, count=len(data)) for p in parts]
        scores = [
            copy_nearest_scores(
                thumbnails, data.masks, train=p.train, test=p.test
            ).mean()
            for p in parts
        ]
        rows.append((kind, len(seeds), float(np.mean(shares)), float(np.mean(scores))))
    columns = ["kind", "splits", "leaked_share", "copy_nearest_dice"]
    return pd.DataFrame(rows, columns=columns)


def _dice(copied: np.ndarray, mask: np.ndarray) -> float:
    """Dice of two masks; 1 if both are empty."""
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
