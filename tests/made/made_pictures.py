"""Made pictures, their thumbnails, and tables of pairs of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from PIL import Image

from lesionkit.datasets.pictures.resizing import thumbnail
from lesionkit.splits import deal
from lesionkit.splits.leakage import leaked_share


def picture(seed: int, side: int = 96) -> np.ndarray:
    """A colour picture (side, side, 3) uint8 of 30 to 200, its details ever fainter."""
    random = np.random.default_rng(seed)
    grey = np.zeros((side, side))
    for k in (2, 4, 8, 16, 32):
        field = Image.fromarray(random.normal(0, 1 / k, (k, k)).astype(np.float32))
        grey += np.asarray(field.resize((side, side), Image.Resampling.BICUBIC))
    grey = (grey - grey.min()) / np.ptp(grey)
    return (30 + grey[..., None] * (170, 120, 100)).astype(np.uint8)


def thumbnails(*pictures: np.ndarray) -> np.ndarray:
    """The stack of thumbnails of pictures."""
    return np.stack([thumbnail(array) for array in pictures])


def grey(value: int) -> np.ndarray:
    """A thumbnail of one grey."""
    return np.full((32, 32), value, np.uint8)


def family(count: int) -> np.ndarray:
    """Thumbnails of which each third one is a noisy copy of an earlier one."""
    random = np.random.default_rng(5)
    made = []
    for i in range(count):
        base = picture(i // 6 * 3 if i % 3 == 2 else i, 32)[..., 0]
        noise = random.normal(0, (2, 6, 12)[i % 5 % 3], base.shape)
        made.append(np.clip(base + noise, 0, 255).astype(np.uint8))
    made[7], made[11] = grey(90), grey(90)
    return np.stack(made)


def table_of(*pairs: tuple[int, int]) -> pd.DataFrame:
    """Pairs as a table."""
    return pd.DataFrame(list(pairs), columns=["first", "second"])


def random_split_leakage(pairs, count, *, seeds=range(20), groups=None) -> float:
    """The share of leaked test images, mean over random 60:20:20 splits."""
    groups = np.arange(count) if groups is None else groups
    dealt = [deal(groups, seed) for seed in seeds]
    shares = [leaked_share(pairs, a, b, count=count) for a, _, b in dealt]
    return float(np.mean(shares))
