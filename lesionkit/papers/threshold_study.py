"""What a threshold does over whole sets, from the histograms and counts of a record.

Nothing here comes from the rounded logits that a record keeps for figures.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import special

from lesionkit.inference.images import mean_interval
from lesionkit.records.runs import RunRecord


def counts_at_edges(lesion: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Counts of each image when the mask is logits >= edge, for every bin edge.

    Beyond the outer edges nothing is known: the first marks all, the last nothing.

    Shape:
        lesion, background: (N, B) pixels of each class by logit bin
        returns: (N, B + 1, 4) int64 tp, fp, fn, tn
    """
    tp, fp = (  # at or above each edge, (N, B + 1)
        np.pad(pixels[:, ::-1].cumsum(1, np.int64)[:, ::-1], ((0, 0), (0, 1)))
        for pixels in (lesion, background)
    )
    return np.stack([tp, fp, tp[:, :1] - tp, fp[:, :1] - fp], axis=-1)


def dice_curve(record: RunRecord, part: str = "test") -> pd.DataFrame:
    """Mean Dice and mean share marked of a part, at every bin edge of the record.

    Returns:
        cut (in units of the logits), dice (both empty counts 1), marked (0 to 1); a row
        an edge. At cut 0 both are those of probability 0.5, exactly. Images that are
        ignored as a whole are in no mean.

    Raises:
        ValueError: the record has no histograms of this part.
    """
    stored = record.arrays("curves")
    if f"{part}_lesion" not in stored:
        raise ValueError(f"{record.folder / 'curves.npz'} has no part {part!r}")
    counts = counts_at_edges(stored[f"{part}_lesion"], stored[f"{part}_background"])
    counts = counts[counts[:, 0].sum(-1) > 0]
    tp, fp, fn, _ = np.moveaxis(counts, -1, 0)
    union = 2 * tp + fp + fn
    dice = np.where(union > 0, 2 * tp / np.maximum(union, 1), 1.0)
    marked = (tp + fp) / counts.sum(-1)
    means = {"dice": dice.mean(0), "marked": marked.mean(0)}
    return pd.DataFrame({"cut": stored["bin_edges"], **means})


def best_validation_cut(record: RunRecord) -> float:
    """The bin edge with the highest mean Dice over the validation images.

    The mask is logits >= cut. The edge nearest to 0 wins a tie; the outer edges, beyond
    which the record knows nothing, are not taken. Test images are never looked at.
    """
    curve = dice_curve(record, "validation").iloc[1:-1]
    best = curve[curve["dice"] == curve["dice"].max()]["cut"].to_numpy()
    return float(best[np.abs(best).argmin()])


def background_marked(records: Mapping[str, RunRecord]) -> pd.DataFrame:
    """Mean share of the background that each rule marks on the test images.

    The interval is the percentile bootstrap over images, seed 0. Images of one patient
    or sequence are not independent: with such groups it is too narrow.

    Args:
        records: loss to run.

    Returns:
        loss, rule, marked, low, high (all shares from 0 to 1), images; a row for each
        loss and rule. low and high are NaN below two images.

    Source: paper A, Fig. 3 put as a number; Efron 1979 for the bootstrap.
    """
    rows = []
    for loss, record in records.items():
        for rule, table in record.images.groupby("threshold"):
            background = table["fp"] + table["tn"]
            shares = (table["fp"] / background)[background > 0].to_numpy()
            low, high = mean_interval(shares)
            rows.append((loss, rule, shares.mean(), low, high, len(shares)))
    return pd.DataFrame(rows, columns="loss rule marked low high images".split())


def predicted_background(
    share: np.ndarray | float, gap: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Share of a normal background above the mean of all logits of the image.

        predicted = erfc(share * gap / (spread * sqrt(2))) / 2

    The mean of all logits lies share * gap above the mean of the background.

    Args:
        share: of the image that is lesion, 0 to 1.
        gap: mean logit of the lesion less mean logit of the background.
        spread: standard deviation of the background's logits.

    >>> float(predicted_background(0.10, 8, 1).round(3))
    0.212
    >>> float(predicted_background(0.0, 8, 1))
    0.5
    """
    return 0.5 * special.erfc(np.asarray(share) * gap / (spread * np.sqrt(2)))


def background_theory(record: RunRecord) -> pd.DataFrame:
    """Predicted and measured share of background that the raw mean marks, by image.

    Mean and spread of the background are those of its histogram, each bin at its
    middle, the outer bins cut off at the image's own extremes; the mean of all logits
    and the measured share are exact. Images that are all lesion, or whose background
    does not vary, are left out.

    Returns:
        file, lesion_share, gap (NaN without lesion, and where pixels are ignored: the
        mean of all logits has them too), spread, predicted, measured; a row an image.
    """
    stored = record.arrays("curves")
    table = record.images[record.images["threshold"] == "raw_mean"]
    lesion = stored["test_lesion"].astype(float)
    background = stored["test_background"].astype(float)
    low, high, mean = stored["test_extent"].T
    middle = _middles(stored["bin_edges"], low, high)  # (N, B)
    pixels = background.sum(1)
    counted = lesion.sum(1) + pixels
    whole = np.full(len(counted), True)
    if "ignore" in record.metrics.get("data", {}):
        whole = counted == record.identity["size"] ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        share = lesion.sum(1) / counted
        centre = (background * middle).sum(1) / pixels
        deviations = (middle - centre[:, None]) ** 2
        spread = np.sqrt((background * deviations).sum(1) / pixels)
        gap = (mean - centre) / share  # of the means: mean = centre + share * gap
        shift = np.where(share > 0, mean - centre, 0.0)
        predicted = predicted_background(1.0, shift, spread)
        measured = table["fp"].to_numpy() / pixels
    gap = np.where((share > 0) & whole, gap, np.nan)
    found = {"file": table["file"].to_numpy(), "lesion_share": share, "gap": gap}
    found |= {"spread": spread, "predicted": predicted, "measured": measured}
    return pd.DataFrame(found)[(pixels > 0) & (spread > 0)].reset_index(drop=True)


def _middles(edges: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The middle of each bin within the range of each image, (N, B)."""
    left = np.tile(edges[:-1], (len(low), 1))
    right = np.tile(edges[1:], (len(low), 1))
    left[:, 0], right[:, -1] = -np.inf, np.inf  # the outer bins hold what lies beyond
    low, high = low[:, None], high[:, None]
    return (np.clip(left, low, high) + np.clip(right, low, high)) / 2
