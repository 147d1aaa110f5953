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

from lesionkit.figures.pixels import address, bytes_of, png
from lesionkit.records.files import write_bytes
from lesionkit.thresholds.comparison import CHOICES, Comparison
from lesionkit.thresholds.figures import side_by_side
from lesionkit.thresholds.panels import RULES, Panels, Setting

TEMPLATE = Path(__file__).parent / "page.html"
STEPS = 20
BINS = 112


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
        ValueError: more than 255 masks, or they are not nested.
    """
    if len(masks) > 255:
        raise ValueError(f"at most 255 masks fit a byte a pixel, got {len(masks)}")
    level = masks.sum(0, dtype=np.int64)
    sizes = masks.sum((1, 2), dtype=np.int64)
    need = (sizes[None] >= sizes[:, None]).sum(1)
    if ((level[None] >= need[:, None, None]) != masks).any():
        raise ValueError("the masks are not nested")
    return level.astype(np.uint8), need


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
    twin = address(bytes_of(side_by_side(first, Setting())))
    text = TEMPLATE.read_text()
    for name, value in {
        "TITLE": html.escape(comparison.title),
        "STEPS": str(STEPS),
        "COUNT": str(len(comparison.losses)),
        "TWIN": twin,
        "DATA": json.dumps(data).replace("</", "<\\/"),
    }.items():
        text = text.replace(f"__{name}__", value)
    return text


def write_page(
    comparison: Comparison, path: str | Path, images: list[str] | None = None
) -> Path:
    """Write the page to a file, whole or not at all."""
    path = Path(path)
    write_bytes(path, page(comparison, images).encode())
    return path


def _image(comparison: Comparison, name: str) -> dict[str, Any]:
    """One image with everything that the page shows of it."""
    position = comparison.position(name)
    shown = Panels(comparison, position)
    every = settings()
    masks = np.stack([shown.predicted(s).numpy() for s in every])  # (S, L, H, W)
    tables = [shown.numbers(s) for s in every]
    image = comparison.images[position]
    if image.dtype != np.uint8:
        image = (image // 257).astype(np.uint8)
    file = comparison.files[position]
    return {
        "file": file,
        "says": f"{CHOICES[name]}: {file}" if name in CHOICES else file,
        "lesion": float(shown.mask.mean()),
        "picture": address(png(image.squeeze())),
        "truth": address(png(255 * shown.mask)),
        "numbers": [
            _loss(masks[:, i], shown, i)
            | {
                column: [_number(table[column][i]) for table in tables]
                for column in ("cut", "marked", "dice")
            }
            for i in range(len(comparison.losses))
        ],
    }


def _loss(masks: np.ndarray, shown: Panels, i: int) -> dict[str, Any]:
    """The masks of one loss under every cut, and its histograms."""
    level, need = levels(masks)
    low, high = shown.ranges[i]
    found = {"levels": address(png(level)), "need": need.tolist()}
    for name, wanted in (("background", 0), ("lesion", 1)):
        logits = shown.logits[i].numpy()[shown.mask == wanted]
        counts, _ = np.histogram(logits, bins=BINS, range=(low, high))
        found[name] = counts.tolist()
    return found | {"low": low, "high": high}


def _number(value: float) -> float:
    """A number that JSON can hold, in 6 digits."""
    return float(f"{np.clip(value, -1e9, 1e9):.6g}")
