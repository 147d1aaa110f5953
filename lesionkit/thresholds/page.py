"""A comparison as one HTML file that needs neither kernel nor network.

The cuts are computed beforehand: 99 probabilities, and for each other rule 21 steps of
the way from probability 0.5 to the rule's own cut. The masks of all cuts are nested, so
one byte a pixel holds them all: under how many of the cuts the pixel is marked.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lesionkit import metrics
from lesionkit.datasets.pictures.ignoring import lesion_share
from lesionkit.figures.pixels import address, png
from lesionkit.records.files import write_bytes
from lesionkit.thresholds.comparison import CHOICES, Comparison
from lesionkit.thresholds.panels import Panels, Setting

TEMPLATE = Path(__file__).parent / "page.html"
RULES = {  # in the words of the page
    "probability": "one probability for all images",
    "raw_mean": "mean of raw output, of each image",
    "otsu": "Otsu, of each image",
    "best_validation": "best on validation, of each loss",
}
STEPS = 20
BINS = 112
TRUTH = np.array(
    [0, 255, 128], np.uint8
)  # background, lesion, ignored, as page.html has it


def settings() -> list[Setting]:
    """Every position of the page's sliders, in the order in which it counts them."""
    found = [Setting("probability", probability=k / 100) for k in range(1, 100)]
    for rule in [name for name in RULES if name != "probability"]:
        found += [Setting(rule, way=k / STEPS) for k in range(STEPS + 1)]
    return found


def levels(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nested masks as one map, and the level that a pixel needs in each.

    masks[s] equals level >= need[s] for every s.

    Shape:
        masks: (S, H, W) 0 or 1; of any two, one lies within the other
        returns: (H, W) uint8, (S,) int

    Raises:
        ValueError: they are not nested, or more than 255.
    """
    level = masks.sum(0).astype(np.uint8)
    sizes = masks.sum((1, 2), dtype=np.int64)
    need = (sizes[None] >= sizes[:, None]).sum(1)
    if ((level[None] >= need[:, None, None]) != masks).any():
        raise ValueError("the masks are not nested, or more than a byte counts")
    return level, need


def page(
    comparison: Comparison,
    images: list[str] | None = None,
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> str:
    """The page as text.

    Args:
        comparison: what is compared.
        images: file names, or rules of comparison.CHOICES; by default every image,
            the smallest lesion first.
        progress: told of each image; of tqdm's form.

    Raises:
        ValueError: no such image.
    """
    places = [comparison.position(name) for name in images or comparison.by_size()]
    files = [comparison.files[place] for place in dict.fromkeys(places)]
    chosen = [
        (f"{CHOICES[rule]}: {file}", files.index(file))
        for rule, file in comparison.choices().items()
        if file in files
    ]
    data = {
        "losses": comparison.losses,
        "rules": list(RULES),
        "names": list(RULES.values()),
        "steps": STEPS,
        "width": comparison.masks.shape[2],
        "height": comparison.masks.shape[1],
        "files": files,
        "chosen": chosen,
    }
    held = [
        _script(f"image-{i}", _image(comparison, file))
        for i, file in enumerate(progress(files))
    ]
    first = Panels(comparison, places[0])
    text = TEMPLATE.read_text().replace("__STEPS__", str(STEPS))
    text = text.replace("__TITLE__", html.escape(comparison.title))
    text = text.replace("__SHOWN__", f"{len(files)} of {comparison.tested} test images")
    text = text.replace("__COUNT__", str(len(comparison.losses)))
    text = text.replace("__TWIN__", address(png(first.picture(Setting()))))
    return text.replace("__HELD__", "\n".join([_script("data", data), *held]))


def _script(name: str, value: dict[str, Any]) -> str:
    """A value as an element of the page that its script can read."""
    text = json.dumps(value).replace("</", "<\\/")
    return f'<script type="application/json" id="{name}">{text}</script>'


def write_page(
    comparison: Comparison,
    path: str | Path,
    images: list[str] | None = None,
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> Path:
    """Write the page to a file, whole or not at all."""
    write_bytes(Path(path), page(comparison, images, progress).encode())
    return Path(path)


def _image(comparison: Comparison, file: str) -> dict[str, Any]:
    """One image with everything that the page shows of it."""
    shown = Panels(comparison, comparison.position(file))
    every = settings()
    masks = np.stack([shown.predicted(s).numpy() for s in every], 1)  # (L, S, H, W)
    cuts = np.stack([shown.cuts(setting) for setting in every], 1)  # (L, S)
    image = comparison.images[shown.position]
    if image.dtype != np.uint8:
        image = (image // 257).astype(np.uint8)
    losses = enumerate(zip(masks, cuts, strict=True))
    return {
        "file": file,
        "lesion": lesion_share(shown.mask),
        "picture": address(png(image.squeeze())),
        "truth": address(png(TRUTH[np.minimum(shown.mask, 2)])),
        "numbers": [_loss(shown, i, *each) for i, each in losses],
    }


def numbers(
    level: np.ndarray, need: np.ndarray, truth: np.ndarray
) -> dict[str, np.ndarray]:
    """Share marked and Dice of every mask of `levels`, from two histograms.

    Shape:
        level: (H, W) uint8
        need: (S,) int
        truth: (H, W) uint8, 255 where a pixel is ignored
    """
    counts = [np.bincount(level[truth == kind], minlength=256) for kind in (1, 0)]
    above = [count[::-1].cumsum()[::-1] for count in counts]  # level at least this
    tp, fp = (each[need] for each in above)
    lesion, background = (each[0] for each in above)
    found = np.stack([tp, fp, lesion - tp, background - fp], 1)
    with np.errstate(invalid="ignore"):
        marked = (tp + fp) / np.float64(lesion + background)
    return {"marked": marked, "dice": metrics.per_image(found)["dice"]}


def _loss(shown: Panels, i: int, masks: np.ndarray, cuts: np.ndarray) -> dict[str, Any]:
    """The masks and numbers of one loss under every cut, and its histograms."""
    level, need = levels(masks)
    low, high = shown.ranges[i]
    found = {"levels": address(png(level)), "need": need.tolist()}
    for name, wanted in (("background", 0), ("lesion", 1)):
        logits = shown.logits[i].numpy()[shown.mask == wanted]
        counts, _ = np.histogram(logits, bins=BINS, range=(low, high))
        found[name] = counts.tolist()
    told = {"cut": cuts} | numbers(level, need, shown.mask)
    for name, values in told.items():  # JSON holds no infinity; in 6 digits
        found[name] = [
            None if np.isnan(value) else float(f"{value:.6g}")
            for value in values.clip(-1e9, 1e9)
        ]
    return found | {"low": low, "high": high}
