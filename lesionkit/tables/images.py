"""Scores by image: of run records, and of tables that have a row an image."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lesionkit.records.runs import RunRecord
from lesionkit.tables.reading import KEYS


def of_records(table: pd.DataFrame, metric: str) -> pd.DataFrame | None:
    """A row a run and test image: KEYS, image, group and the metric.

    Scores are those at the probability threshold. Images are known by their content, so
    that a copy under another name is the same image. An image whose group is not known
    is a group of its own.

    Returns:
        None for a table that is not made of run records, or a metric that is not kept
        by image.
    """
    if "folder" not in table:
        return None
    found = []
    for row in table.to_dict("records"):
        record = RunRecord(Path(row["folder"]))
        images = record.images
        if metric not in images:
            return None
        images = images[images["threshold"] == "probability"]
        split = record.split.drop_duplicates("file").set_index("file")
        names = split.loc[images["file"]]
        columns = {
            "image": names["content_hash"],
            "group": names["group"].where(names["group"] != "", names["content_hash"]),
            metric: images[metric].to_numpy(),
        }
        of_run = {key: row[key] for key in KEYS}
        found.append(pd.DataFrame(of_run | columns))
    return pd.concat(found, ignore_index=True)


def collapsed(table: pd.DataFrame) -> pd.DataFrame:
    """A table with a row an image as one with a row a run: means over its images.

    A table without the column image comes back as it is.
    """
    if "image" not in table:
        return table
    numbers = [
        name
        for name, values in table.items()
        if values.dtype.kind == "f" and name not in KEYS
    ]
    runs = table.groupby(list(KEYS), sort=False, as_index=False)[numbers].mean()
    runs.attrs.update(table.attrs)
    return runs
