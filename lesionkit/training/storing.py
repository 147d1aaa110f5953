"""What a training found, to the files of its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save as safetensors_bytes

from lesionkit import metrics
from lesionkit.prepared import Prepared
from lesionkit.records import runs
from lesionkit.splits import manifest
from lesionkit.training import evaluation
from lesionkit.training.building import WITHOUT_LESION, Setting
from lesionkit.training.loop import Progress


def store(
    folder: Path,
    setting: Setting,
    *,
    trained: Progress,
    found: dict[str, evaluation.Evaluation],
) -> None:
    """Every file of the record but environment.json and DONE.

    Args:
        folder: of the record.
        setting: what was trained.
        trained: how that ended.
        found: what the scored weights did, by part of the split.
    """
    data, test = setting.data, found["test"]
    runs.store_table(folder, "split", manifest(data, setting.parts))
    runs.store_table(folder, "history", pd.DataFrame(trained.history))
    runs.store_table(folder, "images", _image_table(data, test))
    report = {
        "data": {
            "fingerprint": data.fingerprint,
            "source": data.manifest["source"],
            "images": {name: len(part) for name, part in setting.batches.items()},
        },
        "best_epoch": trained.best_epoch,
        "epochs": trained.epoch,
        **{name: found[name].summary() for name in ("validation", "test")},
        **_apart(data, found),
    }
    runs.store_json(folder, "metrics", report)
    curves = {
        f"{part}_{name}": getattr(found[part], name)
        for part in ("validation", "test")
        for name in ("positions", "lesion", "background", "extent")
    }
    # the bins are stated in the file
    runs.store_arrays(folder, "curves", {"bin_edges": evaluation.BIN_EDGES} | curves)
    sample = evaluation.figure_sample(data.masks[test.positions])
    kept = test.logits[sample].astype(np.float16)
    positions = test.positions[sample]
    runs.store_arrays(folder, "logits", {"positions": positions, "logits": kept})
    weights = _kept_weights(trained.best_weights, setting.config.keep_weights)
    if weights:
        runs.store_weights(folder, safetensors_bytes(weights))


def _image_table(data: Prepared, test: evaluation.Evaluation) -> pd.DataFrame:
    """A row per test image and threshold: counts and metrics."""
    tables = []
    for threshold, counts in test.counts.items():
        table = pd.DataFrame(counts, columns=["tp", "fp", "fn", "tn"])
        table.insert(0, "file", data.index["file"].to_numpy()[test.positions])
        table.insert(1, "threshold", threshold)
        table = table.assign(**metrics.per_image(counts), **test.lesions[threshold])
        if "stratum" in data.index:
            table["stratum"] = data.index["stratum"].to_numpy()[test.positions]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _apart(data: Prepared, found: dict[str, evaluation.Evaluation]) -> dict[str, Any]:
    """The test scores by stratum, and what was marked where there is no lesion."""
    test, report = found["test"], {}
    if "stratum" in data.index:
        strata = data.index["stratum"].to_numpy()[test.positions]
        report["test_by_stratum"] = {
            str(name): test.summary(strata == name)
            for name in sorted(set(strata) - {""})
        }
    if WITHOUT_LESION in found:
        report[WITHOUT_LESION] = found[WITHOUT_LESION].marked()
    return report


def _kept_weights(
    weights: dict[str, torch.Tensor], keep: str
) -> dict[str, torch.Tensor]:
    """The weights to store: all of them, floats in half the size, or none."""
    if keep == "none":
        return {}
    half = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    chosen = half if keep == "half" else weights
    return {name: value.contiguous().cpu() for name, value in chosen.items()}
