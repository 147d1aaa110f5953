"""How far scores of images scatter, and agree between losses, in run records.

    uv run python benchmarks/luck.py RUNS [RUNS ...]

RUNS are folders of run records. Of every data set, network and repeat: the deviation of
Dice over the test images as a share of sqrt(m (1 - m)), the most that scores of 0 to 1
with the mean m can have, and the correlation of two losses' Dice of an image over all
pairs of losses. `lesionkit luck` takes from it what a table does not print.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import measurements
import numpy as np
import pandas as pd

from lesionkit.records.runs import find_records

QUANTILES = (0.05, 0.5, 0.95)
NAMES = ("dataset", "model", "repeat", "loss")


def of_runs(folders: list[Path]) -> pd.DataFrame:
    """Dice of every test image, a row a run and image."""
    tables = []
    for folder in folders:
        for record in find_records(folder):
            images = record.images
            images = images[images["threshold"] == "probability"][["file", "dice"]]
            own = {name: record.identity[name] for name in NAMES}
            tables.append(images.assign(**own))
    return pd.concat(tables, ignore_index=True)


def shares(images: pd.DataFrame) -> pd.DataFrame:
    """The deviation of each run over its images as a share of the most it can be."""
    runs = images.groupby(list(NAMES))["dice"].agg(["mean", "std"]).reset_index()
    return runs.assign(share=runs["std"] / np.sqrt(runs["mean"] * (1 - runs["mean"])))


def correlations(images: pd.DataFrame) -> np.ndarray:
    """Between two losses' scores of an image, for every pair of losses."""
    wide = images.pivot_table("dice", "file", "loss")
    above = np.triu_indices(wide.shape[1], 1)
    return wide.corr().to_numpy()[above]


def main() -> None:
    """A row for each data set, network and repeat."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    images = of_runs(parser.parse_args().runs)
    widths = shares(images)
    names = "dataset model repeat losses images mean deviation share".split()
    lines = [
        "Dice over the test images of a run: its mean and deviation, the deviation as "
        "a share of sqrt(m (1 - m)) (median, least and greatest over the losses), and "
        "the correlation of two losses' Dice of an image (quantiles over the pairs).",
        "",
        *measurements.head([*names, *(f"correlation {q:g}" for q in QUANTILES)]),
    ]
    for key, group in images.groupby(list(NAMES[:3])):
        own = widths[(widths[list(NAMES[:3])] == list(key)).all(axis=1)]
        share = own["share"]
        told = f"{share.median():.2f} ({share.min():.2f} to {share.max():.2f})"
        found = np.quantile(correlations(group), QUANTILES)
        cells = [*map(str, key), str(len(own)), str(group["file"].nunique())]
        cells += [f"{own['mean'].mean():.3f}", f"{own['std'].mean():.3f}", told]
        lines.append(measurements.row([*cells, *(f"{q:.2f}" for q in found)]))
    measurements.append("Scores of single images", lines)


if __name__ == "__main__":
    main()
