"""The picture and the table of docs/models.md: all networks after a short toy training.

    lesionkit sweep toy_models.yaml
    lesionkit train -p model fatnet -p epochs 2
    python benchmarks/gallery.py

The images are test images whose logits every run keeps, evenly spaced by lesion size.
The table goes between the markers of docs/models.md and to docs/measurements.md.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import measurements
import numpy as np

from lesionkit import figures
from lesionkit.catalogue import MODELS
from lesionkit.config import RunConfig
from lesionkit.prepared import Prepared
from lesionkit.prepared.preparing import data_of, kept_places
from lesionkit.records import runs
from lesionkit.records.runs import RunRecord
from lesionkit.sweeps.sweep import read_sweep

FATNET = RunConfig(model="fatnet", epochs=2)  # at 224, twelve times the pixels
ROWS = 3
PICTURE = "docs/figures/toy_models_predictions.jpg"


def main() -> None:
    """Draw the picture and write the table."""
    sweep = read_sweep("toy_models.yaml")
    found = {config.model: config for config in (*sweep.configs, FATNET)}
    configs = [found[name].resolved() for name in MODELS]
    missing = [c.run_id for c in configs if not runs.is_done(c.folder)]
    if missing:
        raise SystemExit(f"{len(missing)} runs are missing, {missing[0]} first")
    records = {config.model: RunRecord(config.folder) for config in configs}
    draw(records)
    lines = table(configs, records)
    measurements.append(f"Sweep {sweep.name}", lines)
    page = measurements.ROOT / "docs" / "models.md"
    measurements.put_between(page, "networks", lines)


def table(configs: list[RunConfig], records: dict[str, RunRecord]) -> list[str]:
    """A line a network: what was trained and how it scored."""
    names = ["network", "variant", "parameters", "GMACs", "side", "Dice", "IoU", "AP"]
    names += ["best epoch"]
    lines = measurements.head(names)
    for config in configs:
        facts = MODELS[config.model].variants[config.variant]
        metrics = records[config.model].metrics
        scores = metrics["test"]["probability"]["image"]
        cells = [MODELS[config.model].title, f"`{config.variant}`"]
        cells += [f"{facts.parameters:,}", f"{facts.gmacs:.2f}", str(config.size)]
        cells += [f"{scores['dice']:.3f}", f"{scores['iou']:.3f}"]
        cells += [f"{metrics['test']['average_precision']:.3f}"]
        cells += [f"{metrics['best_epoch']} of {metrics['epochs']}"]
        lines.append(measurements.row(cells))
    return lines


def draw(records: dict[str, RunRecord]) -> None:
    """A row a test image: its ground truth, then what each network found and missed."""
    data = {name: data_of(record) for name, record in records.items()}
    kept = {name: logits_by_file(records[name], data[name]) for name in records}
    files = shared_files(kept)
    size = (1.12 * (len(records) + 1), 1.3 * len(files) + 0.5)
    figure, axes = plt.subplots(len(files), len(records) + 1, figsize=size)
    first = data[next(iter(records))]
    for row, file in enumerate(files):
        at = position(first, file)
        figures.draw_image(axes[row, 0], first.images[at], first.masks[at])
        for column, (name, record) in enumerate(records.items(), 1):
            at = position(data[name], file)
            found = kept[name][file] >= 0
            panel, own = axes[row, column], data[name]
            figures.draw_errors(panel, own.images[at], own.masks[at], predicted=found)
            dice = figures.stored_dice(record, file, "probability")
            panel.set_xlabel(f"{dice:.2f}", fontsize=7, labelpad=1)
    titles = ["ground truth", *(MODELS[name].title for name in records)]
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=7.5)
    figures.with_legend(figure)
    quality = {"quality": 88, "optimize": True}
    figure.savefig(measurements.ROOT / PICTURE, dpi=95, pil_kwargs=quality)


def logits_by_file(record: RunRecord, data: Prepared) -> dict[str, np.ndarray]:
    """The kept test logits of a run, by the name of the image."""
    kept = record.arrays("logits")
    names = data.index["file"].to_numpy()[kept_places(record, data)]
    return dict(zip(names, kept["logits"], strict=True))


def shared_files(kept: dict[str, dict[str, np.ndarray]]) -> list[str]:
    """Images that every run keeps, evenly spaced in the order of the first run."""
    first, *others = kept.values()
    files = [file for file in first if all(file in other for other in others)]
    chosen = np.linspace(0, len(files) - 1, min(ROWS, len(files))).round().astype(int)
    return [files[i] for i in chosen]


def position(data: Prepared, file: str) -> int:
    """Where an image stands in the arrays."""
    return int(np.flatnonzero(data.index["file"].to_numpy() == file)[0])


if __name__ == "__main__":
    main()
