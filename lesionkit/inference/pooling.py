"""Variances of differences: split by what varies, and pooled over the pairs of losses.

A pair of losses on four data sets has a variance with three degrees of freedom; the
forty-five pairs of ten losses know more together. Each variance is pulled towards that
of all pairs, the more the less the pairs differ in it, and is never taken below its
own.

Source: Smyth, Stat. Appl. Genet. Mol. Biol. 3 (2004) 3 (the prior by moments of logs).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import special

LEAST = 1e-5  # a variance is not taken below this part of the median one
STEPS = 12  # of Newton's method, from a start that is good to 10 %


class Parts(NamedTuple):
    """A mean over cells and three estimates of its variance, arrays (..., P) each.

    `squares` are of data sets, of models, and of what is left in a cell; 0 where one
    has nothing to vary over.
    """

    mean: np.ndarray
    squares: tuple[np.ndarray, np.ndarray, np.ndarray]


def parts(differences: np.ndarray, weights: np.ndarray | None = None) -> Parts:
    """Split differences by what varies.

    Args:
        weights: (D,) of the data sets, adding up to 1; by default all alike.

    Shape:
        differences: (..., P, D, M)

    Source: with weights, Hartung and Knapp, Stat. Med. 20 (2001) 3875-3889.
    """
    d = differences
    sets, models = d.shape[-2:]
    w = np.full(sets, 1 / sets) if weights is None else weights
    rows, columns = d.mean(-1), np.einsum("...dm,d->...m", d, w)
    mean = columns.mean(-1)
    nothing = np.zeros_like(mean)
    of_sets = of_models = rest = nothing
    if sets > 1:
        of_sets = np.einsum("...d,d->...", (rows - mean[..., None]) ** 2, w) / (
            sets - 1
        )
    if models > 1:
        apart = ((columns - mean[..., None]) ** 2).sum(-1)
        of_models = apart / ((models - 1) * models)
    if sets > 1 and models > 1:
        left = d - rows[..., None] - columns[..., None, :] + mean[..., None, None]
        rest = np.einsum("...dm,d->...", left**2, w**2)
        rest = rest * sets / ((sets - 1) * (models - 1) * models)
    return Parts(mean, (of_sets, of_models, rest))


def freedoms(
    sets: int, models: int, seen: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Degrees of freedom of the three squares, less what cells that are missing take.

    Shape:
        seen: (P, D, M); False where a difference was filled in
        returns: three arrays () or (P,), none below 1
    """
    d, m = np.array(sets), np.array(models)
    missing = np.array(0)
    if seen is not None:
        d, m = seen.any(-1).sum(-1), seen.any(-2).sum(-1)
        missing = (~seen).sum((-2, -1)) - (sets * models - d * m)
    rest = (d - 1) * (m - 1) - missing
    return np.maximum(d - 1, 1), np.maximum(m - 1, 1), np.maximum(rest, 1)


def pairs(count: int) -> np.ndarray:
    """Every pair of losses as weights, (P, L): 1 and -1."""
    every = np.eye(count)
    places = np.array(list(combinations(range(count), 2)))
    return every[places[:, 0]] - every[places[:, 1]]


@dataclass(frozen=True)
class Prior:
    """What variances of many pairs say of any of them.

    Attributes:
        square: (...) their centre.
        freedom: (...) how many degrees of freedom it counts for; infinite if the pairs
            do not differ.
        most: a pooled variance has at most this many times its own freedom.
    """

    square: np.ndarray
    freedom: np.ndarray
    most: float

    def shrink(
        self, square: np.ndarray, freedom: np.ndarray, scale: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Variances and freedoms with what the others say, (..., P) each.

        Args:
            scale: (P,) the variance of each beside that of two single losses.
        """
        strength = np.minimum(self.freedom[..., None], (self.most - 1) * freedom)
        known = np.isfinite(self.square)[..., None]
        centre = np.where(known, self.square[..., None] * scale, square)
        strength = np.where(known, strength, 0.0)
        both = strength + freedom
        pooled = (strength * centre + freedom * square) / both
        return np.maximum(pooled, square), both


class Priors(NamedTuple):
    """The priors of the three squares of `parts`; None where one does not vary."""

    sets: Prior | None
    models: Prior | None
    rest: Prior | None

    def shrink(
        self, squares: np.ndarray, freedom: np.ndarray, scale: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """`Prior.shrink` of each; squares and freedoms are (3, ..., P)."""
        found = [
            (s, f) if prior is None else prior.shrink(s, f, scale)
            for prior, s, f in zip(self, squares, freedom, strict=True)
        ]
        return np.stack([s for s, _ in found]), np.stack([f for _, f in found])


def priors(differences: np.ndarray, weights: np.ndarray | None = None) -> Priors | None:
    """What all pairs say of the three variances; None for a single pair.

    Shape:
        differences: (..., P, D, M), of every pair of losses
    """
    count, sets, models = differences.shape[-3:]
    if count < 2:
        return None
    found = parts(differences, weights)
    given = [sets > 1, models > 1, sets > 1 and models > 1]
    freedom = freedoms(sets, models)
    return Priors(
        *(
            fitted(square, float(f)) if there else None
            for there, square, f in zip(given, found.squares, freedom, strict=True)
        )
    )


def fitted(squares: np.ndarray, freedom: float) -> Prior:
    """The prior of variances that have this many degrees of freedom each.

    Shape:
        squares: (..., P), of every pair of L losses; the prior's arrays are (...)
    """
    count = squares.shape[-1]
    most = (1 + np.sqrt(1 + 8 * count)) / 2 - 1  # L - 1
    middle = np.median(squares, -1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.maximum(squares, LEAST * middle))
    half = freedom / 2
    logs = logs - special.digamma(half) + np.log(half)
    centre = logs.mean(-1)
    with np.errstate(invalid="ignore"):
        varied_by = logs.var(-1, ddof=1)
    beyond = varied_by - special.polygamma(1, half)
    strength = np.full(beyond.shape, np.inf)
    varied = beyond > 0
    strength[varied] = 2 * inverse_trigamma(beyond[varied])
    with np.errstate(invalid="ignore"):
        centre = np.where(
            varied,
            centre + special.digamma(strength / 2) - np.log(strength / 2),
            centre,
        )
    square = np.where(middle[..., 0] > 0, np.exp(centre), np.nan)
    return Prior(square, strength, most)


def inverse_trigamma(values: np.ndarray) -> np.ndarray:
    """Where the trigamma function has these values, by Newton's method on 1 / it."""
    found = 0.5 + 1 / values
    for _ in range(STEPS):
        here = special.polygamma(1, found)
        found = found + here * (1 - here / values) / special.polygamma(2, found)
    return found


def pooled(squares: np.ndarray, freedom: float) -> np.ndarray:
    """Variances pulled towards that of all, (N,)."""
    prior = fitted(squares, freedom)
    if not np.isfinite(prior.square):
        return squares
    if np.isinf(prior.freedom):
        return np.full_like(squares, prior.square)
    both = prior.freedom + freedom
    return (prior.freedom * prior.square + freedom * squares) / both
