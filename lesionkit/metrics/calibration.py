"""Whether a probability means what it says: calibration of pixels."""

from __future__ import annotations

import numpy as np

from lesionkit.metrics import Values, lesion_and_valid, pair


def reliability(
    probability: Values, mask: Values, bins: int = 15, *, ignore: bool = False
) -> dict[str, np.ndarray]:
    """Pixels by probability: how many there are, what was said, what was true.

    Args:
        probability: of the lesion class, 0 to 1, any shape; pixels are pooled.
        mask: the same shape, 0 background, 1 lesion.
        bins: of equal width; a probability on an edge belongs to the bin above.
        ignore: leave pixels of 255 in the mask out, instead of refusing them.

    Returns:
        pixels, said (mean probability) and true (share of lesion), each (bins,);
        said and true are NaN where a bin has no pixels.

    Raises:
        ValueError: shapes differ, a mask value is not 0 or 1, a probability is NaN or
            outside 0 to 1 (logits, for example), or bins is below 1.
    """
    if bins < 1:
        raise ValueError(f"bins must be 1 or more, got {bins!r}")
    probability, mask = pair("probability", probability, mask)
    values = probability.detach().double().flatten().cpu().numpy()
    found, valid = lesion_and_valid(mask.flatten(), ignore=ignore)
    lesion = found.cpu().numpy()
    if not ((values >= 0) & (values <= 1)).all():
        low, high = values.min(), values.max()
        raise ValueError(f"probability must be from 0 to 1, got {low:g} to {high:g}")
    if valid is not None:
        kept = valid.cpu().numpy()
        values, lesion = values[kept], lesion[kept]
    where = np.minimum((values * bins).astype(np.int64), bins - 1)
    pixels = np.bincount(where, minlength=bins)
    with np.errstate(invalid="ignore"):
        said = np.bincount(where, values, bins) / pixels
        true = np.bincount(where, lesion, bins) / pixels
    return {"pixels": pixels, "said": said, "true": true}


def expected_calibration_error(
    probability: Values, mask: Values, bins: int = 15, *, ignore: bool = False
) -> float:
    """The mean distance of probability and share of lesion, bin by bin.

        ECE = sum over bins of pixels_b / pixels |said_b - true_b|

    It is that of the lesion's probability, not of the surer class's. NaN without
    pixels. Background is most of an image and easy, so a small value says little about
    the lesion: look at `reliability`.

    Arguments and errors as for reliability. Source: Guo et al. 2017, eq. (5), for the
    binary case; in neither paper.

    >>> round(expected_calibration_error([0.9, 0.9, 0.1, 0.1], [1, 0, 0, 0]), 4)
    0.25
    """
    found = reliability(probability, mask, bins, ignore=ignore)
    pixels = found["pixels"]
    if not pixels.sum():
        return float("nan")
    gaps = np.nan_to_num(np.abs(found["said"] - found["true"]))
    return float((pixels * gaps).sum() / pixels.sum())
