"""Every test image of one run, or of several side by side, as one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from lesionkit.catalogue import IGNORED
from lesionkit.datasets.pictures.ignoring import lesion_share
from lesionkit.figures import OVERLAY, TRUTH
from lesionkit.figures.pixels import address, outline, png, rgb
from lesionkit.masks import probability_mask
from lesionkit.metrics import counts, scores
from lesionkit.pages.templates import filled
from lesionkit.prepared.preparing import data_of
from lesionkit.records.files import write_bytes
from lesionkit.records.runs import RunRecord, finished
from lesionkit.training.experiment import replay

MOST = 8  # runs side by side
STRENGTH = 0.55  # of the colours over an image


def write_page(
    records: Sequence[RunRecord | Path | str],
    path: Path,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Path:
    """Write the page: all test images that the runs share, with their masks.

    The first picture of an image shows its ground truth, then one a run: green was
    found, orange is too much, blue was missed. Images are sorted by the Dice of the
    first run, the worst first; the page sorts them otherwise, too.

    Args:
        records: finished runs on one data set, at one size, with their weights.
        path: the HTML file.
        progress: told of each run; of tqdm's form.

    Raises:
        FileNotFoundError: a run is not finished, kept no weights, or its data set is
            not prepared here.
        ValueError: no run, too many, runs of several data sets or sizes, or without
            a test image in common.
    """
    runs = [finished(record) for record in records]
    if not 0 < len(runs) <= MOST:
        raise ValueError(f"a page shows 1 to {MOST} runs, got {len(runs)}")
    for name in ("dataset", "size", "resize"):
        if len(found := {str(run.identity[name]) for run in runs}) > 1:
            raise ValueError(f"the runs differ in {name}: {', '.join(sorted(found))}")
    rows = rows_of(runs, progress)
    text = filled(
        "browse.html",
        rows=rows,
        names=names_of(runs),
        folders=[run.config["run_id"] for run in runs],
        means=[
            float(np.mean([row["dice"][k] for row in rows])) for k in range(len(runs))
        ],
        dataset=runs[0].identity["dataset"],
        colours={"truth": TRUTH} | OVERLAY,
        version=version("lesionkit"),
        today=date.today().isoformat(),
    )
    write_bytes(path, text.encode())
    return path


def names_of(runs: Sequence[RunRecord]) -> list[str]:
    """What tells the runs apart: what they do not share of network, loss, and so on."""
    asked = [run.identity for run in runs]
    differ = [
        name
        for name in asked[0]
        if len({str(each.get(name)) for each in asked}) > 1 and name != "loss"
    ]
    return [
        " ".join([str(each["loss"]), *(f"{n} {each.get(n)}" for n in differ)])
        for each in asked
    ]


def rows_of(
    runs: Sequence[RunRecord],
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> list[dict[str, Any]]:
    """A row an image that all runs were tested on, the worst of the first run first.

    Returns:
        file, lesion (share of the image), dice (one a run), spread (largest less least
        Dice) and pictures (addresses: ground truth, then one a run). Ignored pixels
        are in no share and no Dice; an image of nothing else is left out.
    """
    data = data_of(runs[0])
    places = {name: i for i, name in enumerate(data.index["file"])}
    said = []
    for run in progress(runs):
        found = replay(run)
        said.append(dict(zip(found.files, found.logits, strict=True)))
    shared = [file for file in said[0] if all(file in each for each in said)]
    if not shared:
        raise ValueError("the runs have no test image in common: other splits")
    rows = []
    for file in shared:
        image, truth = (
            np.array(part[places[file]]) for part in (data.images, data.masks)
        )
        if (truth == IGNORED).all():
            continue  # no Dice to sort it by
        predicted = [_mask(each[file]) for each in said]
        dice = [_dice(each, truth) for each in predicted]
        pictures = [_outlined(image, truth)]
        pictures += [_coloured(image, truth, each) for each in predicted]
        rows.append(
            {
                "file": file,
                "lesion": lesion_share(truth),
                "dice": dice,
                "spread": max(dice) - min(dice),
                "pictures": [address(png(picture)) for picture in pictures],
            }
        )
    if not rows:
        raise ValueError("every pixel of the shared test images is ignored")
    return sorted(rows, key=lambda row: row["dice"][0])


def _dice(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Dice of one mask over the pixels that count."""
    return scores(counts(predicted[None], truth[None], ignore=True))["dice"]


def _mask(logits: np.ndarray) -> np.ndarray:
    """The mask at probability 0.5, (H, W) uint8."""
    import torch

    return probability_mask(torch.from_numpy(np.asarray(logits))[None])[0].numpy()


def _shown(image: np.ndarray) -> np.ndarray:
    """The image in colours of 8 bits, (H, W, 3)."""
    shown = np.rint(image * (255 / np.iinfo(image.dtype).max)).astype(np.uint8)
    return np.repeat(shown, 3 // shown.shape[2], axis=2)


def _outlined(image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The image with the outline of its ground truth."""
    shown = _shown(image)
    shown[outline(truth == 1)] = rgb(TRUTH)
    return shown


def _coloured(
    image: np.ndarray, truth: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """The image under the colours of what was found, too much, and missed."""
    shown = _shown(image).astype(float)
    marked, lesion = predicted == 1, truth == 1
    kinds = (marked & lesion, marked & (truth == 0), ~marked & lesion)
    for where, colour in zip(kinds, OVERLAY.values(), strict=True):
        shown[where] = (1 - STRENGTH) * shown[where] + STRENGTH * np.array(rgb(colour))
    return np.rint(shown).astype(np.uint8)
