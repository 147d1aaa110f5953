"""Tables of honest noise: losses that differ a little, and nothing wrong with them."""

from __future__ import annotations

import numpy as np
import pandas as pd

WORLDS = ("equal", "unequal", "interaction")
NAMES = ("dataset", "model", "loss", "repeat")


def noise(
    shape: tuple[int, int, int, int],
    seed: int = 0,
    *,
    world: str = "unequal",
    tails: bool = False,
) -> pd.DataFrame:
    """Runs of (data sets, networks, losses, repeats), scores with 15 digits.

    Worlds: the noise of runs is 1.2 points of Dice on every data set ("equal"), or 0.7
    on the easiest to 4 on the hardest ("unequal"); "interaction" adds 1 point of loss x
    data set and 0.5 of loss x network to the second. With `tails` all noise has the
    tails of Student's t with 3 degrees of freedom, and the same deviations.
    """
    random = np.random.default_rng(seed)
    sets, models, losses, repeats = shape

    def drawn(deviation: float, *size: int) -> np.ndarray:
        if tails:
            return deviation * random.standard_t(3, size) / np.sqrt(3)
        return random.normal(0, deviation, size)

    hard = np.full(sets, 0.012) if world == "equal" else np.linspace(0.007, 0.04, sets)
    hard = random.permutation(hard)[:, None, None, None]
    dice = random.uniform(0.5, 0.8, (sets, 1, 1, 1))
    dice = dice + drawn(0.03, 1, models, 1, 1) + drawn(0.01, 1, 1, losses, 1)
    if world == "interaction":
        dice = (
            dice + drawn(0.01, sets, 1, losses, 1) + drawn(0.005, 1, models, losses, 1)
        )
    dice = dice + drawn(0.005, sets, models, losses, 1)
    dice = dice + hard * drawn(1.0, sets, 1, 1, repeats)  # the split, for all losses
    dice = np.clip(dice + hard * drawn(1.0, *shape), 0.001, 0.999)
    iou = dice / (2 - dice) + random.normal(0, 0.003, shape)
    places = np.indices(shape).reshape(4, -1)
    names = {
        name: [f"{name[0]}{i}" for i in place] if name != "repeat" else place
        for name, place in zip(NAMES, places, strict=True)
    }
    scores = {"dice": dice.ravel(), "iou": np.clip(iou.ravel(), 0.0001, 0.9999)}
    return pd.DataFrame(names | scores)


def as_cells(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs as cells: n, means and sample standard deviations."""
    grouped = runs.groupby(list(NAMES[:3]), sort=False)
    cells = grouped.agg(
        n=("dice", "size"),
        dice=("dice", "mean"),
        dice_sd=("dice", "std"),
        iou=("iou", "mean"),
        iou_sd=("iou", "std"),
    )
    return cells.reset_index()
