"""What a threshold on one channel of colour can do."""

import numpy as np

from lesionkit.inspection.colour import best_threshold, mean_dice

GREY = (0.299, 0.587, 0.114)  # of red, green and blue, as in ITU-R BT.601


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


def threshold_scores(images, masks, *, train, test) -> dict[str, float]:
    """Test Dice of each channel's best threshold, brighter and darker than it."""
    scores = {}
    for name, values in colour_channels(images).items():
        for side, signed in (("above", values), ("below", -values)):
            least = best_threshold(signed[train], masks[train])
            scores[f"{name} {side}"] = mean_dice(signed[test] > least, masks[test])
    return scores
