"""Near-copies among pictures, by perceptual hash and correlation of thumbnails.

Two pictures are near-copies if both measures say so: the hashes differ in few bits
and the thumbnails correlate. The hash alone also pairs what merely has the same layout
of light and dark; correlation alone pairs any two dark frames with a bright middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.fft import dctn
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lesionkit.datasets.pictures.resizing import THUMBNAIL

BLOCK = 256  # pictures compared with all others at once; bounds the memory
HASH_SIDE = 8  # lowest frequencies of either axis that make the 64 bits
COARSE = 16  # side of the pictures that are correlated
COLUMNS = ("first", "second", "distance", "correlation")


@dataclass(frozen=True)
class Signatures:
    """What a set of thumbnails is compared by; see `signatures`.

    Attributes:
        hashes: (N,) uint64, the perceptual hashes.
        rows: (N, COARSE * COARSE) float32 of mean 0 and length 1; zeros for a picture
            of one grey.
        grey: (N,) float32, the grey of a picture of one grey, NaN for all others.
    """

    hashes: np.ndarray
    rows: np.ndarray
    grey: np.ndarray

    def __len__(self) -> int:
        return len(self.hashes)

    def at(self, positions: slice | np.ndarray) -> Signatures:
        """The signatures of some of the pictures, in the order asked for."""
        return Signatures(*(a[positions] for a in (self.hashes, self.rows, self.grey)))

    def correlations(self, other: Signatures) -> np.ndarray:
        """Pearson correlation of each picture with each of the other set.

        A picture of one grey has none: it counts as 1 with a picture of the same grey
        all over, and as 0 with any other picture.

        Shape:
            returns: (N, len(other)) float32 in [-1, 1]
        """
        found = np.clip(self.rows @ other.rows.T, -1, 1)
        found[self.grey[:, None] == other.grey[None, :]] = 1  # NaN equals nothing
        return found


def signatures(thumbnails: np.ndarray) -> Signatures:
    """Hashes and standardised coarse pictures, computed once for all comparisons.

    Coarse pictures are the means over squares of 2 x 2 pixels, which forgives noise
    and a shift by less than a pixel.

    Shape:
        thumbnails: (N, 32, 32) uint8

    Raises:
        ValueError: thumbnails of another shape or type.

    Chosen: 16 x 16 for the correlation, which gives the 34 pairs of FUSeg and the 7 of
        Kvasir-SEG that another count found; 32 x 32 gives 30 and 5.
    """
    _check(thumbnails)
    step = THUMBNAIL // COARSE
    count = len(thumbnails)
    squares = thumbnails.reshape(count, COARSE, step, COARSE, step)
    sums = squares.sum(axis=(2, 4), dtype=np.uint16).reshape(count, COARSE**2)
    grey = np.where(np.ptp(sums, axis=1) == 0, sums[:, 0] / step**2, np.nan)
    rows = sums - sums.mean(axis=1, keepdims=True, dtype=np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.where(np.isnan(grey)[:, None], rows / np.where(length, length, 1), 0)
    return Signatures(
        perceptual_hashes(thumbnails), rows.astype(np.float32), grey.astype(np.float32)
    )


def perceptual_hashes(thumbnails: np.ndarray) -> np.ndarray:
    """64 bits of each picture that survive brightness, contrast and compression.

    The unnormalised DCT-II of the thumbnail; of its rows and columns 0 to 7, the
    constant at (0, 0) among them, a bit is 1 if its coefficient is above the median of
    the 64. The coefficient at (0, 0) is the highest bit, row after row.

    Shape:
        thumbnails: (N, 32, 32) uint8
        returns: (N,) uint64

    Raises:
        ValueError: thumbnails of another shape or type.

    Source: Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash
        Functions, DCT based hash.
    Chosen: rows and columns from 0, as the Python package ImageHash, not from 1, as
        pHash: another count found 324 CVC frames and 64 FUSeg images with a near-copy;
        from 0 there are 335 and 64, from 1 there are 262 and 51.
    """
    _check(thumbnails)
    bits = np.zeros((len(thumbnails), HASH_SIDE**2), bool)
    for start in range(0, len(thumbnails), BLOCK):
        block = thumbnails[start : start + BLOCK].astype(np.float64)
        low = dctn(block, axes=(1, 2))[:, :HASH_SIDE, :HASH_SIDE]
        # coefficients that are 0 come out as 1e-12 of either sign
        low = low.round(3).reshape(len(block), HASH_SIDE**2)
        bits[start : start + BLOCK] = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def near_pairs(
    thumbnails: np.ndarray,
    others: np.ndarray | None = None,
    *,
    distance: int = 8,
    correlation: float = 0.95,
) -> pd.DataFrame:
    """Every two pictures of a set that are near-copies, or of a set and another.

    Every picture is compared with every later one, BLOCK of them at a time: 20,000
    take less than 100 MiB beside the thumbnails and the result. Other brightness,
    contrast, compression, noise and size are forgiven, a crop by 1 % of the side
    mostly, by 5 % hardly; what is mirrored or turned is another picture.

    Args:
        others: the other set; None looks within the one.
        distance: hashes may differ in so many of their 64 bits.
        correlation: Pearson correlation that a pair must exceed; -1 leaves it to the
            hash alone.

    Shape:
        thumbnails: (N, 32, 32) uint8
        others: (M, 32, 32) uint8
        returns: first < second (positions; second in `others`), distance, correlation;
            ordered by position

    Raises:
        ValueError: thumbnails of another shape or type; a distance outside 0 to 64 or
            a correlation outside [-1, 1).
    """
    if not 0 <= distance <= HASH_SIDE**2:
        raise ValueError(f"distance must be 0 to {HASH_SIDE**2}, got {distance}")
    if not -1 <= correlation < 1:
        raise ValueError(f"correlation must be -1 or more, below 1, got {correlation}")
    one = signatures(thumbnails)
    other = one if others is None else signatures(others)
    found = [[np.zeros(0, kind) for kind in (np.int64, np.int64, np.uint8, np.float32)]]
    for start in range(0, len(one), BLOCK):
        block = one.at(slice(start, start + BLOCK))
        left_out = start if others is None else 0
        rest = other.at(slice(left_out, None))
        bits = np.bitwise_count(block.hashes[:, None] ^ rest.hashes[None, :])
        alike = bits <= distance
        asked = np.flatnonzero(alike.any(axis=0))  # the others need no correlation
        similar = block.correlations(rest.at(asked))
        near = alike[:, asked] & (similar > correlation)
        if others is None:
            near &= asked[None, :] > np.arange(len(block))[:, None]
        first, place = np.nonzero(near)
        second = asked[place]
        values = bits[first, second], similar[first, place]
        found.append([first + start, second + left_out, *values])
    columns = (np.concatenate(blocks) for blocks in zip(*found, strict=True))
    table = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    return table.astype({"distance": np.int64, "correlation": np.float64})


def clusters(count: int, pairs: pd.DataFrame) -> np.ndarray:
    """The cluster of each picture: two are in one if a chain of pairs joins them.

    Clusters are numbered from 0 in the order of their first pictures; a picture
    without a near-copy is a cluster of its own.

    Args:
        count: how many pictures there are.
        pairs: what `near_pairs` returns.

    Shape:
        returns: (count,) int64

    Raises:
        ValueError: a pair names a picture outside 0 to count - 1.
    """
    first, second = ends(pairs, count)
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(count, count))
    labels = connected_components(graph, directed=False)[1] if count else np.zeros(0)
    _, starts, members = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(starts))[members].astype(np.int64)


def exact_copies(hashes: Sequence[str]) -> list[list[int]]:
    """Positions of pictures whose content is the same byte for byte, a list a group.

    Groups are in the order of their first pictures; a hash that occurs once makes none.

    >>> exact_copies(["b", "a", "c", "a", "b"])
    [[0, 4], [1, 3]]
    """
    groups = pd.Series(range(len(hashes))).groupby(list(hashes), sort=False)
    return [group.tolist() for _, group in groups if len(group) > 1]


def ends(pairs: pd.DataFrame, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Both positions of every pair, checked against the number of pictures.

    Raises:
        ValueError: a pair names a picture outside 0 to count - 1.
    """
    both = pairs[["first", "second"]].to_numpy(np.int64)
    if both.size and not 0 <= both.min() <= both.max() < count:
        got = f"{both.min()} to {both.max()}"
        raise ValueError(f"pairs must name pictures 0 to {count - 1}, got {got}")
    return both[:, 0], both[:, 1]


def _check(thumbnails: np.ndarray) -> None:
    """Refuse what is not a stack of thumbnails."""
    shape, dtype = thumbnails.shape, thumbnails.dtype
    if shape[1:] != (THUMBNAIL, THUMBNAIL) or dtype != np.uint8:
        raise ValueError(
            f"thumbnails must be (N, {THUMBNAIL}, {THUMBNAIL}) uint8, "
            f"got {shape} {dtype}"
        )
