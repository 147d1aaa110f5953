"""What colour alone can do: the best threshold, and logistic regression, per pixel."""

import numpy as np
from sklearn.linear_model import LogisticRegression

GREY = (0.299, 0.587, 0.114)  # of red, green and blue, as in ITU-R BT.601
EVERY = 7  # of the training pixels, one in this many is fitted


def mean_dice(predicted: np.ndarray, masks: np.ndarray) -> float:
    """Mean Dice over the images; 1 where both masks are empty."""
    hits = (predicted & masks).sum((1, 2))
    sizes = predicted.sum((1, 2)) + masks.sum((1, 2))
    return np.where(sizes == 0, 1, 2 * hits / np.maximum(sizes, 1)).mean()


def colour_channels(images: np.ndarray) -> dict[str, np.ndarray]:
    """Red, green, blue, grey and saturation of (N, H, W, 3) images of 0 to 1."""
    red, green, blue = np.moveaxis(images, -1, 0)
    brightest, darkest = images.max(-1), images.min(-1)
    saturation = (brightest - darkest) / np.maximum(brightest, 1e-6)
    return {
        "red": red,
        "green": green,
        "blue": blue,
        "grey": images @ np.array(GREY),
        "saturation": saturation,
    }


def best_threshold(values: np.ndarray, masks: np.ndarray) -> float:
    """The quantile of the values, of 41, whose mask has the highest mean Dice."""
    candidates = np.quantile(values, np.linspace(0, 1, 41))
    return max(candidates, key=lambda least: mean_dice(values > least, masks))


def threshold_scores(images, masks, *, train, test) -> dict[str, float]:
    """Test Dice of each channel's best threshold, brighter and darker than it."""
    scores = {}
    for name, values in colour_channels(images).items():
        for side, signed in (("above", values), ("below", -values)):
            least = best_threshold(signed[train], masks[train])
            scores[f"{name} {side}"] = mean_dice(signed[test] > least, masks[test])
    return scores


def regression_score(images, masks, *, train, test) -> float:
    """Test Dice of logistic regression on a pixel's red, green and blue."""
    pixels = images[train].reshape(-1, 3)[::EVERY]
    model = LogisticRegression(class_weight="balanced")
    model.fit(pixels, masks[train].ravel()[::EVERY])
    values = images @ model.coef_[0]
    least = best_threshold(values[train], masks[train])
    return mean_dice(values[test] > least, masks[test])
