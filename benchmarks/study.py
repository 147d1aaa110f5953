"""The table of a finished sweep: scores, points with their chance level, and its cost.

    python benchmarks/study.py SWEEP.yaml [--figures FOLDER] [--page]

--figures draws the prediction grid and the podium table there; --page puts the
scores between the markers of docs/results.md as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import measurements
import pandas as pd

from lesionkit import figures
from lesionkit.figures import ranking as ranking_figures
from lesionkit.inference import ranking
from lesionkit.inference.standing import rank
from lesionkit.prepared.preparing import data_of
from lesionkit.sweeps.sweep import Sweep, read_sweep
from lesionkit.tables import comparable_records, load_table


def main() -> None:
    """Tabulate the sweep's records; write figures and the page of results if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweep")
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--page", action="store_true")
    given = parser.parse_args()
    sweep = read_sweep(given.sweep)
    table = records_of(sweep)
    lines = [*scores(table), "", *verdict(table), "", cost(table)]
    measurements.append(f"Sweep {sweep.name}", lines)
    if given.figures:
        draw(table, given.figures, sweep.name)
    if given.page:
        page = measurements.ROOT / "docs" / "results.md"
        measurements.put_between(page, "results", scores(table, commands=True))


def records_of(sweep: Sweep) -> pd.DataFrame:
    """The table of exactly the runs of this sweep."""
    missing = sweep.missing()
    if missing:
        raise SystemExit(f"{len(missing)} runs are missing, {missing[0].run_id} first")
    tables = [load_table(config.folder) for config in sweep.configs]
    table = pd.concat(tables, ignore_index=True)
    ranking.check_comparable(table)
    return table


def scores(table: pd.DataFrame, *, commands: bool = False) -> list[str]:
    """A line a run: the four metrics, the AP, the epochs, and the way to make it."""
    names = ["Dice", "IoU", "precision", "recall", "AP", "best epoch"]
    keys = ["dice", "iou", "precision", "recall", "average_precision", "best_epoch"]
    head = ["data set", "loss", *names, *(["command"] if commands else [])]
    lines = measurements.head(head)
    ordered = table.sort_values(["dataset", "dice"], ascending=[True, False])
    for run in ordered.to_dict("records"):
        numbers = [f"{run[key]:.3f}" for key in keys[:-1]] + [str(run["best_epoch"])]
        cells = [run["dataset"], run["loss"], *numbers]
        if commands:
            cells.append(f"`lesionkit train -p loss {run['loss']}`")
        lines.append(measurements.row(cells))
    return lines


def verdict(table: pd.DataFrame) -> list[str]:
    """Podium points over the data sets, and what they are worth."""
    points = ranking.podium(table)
    listed = ", ".join(
        f"{name} {value:g}" for name, value in points.loc["points"].items()
    )
    return [f"Points: {listed}.", "", rank(table).podium]


def cost(table: pd.DataFrame) -> str:
    """Wall time of training and scoring, summed and per run."""
    wall = table["wall_seconds"]
    return (
        f"Cost: {len(table)} runs, {wall.sum() / 60:.1f} minutes of training and "
        f"scoring ({wall.mean():.0f} s a run)."
    )


def draw(table: pd.DataFrame, folder: Path, name: str) -> None:
    """The prediction grid and the podium table as files."""
    folder.mkdir(parents=True, exist_ok=True)
    records = comparable_records(table)
    data = data_of(next(iter(records.values())))
    grid = figures.predictions(records, data)
    quality = {"quality": 88, "optimize": True}  # a PNG of it is four times the size
    grid.savefig(folder / f"{name}_predictions.jpg", dpi=80, pil_kwargs=quality)
    points = ranking.podium(table)
    title = "mean Dice by data set, and podium points"
    heat = ranking_figures.heat(ranking.means(table, "dataset"), points, title=title)
    heat.savefig(folder / f"{name}_podium.png", dpi=100)


if __name__ == "__main__":
    main()
