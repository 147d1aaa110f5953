"""How far the colour of a pixel alone gets: a baseline that sees no shape."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

EVERY = 7  # of the training pixels, one in this many is fitted
THRESHOLDS = 41  # quantiles that are tried on the training images


def colour_dice(
    images: np.ndarray, masks: np.ndarray, *, train: np.ndarray, test: np.ndarray
) -> float | None:
    """Mean test Dice of logistic regression on the colour of a pixel.

    The threshold is the quantile of the training pixels that has the highest mean Dice
    there. None where the training pixels are all lesion or all background.

    Args:
        train: positions of the images that are fitted.
        test: positions of the images that are scored.

    Shape:
        images: (N, H, W, 3), 0 to 1
        masks: (N, H, W) bool
    """
    marked = masks[train].ravel()[::EVERY]
    if marked.all() or not marked.any():
        return None
    model = LogisticRegression(class_weight="balanced")
    model.fit(images[train].reshape(-1, 3)[::EVERY], marked)
    values = images @ model.coef_[0]  # (N, H, W)
    least = best_threshold(values[train], masks[train])
    return mean_dice(values[test] > least, masks[test])


def best_threshold(values: np.ndarray, masks: np.ndarray) -> float:
    """The quantile of the values whose mask has the highest mean Dice."""
    candidates = np.quantile(values, np.linspace(0, 1, THRESHOLDS))
    return max(candidates, key=lambda least: mean_dice(values > least, masks))


def mean_dice(predicted: np.ndarray, masks: np.ndarray) -> float:
    """Mean Dice over the images; 1 where both masks are empty."""
    hits = (predicted & masks).sum((1, 2))
    sizes = predicted.sum((1, 2)) + masks.sum((1, 2))
    return float(np.where(sizes == 0, 1, 2 * hits / np.maximum(sizes, 1)).mean())
