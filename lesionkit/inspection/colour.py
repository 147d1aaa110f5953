"""How far the colour of a pixel alone gets: a baseline that sees no shape."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from lesionkit.catalogue import IGNORED

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
        masks: (N, H, W) of 0 and 1, and 255 for pixels that are left out
    """
    flat = masks[train].ravel()
    fitted = np.flatnonzero(flat != IGNORED)[::EVERY]
    marked = flat[fitted] == 1
    if marked.all() or not marked.any():
        return None
    model = LogisticRegression(class_weight="balanced")
    model.fit(images[train].reshape(-1, 3)[fitted], marked)
    values = images @ model.coef_[0]  # (N, H, W)
    least = best_threshold(values[train], masks[train])
    return mean_dice(values[test] > least, masks[test])


def best_threshold(values: np.ndarray, masks: np.ndarray) -> float:
    """The quantile of the values whose mask has the highest mean Dice."""
    counted = values[masks != IGNORED]
    candidates = np.quantile(counted, np.linspace(0, 1, THRESHOLDS))
    return max(candidates, key=lambda least: mean_dice(values > least, masks))


def mean_dice(predicted: np.ndarray, masks: np.ndarray) -> float:
    """Mean Dice over the images with pixels that count; 1 where both are empty."""
    valid, lesion = masks != IGNORED, masks == 1
    predicted = predicted & valid
    hits = (predicted & lesion).sum((1, 2))
    sizes = predicted.sum((1, 2)) + lesion.sum((1, 2))
    dice = np.where(sizes == 0, 1, 2 * hits / np.maximum(sizes, 1))
    return float(dice[valid.any((1, 2))].mean())
