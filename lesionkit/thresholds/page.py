"""A comparison as one HTML file that needs neither kernel nor network.

The cuts are computed beforehand: 99 probabilities, and for each other rule 21 steps of
the way from probability 0.5 to the rule's own cut. The masks of all cuts are nested, so
one byte a pixel holds them all: under how many of the cuts the pixel is marked.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionkit.datasets.pictures.ignoring import lesion_share
from lesionkit.figures.pixels import address, png
from lesionkit.records.files import write_bytes
from lesionkit.thresholds.comparison import CHOICES, Comparison
from lesionkit.thresholds.panels import RULES, Panels, Setting

TEMPLATE = Path(__file__).parent / "page.html"
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


def page(comparison: Comparison, images: list[str] | None = None) -> str:
    """The page as text.

    Args:
        comparison: what is compared.
        images: file names, or rules of comparison.CHOICES; every rule that finds an
            image by default.

    Raises:
        ValueError: no such image.
    """
    chosen = list(comparison.choices()) if images is None else images
    data = {
        "losses": comparison.losses,
        "rules": list(RULES),
        "names": list(RULES.values()),
        "steps": STEPS,
        "width": comparison.masks.shape[2],
        "height": comparison.masks.shape[1],
        "images": [_image(comparison, name) for name in chosen],
    }
    first = Panels(comparison, comparison.position(chosen[0]))
    text = TEMPLATE.read_text().replace("__STEPS__", str(STEPS))
    text = text.replace("__TITLE__", html.escape(comparison.title))
    text = text.replace("__COUNT__", str(len(comparison.losses)))
    text = text.replace("__TWIN__", address(png(first.picture(Setting()))))
    return text.replace("__DATA__", json.dumps(data).replace("</", "<\\/"))


def write_page(
    comparison: Comparison, path: str | Path, images: list[str] | None = None
) -> Path:
    """Write the page to a file, whole or not at all."""
    write_bytes(Path(path), page(comparison, images).encode())
    return Path(path)


def _image(comparison: Comparison, name: str) -> dict[str, Any]:
    """One image with everything that the page shows of it."""
    shown = Panels(comparison, comparison.position(name))
    every = settings()
    masks = np.stack([shown.predicted(s).numpy() for s in every], 1)  # (L, S, H, W)
    numbers = pd.concat([shown.numbers(s) for s in every])
    image, file = comparison.images[shown.position], comparison.files[shown.position]
    if image.dtype != np.uint8:
        image = (image // 257).astype(np.uint8)
    return {
        "file": file,
        "says": f"{CHOICES[name]}: {file}" if name in CHOICES else file,
        "lesion": lesion_share(shown.mask),
        "picture": address(png(image.squeeze())),
        "truth": address(png(TRUTH[np.minimum(shown.mask, 2)])),
        "numbers": [_loss(shown, i, m, numbers.loc[[i]]) for i, m in enumerate(masks)],
    }


def _loss(
    shown: Panels, i: int, masks: np.ndarray, numbers: pd.DataFrame
) -> dict[str, Any]:
    """The masks and numbers of one loss under every cut, and its histograms."""
    level, need = levels(masks)
    low, high = shown.ranges[i]
    found = {"levels": address(png(level)), "need": need.tolist()}
    for name, wanted in (("background", 0), ("lesion", 1)):
        logits = shown.logits[i].numpy()[shown.mask == wanted]
        counts, _ = np.histogram(logits, bins=BINS, range=(low, high))
        found[name] = counts.tolist()
    for name in ("cut", "marked", "dice"):  # JSON holds no infinity; in 6 digits
        values = numbers[name].clip(-1e9, 1e9)
        found[name] = [
            None if np.isnan(value) else float(f"{value:.6g}") for value in values
        ]
    return found | {"low": low, "high": high}
