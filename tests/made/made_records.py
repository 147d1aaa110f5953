"""Run records written by hand, so that tables, ranks and figures need no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionkit.config import RunConfig
from lesionkit.prepared import open_prepared
from lesionkit.records import runs
from lesionkit.training.evaluation import BIN_EDGES, histograms

# (data set, model, loss) to Dice: dice leads on toy, bce on kvasir.
TWO_BY_THREE = {
    ("toy", "unet", "dice"): 0.9,
    ("toy", "unet", "iou"): 0.8,
    ("toy", "unet", "bce"): 0.7,
    ("kvasir", "unet", "dice"): 0.6,
    ("kvasir", "unet", "iou"): 0.5,
    ("kvasir", "unet", "bce"): 0.65,
}


def scores(dice: float) -> dict[str, Any]:
    """Scores that are told apart by their last digits."""
    values = {"dice": dice, "iou": dice - 0.1, "precision": dice - 0.02}
    return values | {"recall": dice + 0.01, "undefined": {}}


def metrics(dice: float, *, fingerprint: str = "made") -> dict[str, Any]:
    """The content of metrics.json; each rule and average is 0.01 further down."""
    part = {
        "images": 4,
        "probability": {"image": scores(dice), "pooled": scores(dice - 0.01)},
        "raw_mean": {"image": scores(dice - 0.02), "pooled": scores(dice - 0.03)},
        "average_precision": dice + 0.05,
    }
    return {
        "data": {"fingerprint": fingerprint, "source": "made by hand", "images": {}},
        "best_epoch": 2,
        "epochs": 3,
        "validation": part,
        "test": part,
    }


def image_table(files: Sequence[str], dice: float) -> pd.DataFrame:
    """The content of images.csv: the same counts for every image, two thresholds."""
    row = {"tp": 3, "fp": 1, "fn": 1, "tn": 11}
    row |= {"dice": dice, "iou": 0.6, "precision": 0.75, "recall": 0.75}
    tables = [
        pd.DataFrame([{"file": f, "threshold": rule} | row for f in files])
        for rule in ("probability", "raw_mean")
    ]
    tables[1]["dice"] = dice - 0.25
    return pd.concat(tables)


def made_record(
    config: RunConfig,
    dice: float = 0.75,
    *,
    positions: Sequence[int] = (1, 7, 13, 19),
    logits: np.ndarray | None = None,
    fingerprint: str = "made",
    sealed: bool = True,
    hashes: Sequence[str] | None = None,
) -> Path:
    """The folder of a finished record of this run, as if it had been trained.

    Args:
        config: the run.
        dice: its test Dice; the other scores follow from it.
        positions: of the images whose logits are kept.
        logits: of these images, (4, 32, 32) by default: a growing ramp.
        fingerprint: of the data set it says it was trained on.
        sealed: whether DONE is written.
        hashes: of the images whose logits are kept; None: as in older records.
    """
    folder = runs.start(config)
    if logits is None:
        ramp = np.linspace(-3, 5, 32 * 32).reshape(32, 32)
        logits = np.stack([ramp] * len(positions))
    files = [f"disc_{position:02d}.png" for position in positions]
    kept = {"positions": np.array(positions), "logits": logits.astype(np.float16)}
    if hashes is not None:
        kept["content_hash"] = np.array(hashes)
    history = {
        "epoch": [1, 2, 3],
        "train_loss": [0.9, 0.6, 0.5],
        "validation_dice": [0.3, dice, dice - 0.1],
        "best_epoch": [1, 2, 2],
    }
    split = {"file": files, "content_hash": "", "group": "", "part": "test", "seed": 42}
    sessions = [{"wall_seconds": 24.0}, {"wall_seconds": 12.0}]
    tables = {
        "split": pd.DataFrame(split),
        "history": pd.DataFrame(history),
        "images": image_table(files, dice),
    }
    for name, table in tables.items():
        runs.store_table(folder, name, table)
    runs.store_json(folder, "environment", {"sessions": sessions})
    runs.store_json(folder, "metrics", metrics(dice, fingerprint=fingerprint))
    runs.store_arrays(folder, "logits", kept)
    runs.store_arrays(folder, "curves", {"bin_edges": np.zeros(257)})
    if sealed:
        runs.finish(folder)
    return folder


def complete_record(config: RunConfig) -> Path:
    """A record on the prepared discs, with histograms of four images in both parts."""
    data = open_prepared(config.dataset, size=32)
    folder = made_record(config, fingerprint=data.fingerprint, sealed=False)
    lesion = np.zeros((4, 8, 8), bool)
    lesion[:, :3, :3] = True
    logits = np.random.default_rng(0).normal(0, 1, lesion.shape) + lesion
    flat = logits.reshape(4, -1)
    arrays = {"bin_edges": BIN_EDGES}
    for part in ("validation", "test"):
        found = histograms(logits, lesion)
        arrays |= {f"{part}_lesion": found[0], f"{part}_background": found[1]}
        extent = [flat.min(1), flat.max(1), flat.mean(1)]
        arrays[f"{part}_extent"] = np.stack(extent, 1)
    runs.store_arrays(folder, "curves", arrays)
    runs.finish(folder)
    return folder


def made_grid(cells: Mapping[tuple[str, str, str], float]) -> None:
    """A record of two repeats for each cell; the second scores 0.02 more."""
    for (dataset, model, loss), dice in cells.items():
        for repeat in (0, 1):
            config = RunConfig(loss=loss, model=model, dataset=dataset, repeat=repeat)
            made_record(config, dice + 0.02 * repeat)
