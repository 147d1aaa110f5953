"""By how much scores of images and of trainings scatter, where nobody printed it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lesionkit import lookup, published
from lesionkit.catalogue import DATASETS

TEST_PART = 0.2  # of the images of a set, in the public re-run


class Taken(NamedTuple):
    """A number with the ends of the range that it may have."""

    low: float
    middle: float
    high: float


# Of the kit's own runs: docs/measurements.md, "Scores of single images". The middle is
# that of ten losses on ISIC 2017, whose Dice is like that of printed tables; the ends
# are those of all runs. The deviation over images of scores with the mean m is WIDTH
# times sqrt(m (1 - m)).
CORRELATION = Taken(0.42, 0.82, 0.91)
WIDTH = Taken(0.33, 0.39, 0.61)


def of_a_training(
    like: str | None = None, model: str | None = None
) -> tuple[Taken, str]:
    """How far a training's Dice scatters over seeds and splits, and where that is from.

    The deviation over the iterations of the public re-run, less what their test images
    make of it; of each data set and network the root of the mean square of its losses.

    Returns:
        The least, the median and the greatest tenth of them, and in words whose.
    """
    cells = published.public_rerun()
    for name, value in (("dataset", like), ("model", model)):
        if value is not None:
            found = dict.fromkeys(sorted(cells[name].unique()))
            lookup.find(f"{name} of the public re-run", value, found)
            cells = cells[cells[name] == value]
    counts = {
        name: DATASETS[name].published_count or 0 for name in set(cells["dataset"])
    }
    tested = cells["dataset"].map(counts) * TEST_PART
    of_images = WIDTH.middle**2 * cells["dice"] * (1 - cells["dice"]) / tested
    left = (cells["dice_sd"] ** 2 - of_images).groupby(
        [cells["dataset"], cells["model"]]
    )
    each = np.sqrt(np.maximum(left.mean().to_numpy(), 0))
    low, middle, high = (float(x) for x in np.quantile(each, (0.1, 0.5, 0.9)))
    which = " and ".join(name for name in (like, model) if name is not None)
    of = f"those of {which}" if which else "all data sets and networks"
    where = f"over seeds and splits in the public re-run, {of}"
    return Taken(low, middle, high), where
