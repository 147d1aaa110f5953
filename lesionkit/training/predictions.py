"""A finished record to its predictions again: for scores that the record has not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from safetensors.torch import load

from lesionkit.config import RunConfig
from lesionkit.lookup import unknown
from lesionkit.records.runs import RunRecord
from lesionkit.training.building import build
from lesionkit.training.evaluation import evaluate
from lesionkit.training.execution import execution

CLOSE = 1e-3  # share of an image's pixels that another device may flip


@dataclass(frozen=True)
class Predictions:
    """What the best weights of a run say of one part of its split.

    Attributes:
        files: (N,) names.
        logits: (N, H, W) float32.
        masks: (N, H, W) uint8, the ground truth.
    """

    files: np.ndarray
    logits: np.ndarray
    masks: np.ndarray


def replay(record: RunRecord, part: str = "test") -> Predictions:
    """Logits and masks of every image of a part, from the stored weights.

    On the test part the counts are compared with those of the record: predictions that
    are not the record's own, as of another data set by the same name, are refused. On
    another device, or from weights stored by half, a pixel in a thousand may differ.

    Raises:
        FileNotFoundError: the run kept no weights, or the data set is not prepared.
        ValueError: no such part, the weights were changed after the run ended, or the
            predictions are not those of the record.
    """
    if part not in ("validation", "test"):
        raise unknown("part", part, ("validation", "test"))
    weights = record.file("best.safetensors")
    if not weights.is_file():
        raise FileNotFoundError(
            f"{weights} is missing: train with -p keep_weights best"
        )
    # the stored weights replace whatever a pretrained encoder would download
    config = RunConfig(**record.identity | {"pretrained": False})
    with execution(config):
        setting = build(config)
        setting.model.load_state_dict(load(record.weights()))
        found = evaluate(setting.model, setting.batches[part], **setting.scoring)
    if part == "test":
        same_counts(record, found.counts["probability"])
    index = setting.data.index["file"].to_numpy()
    return Predictions(
        index[found.positions], found.logits, setting.data.masks[found.positions]
    )


def same_counts(record: RunRecord, counts: np.ndarray) -> None:
    """Refuse counts at probability 0.5 that are not those of the record."""
    table = record.images[record.images["threshold"] == "probability"]
    stored = table[["tp", "fp", "fn", "tn"]].to_numpy()
    differ = len(stored)
    if stored.shape == counts.shape:
        off = np.abs(stored - counts).max(1) > CLOSE * stored.sum(1)
        differ = int(off.sum())
    if differ:
        raise ValueError(
            f"{record.folder}: {differ} of {len(stored)} test images are not predicted"
            " as the record says; is the data set the same?"
        )
