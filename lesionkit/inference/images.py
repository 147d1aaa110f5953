"""Scores by image on one data set: what more than the runs' means they tell.

Two losses are compared on the same images under one split, so that hard images cancel.
The images (or patients, or sequences) that one has are a sample, and so are the
trainings: each has a part of its own in the error. Networks are the ones that were
trained; the answer speaks of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from lesionkit.inference import pooling

RESAMPLES = 2000
LEVEL = 0.95
LEAST = 10  # units, below which images tell nothing
KEYS = ["dataset", "model", "loss", "repeat", "image"]


@dataclass(frozen=True)
class Images:
    """Scores of every loss on the images of one data set.

    Attributes:
        scores: (M, L, R, N); NaN where an image is not in the test part of a repeat, or
            its score is undefined.
        units: (N,) places of the units: patients, sequences, or the images themselves.
        unit: what they are called.
    """

    scores: np.ndarray
    units: np.ndarray
    unit: str

    @property
    def count(self) -> int:
        """How many units there are."""
        return int(self.units.max()) + 1

    @property
    def repeats(self) -> int:
        """How many trainings there are of each network with each loss."""
        return self.scores.shape[2]


def images_of(
    rows: pd.DataFrame, metric: str, models: tuple[str, ...], losses: tuple[str, ...]
) -> Images | None:
    """Scores by image as arrays; None where there are too few, or they do not match.

    They do not match either where one image of one run is there twice.

    Args:
        rows: a row an image and run: dataset, model, loss, repeat, image, the metric,
            and group where images belong together; an image without one is its own.
    """
    rows = rows[rows["model"].isin(models) & rows["loss"].isin(losses)]
    if rows.duplicated(KEYS).any():
        return None
    repeats = sorted(rows["repeat"].unique())
    names = rows["image"].unique()
    places = [models, losses, repeats, list(names)]
    codes = [
        pd.Categorical(rows[axis], list(each)).codes
        for axis, each in zip(KEYS[1:], places, strict=True)
    ]
    scores = np.full([len(each) for each in places], np.nan)
    scores[tuple(codes)] = rows[metric].to_numpy(float)
    lacking = np.isnan(scores).all(3).reshape(-1, len(repeats)).any(0)
    scores = scores[:, :, ~lacking]  # repeats that every loss has
    used = ~np.isnan(scores).all((0, 1, 2))
    if not used.any():
        return None
    groups = names
    if "group" in rows:
        groups = rows.drop_duplicates("image")["group"]
        own = pd.Series(list(names), groups.index, dtype=object)
        groups = groups.astype(object).where(groups.notna(), own).to_numpy()
    units = pd.factorize(groups[used])[0]
    grouped = units.max() + 1 < used.sum()
    found = Images(scores[..., used], units, "groups" if grouped else "images")
    return found if found.count >= LEAST else None


def tests(
    images: Images, weights: np.ndarray, *, pool: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of weighted sums of losses, with two errors and their freedoms.

    The first error is that of the images alone; the second adds the training's shift:
    what repeats differ by beyond what their images explain.

    Shape:
        weights: (P, L)
        returns: mean (P,), errors (T, P), freedoms (T, P)

    Source: Liang and Zeger, Biometrika 73 (1986) 13-22 (errors by units);
    Satterthwaite, Biometrics Bulletin 2 (1946) 110-114.
    """
    by_repeat, of_images, within = _parts(images, weights)
    mean, repeats = by_repeat.mean(1), images.repeats
    freedom = np.full(len(mean), images.count - 1.0)
    if repeats == 1:
        return mean, np.sqrt(of_images)[None], freedom[None]
    between = by_repeat.var(1, ddof=1)
    known = np.full(len(mean), repeats - 1.0)
    if pool and images.scores.shape[1] > 2:
        every = _parts(images, pooling.pairs(images.scores.shape[1]))[0]
        prior = pooling.fitted(every.var(1, ddof=1), repeats - 1.0)
        scale = (weights**2).sum(1) / 2
        between, known = prior.shrink(between, known, scale)
    shift = np.maximum(between - within, 0.0) / repeats
    both = of_images + shift
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = of_images**2 / freedom + (between / repeats) ** 2 / known
        joint = np.where(shift > 0, both**2 / parts, freedom)
    joint = np.clip(np.nan_to_num(joint, nan=1.0), 1.0, freedom)
    return mean, np.sqrt(np.stack([of_images, both])), np.stack([freedom, joint])


def _parts(
    images: Images, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means by repeat (P, R), variance by images, and that of one repeat's mean."""
    d = np.einsum("mlrn,pl->prn", images.scores, weights) / images.scores.shape[0]
    there = ~np.isnan(d)
    counts = there.sum(2, keepdims=True)
    means = np.nansum(d, 2, keepdims=True) / counts
    apart = np.where(there, (d - means) / counts, 0.0)  # (P, R, N)
    order = np.eye(images.count)[images.units]  # (N, U)
    by_unit = apart @ order if images.unit == "groups" else apart
    units = images.count
    spread = units / (units - 1)
    of_images = spread * (by_unit.mean(1) ** 2).sum(1)
    within = spread * (by_unit**2).sum(2).mean(1)
    return means[..., 0], of_images, within


def mean_interval(
    values: Sequence[float] | np.ndarray,
    groups: Sequence[str] | np.ndarray | None = None,
    *,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Percentile bootstrap of a mean, seed 0; NaN where there is nothing to draw from.

    With groups whole groups are drawn, since images of one patient or sequence are
    alike; the mean stays that over images. A value that never varies has no width.

    Args:
        values: (N,) one an image; NaN is left out.
        groups: (N,) the group of each image.
        resamples: of the bootstrap.

    Source: Efron, Ann. Statist. 7 (1979) 1-26; Davison and Hinkley, Bootstrap Methods
    (1997), 3.8, for whole groups.
    """
    values = np.asarray(values, float)
    labels = np.arange(len(values)) if groups is None else np.asarray(groups)
    known = ~np.isnan(values)
    names, where = np.unique(labels[known], return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    sums, counts = np.bincount(where, values[known]), np.bincount(where)
    found = stats.bootstrap(
        (sums, counts),
        lambda total, count, axis: total.sum(axis) / count.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=resamples,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)
