"""Paper B from run records: Table 1 beside ours, the curves, the parameter search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lesionkit import lookup, published
from lesionkit.config import RunConfig
from lesionkit.engines import one_by_one
from lesionkit.metrics.lesions import measure
from lesionkit.papers.threshold_study import counts_at_edges
from lesionkit.prepared import Prepared
from lesionkit.records.runs import RunRecord
from lesionkit.sweeps.sweep import Sweep, run_sweep

SHORT = {"balanced_bce": "BL", "focal": "FL", "custom": "CL"}  # as the paper has them
STAGES = {"alpha": "balanced_bce", "gamma": "focal", "beta": "custom"}


def printed_table() -> pd.DataFrame:
    """Table 1 as printed, 0 to 1, with the F1 that its precision and recall give.

    `off` is printed minus computed F1: 0 for pooled pixels, 0 or less for plain means
    over images. Above 0 it takes empty images, or another such way: lesionkit audit.

    Source: paper B, Table 1.
    """
    table = published.paper_b_table1()
    precision, recall = table["precision"], table["recall"]
    computed = 2 * precision * recall / (precision + recall)
    return table.assign(f1_computed=computed, off=table["f1"] - computed)


def table_1(
    records: Sequence[RunRecord], threshold: str = "probability"
) -> pd.DataFrame:
    """A row a run: F1, precision and recall as means over images, and pooled; AP.

    F1 is Dice. Where the data set knows strata there is a column f1_<stratum> for
    each. lesions_found and false_lesions are counts on single slices.

    Args:
        threshold: "probability" (0.5) or "raw_mean".

    Raises:
        UnknownName: another threshold.
    """
    lookup.find("threshold", threshold, dict.fromkeys(("probability", "raw_mean")))
    rows = []
    for record in records:
        test = record.metrics["test"]
        image, named = test[threshold]["image"], ("model", "loss", *STAGES)
        row = {name: record.identity[name] for name in named}
        row |= {"f1": image["dice"], "precision": image["precision"]}
        row |= {
            "recall": image["recall"],
            "average_precision": test["average_precision"],
        }
        row["f1_pooled"] = test[threshold]["pooled"]["dice"]
        for stratum, scores in record.metrics.get("test_by_stratum", {}).items():
            row[f"f1_{stratum}"] = scores[threshold]["image"]["dice"]
        images = record.images[record.images["threshold"] == threshold]
        counted = images[["lesions", "lesions_found", "false_lesions"]]
        rows.append(row | counted.sum().astype(int).to_dict())
    return pd.DataFrame(rows)


def rates(record: RunRecord) -> pd.DataFrame:
    """Precision, recall and false positive rate of the pooled test pixels by cut.

    A row for each edge of the stored histograms, from the lowest cut to the highest:
    logit, precision (NaN where nothing is marked), recall, false_positive_rate.
    """
    arrays = record.arrays("curves")
    kinds = ("test_lesion", "test_background")
    pooled = [arrays[kind].sum(0, dtype=np.int64)[None] for kind in kinds]
    tp, fp, fn, tn = counts_at_edges(*pooled)[0].T.astype(float)
    with np.errstate(invalid="ignore"):
        shares = {"precision": tp / (tp + fp), "recall": tp / (tp + fn)}
    shares["false_positive_rate"] = fp / (fp + tn)
    return pd.DataFrame({"logit": arrays["bin_edges"], **shares})


def base_rate(record: RunRecord) -> float:
    """Share of lesion pixels: the average precision of guessing."""
    arrays = record.arrays("curves")
    lesion = float(arrays["test_lesion"].sum())
    return lesion / (lesion + float(arrays["test_background"].sum()))


def lesion_sizes(data: Prepared) -> pd.DataFrame:
    """Volume and longest diameter of every lesion of every patient, in mm.

    Args:
        data: a set whose index has row_mm, column_mm, slice_mm and height_mm.

    Returns:
        The columns of `lesions.measure` with `patient` before them.

    Raises:
        ValueError: the set does not know the size of its pixels.
    """
    if "height_mm" not in data.index:
        message = f"{data.name}: its index has no sizes in mm; CT sets have them"
        raise ValueError(message)
    found, masks = {}, data.masks
    for patient, rows in data.index.groupby("group", sort=False):
        rows = rows.sort_values("height_mm")
        first = rows.iloc[0]
        spacing = (
            float(first["slice_mm"]),
            float(first["row_mm"] * first["height"] / masks.shape[1]),
            float(first["column_mm"] * first["width"] / masks.shape[2]),
        )
        lesions = masks[rows.index.to_numpy()] == 1  # ignored pixels are in none
        found[patient] = measure(lesions, spacing)
    return pd.concat(found, names=["patient"]).reset_index(0).reset_index(drop=True)


def search(
    base: RunConfig,
    grid: Mapping[str, Sequence[float]],
    execute: Callable[[RunConfig], object],
    *,
    select: str = "validation",
    progress: bool = False,
) -> pd.DataFrame:
    """The search that paper B describes: alpha first, then gamma, then beta.

    Each stage trains one loss (alpha: balanced_bce, gamma: focal, beta: custom) over
    its values, with the numbers chosen before, and keeps the value with the best Dice.
    Runs that are finished are not trained again.

    Args:
        base: everything but loss, alpha, gamma and beta.
        grid: "alpha", "gamma" and "beta" to the values to try.
        execute: trains one run and raises if it did not work, such as lesionkit.run.
        select: by "validation" Dice; "test" is what must not be done, for contrast.
        progress: whether to show how many runs of a stage have ended.

    Returns:
        A row a run: stage, its loss, alpha, gamma, beta, validation and test Dice,
        and whether it was chosen.

    Raises:
        ValueError: another `select`, or a stage without values.
        RuntimeError: a run failed.
    """
    lookup.find("part to select on", select, dict.fromkeys(("validation", "test")))
    chosen: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for stage, loss in STAGES.items():
        if not grid.get(stage):
            raise ValueError(f"grid has no values for {stage}")
        configs = [
            replace(base, loss=loss, **chosen | {stage: float(value)})
            for value in grid[stage]
        ]
        sweep = Sweep(f"search {stage}", tuple(configs))
        if failures := run_sweep(sweep, one_by_one(execute), progress=progress):
            raise RuntimeError(f"{stage}: {next(iter(failures.values()))}")
        found = [_stage_row(stage, config) for config in configs]
        best = max(range(len(found)), key=lambda i: found[i][select])
        found[best]["chosen"] = True
        chosen[stage] = float(grid[stage][best])
        rows += found
    return pd.DataFrame(rows)


def _stage_row(stage: str, config: RunConfig) -> dict[str, Any]:
    """One run of a stage."""
    metrics, parts = RunRecord(config.folder).metrics, ("validation", "test")
    dice = {part: metrics[part]["probability"]["image"]["dice"] for part in parts}
    numbers = {name: getattr(config, name) for name in STAGES}
    return {"stage": stage, "loss": config.loss, **numbers, **dice, "chosen": False}
