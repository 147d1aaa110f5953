"""One image under all losses as a single numpy picture, fast enough to be dragged.

A tile a loss: the image under its mask, the outline of the ground truth, and below it
the histogram of the logits with the cuts. What does not move is drawn once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFont

from lesionkit import masks, metrics
from lesionkit.datasets.pictures.ignoring import lesion_share
from lesionkit.figures import BLUE, GREEN, OVERLAY, PINK, TRUTH
from lesionkit.figures.pixels import outline, rgb
from lesionkit.lookup import find
from lesionkit.thresholds.comparison import Comparison

RULES = {
    "probability": "probability",
    "raw_mean": "raw mean",
    "otsu": "Otsu on logits",
    "best_validation": "best validation Dice",
}
VIEWS = ("errors", "mask", "image")
SIDE = 224  # of a tile's image, about: small images are enlarged by a whole number
COLUMNS, GAP, TITLE, HISTOGRAM = 6, 8, 44, 56  # tiles; pixels
INK, PAPER, PALE, GREY = "#1E1E1E", "#FFFFFF", "#F0F0F0", "#9A9A9A"
HALF, OWN = BLUE, PINK
LEGEND = (
    (TRUTH, "outline of the ground truth"),
    *((colour, name) for name, colour in OVERLAY.items()),
    (GREY, "logits of the background"),
    (GREEN, "logits of the lesion"),
    (HALF, "cut of probability 0.5"),
    (OWN, "the rule's own cut"),
    (INK, "the cut that is shown"),
)
# tp, fp, fn and tn of a pixel by predicted and truth; an ignored one (truth 2) is 4 if
# it is marked and looks like tn if it is not.
KINDS = np.array([[3, 2, 3], [1, 0, 4]], dtype=np.intp)
FONT, BOLD = ImageFont.load_default(15), ImageFont.load_default(17)


@dataclass(frozen=True)
class Setting:
    """Where the controls stand.

    Attributes:
        rule: one of RULES.
        probability: the cut of the rule "probability", 0 to 1.
        way: for the other rules, from probability 0.5 (at 0) to the rule's own cut
            (at 1), in equal steps of the logit.
        view: one of VIEWS.

    Raises:
        ValueError: an unknown name, or a number outside 0 to 1.
    """

    rule: str = "raw_mean"
    probability: float = 0.5
    way: float = 1.0
    view: str = "errors"

    def __post_init__(self):
        find("rule", self.rule, RULES)
        find("view", self.view, dict.fromkeys(VIEWS))
        for name in ("probability", "way"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {value!r}")


class Panels:
    """One image of a comparison, ready to be drawn under any setting.

    Attributes:
        logits: (L, H, W) float32.
        mask: (H, W) uint8, the ground truth; 255 where a pixel is ignored.
    """

    def __init__(self, comparison: Comparison, position: int):
        self.comparison, self.position = comparison, position
        self.logits = torch.from_numpy(comparison.logits[:, position].astype("f4"))
        self.mask = np.ascontiguousarray(comparison.masks[position])
        self.truth = torch.from_numpy(self.mask).expand_as(self.logits)
        self.own = {
            "raw_mean": masks.raw_mean_cut(self.logits).numpy(),
            "otsu": masks.otsu_cut(self.logits).numpy(),
            "best_validation": np.asarray(comparison.validation_cuts, dtype=float),
        }
        self._lay_out()
        self.canvas = self._still()
        self.ranges = [self._histogram(i) for i in range(len(self.logits))]

    def cuts(self, setting: Setting) -> np.ndarray:
        """The cut of each loss in units of the logits, (L,)."""
        if setting.rule == "probability":
            cut = masks.probability_cut(setting.probability)
            return np.full(len(self.logits), cut)
        return setting.way * self.own[setting.rule] + 0.0  # no cut reads -0.00

    def predicted(self, setting: Setting) -> torch.Tensor:
        """The mask of each loss, (L, H, W) uint8.

        At the ends of the way the masks are those of the rules in `masks`, ties as
        there; between them a tie is background.
        """
        if setting.rule == "probability":
            return masks.probability_mask(self.logits, setting.probability)
        if setting.way == 0:
            return masks.probability_mask(self.logits)
        cuts = torch.from_numpy(self.cuts(setting))
        if setting.way == 1 and setting.rule == "best_validation":
            return (self.logits >= cuts.view(-1, 1, 1)).to(torch.uint8)
        return masks.above(self.logits, cuts)

    def numbers(self, setting: Setting) -> pd.DataFrame:
        """loss, cut (logit), marked (share of what counts), dice; a row a loss."""
        counts = metrics.counts(self.predicted(setting), self.truth, ignore=True)
        return pd.DataFrame(
            {
                "loss": self.comparison.losses,
                "cut": self.cuts(setting),
                "marked": ((counts[:, 0] + counts[:, 1]) / counts.sum(1)).numpy(),
                "dice": metrics.per_image(counts)["dice"],
            }
        )

    def picture(self, setting: Setting) -> np.ndarray:
        """The image, a tile a loss, and the legend: (height, width, 3) uint8."""
        canvas, (height, width) = self.canvas.copy(), self.shown.shape
        truth = np.minimum(self.mask, 2)
        kinds = KINDS[self.predicted(setting).numpy(), truth]  # (L, H, W)
        kinds = kinds.reshape(len(kinds), -1)[:, self.source]  # (L, height * width)
        layers = self.layers[setting.view]  # (5, height * width, 3)
        pixels = np.arange(height * width)
        rows = self.numbers(setting).itertuples()
        tiles = list(zip(rows, self.places[1:-1], strict=True))
        for kind, (row, (left, top)) in zip(kinds, tiles, strict=True):
            tile = layers[kind, pixels].reshape(height, width, 3)
            canvas[top + TITLE :, left:][:height, :width] = tile
            self._lines(canvas, row, setting)
        picture = Image.fromarray(canvas)
        pen = ImageDraw.Draw(picture)
        for row, (left, top) in tiles:
            text = f"Dice {row.dice:.3f}   marks {row.marked:.1%}"
            pen.text((left, top + 22), text, fill=INK, font=FONT)
        return np.asarray(picture)

    def _lines(self, canvas: np.ndarray, row, setting: Setting) -> None:
        """The cuts as upright lines in the histogram of one loss."""
        lines = [(0.0, HALF, 1), (row.cut, INK, 3)]
        if setting.rule in self.own:
            own = self.own[setting.rule][row.Index]
            lines[1:] = [(own, OWN, 3), (row.cut, INK, 1)]
        area, (low, high) = self._area(canvas, row.Index), self.ranges[row.Index]
        for cut, colour, thick in lines:
            at = np.clip((cut - low) / (high - low), 0, 1) * (area.shape[1] - 1)
            first = max(0, int(round(at)) - thick // 2)
            area[:, first : first + thick] = rgb(colour)

    def _lay_out(self) -> None:
        """Where the tiles stand, and how each kind of pixel looks in each view."""
        image = self.comparison.images[self.position]
        image = image.astype(float) * (255 / np.iinfo(image.dtype).max)
        image = np.broadcast_to(image, (*image.shape[:2], 3))
        longest = max(self.mask.shape)
        # pixels are repeated, or left out where the image is larger than a tile
        self.times, step = max(1, round(SIDE / longest)), max(1, round(longest / SIDE))
        source = np.arange(self.mask.size).reshape(self.mask.shape)[::step, ::step]
        source = source.repeat(self.times, 0).repeat(self.times, 1)
        self.shown, self.source = self.mask.ravel()[source], source.ravel()
        image, edge = (
            image.reshape(-1, 3)[self.source],
            outline(self.shown == 1).ravel(),
        )
        self.layers = {name: layers(image, edge, name) for name in VIEWS}
        height, width = self.shown.shape
        self.tile = width + GAP, TITLE + height + HISTOGRAM + GAP
        self.places = [
            (GAP + (i % COLUMNS) * self.tile[0], GAP + (i // COLUMNS) * self.tile[1])
            for i in range(len(self.logits) + 2)  # the image first, the legend last
        ]

    def _still(self) -> np.ndarray:
        """What no setting changes: names, the image, the legend, room for the rest."""
        columns = min(COLUMNS, len(self.places))
        rows = -(-len(self.places) // COLUMNS)
        size = (GAP + columns * self.tile[0], GAP + rows * self.tile[1])
        picture = Image.new("RGB", size, PAPER)
        pen = ImageDraw.Draw(picture)
        names = ["image", *self.comparison.losses]
        for place, name in zip(self.places, names, strict=False):
            pen.text(place, name, fill=INK, font=BOLD)
        left, top = self.places[0]
        share = f"lesion {lesion_share(self.mask):.1%} of the image"
        pen.text((left, top + 22), share, fill=INK, font=FONT)
        plain = self.layers["image"][0].reshape(*self.shown.shape, 3)
        picture.paste(Image.fromarray(plain), (left, top + TITLE))
        left, top = self.places[-1]
        for i, (colour, text) in enumerate(LEGEND):
            y = top + TITLE + 4 + 22 * i
            pen.rectangle((left + 4, y, left + 18, y + 13), fill=colour)
            pen.text((left + 26, y - 1), text, fill=INK, font=FONT)
        return np.array(picture)

    def _area(self, canvas: np.ndarray, i: int) -> np.ndarray:
        """Where the histogram of a loss stands, a view of the canvas."""
        (left, top), (height, width) = self.places[i + 1], self.shown.shape
        return canvas[top + TITLE + height + 4 :, left:][: HISTOGRAM - 4, :width]

    def _histogram(self, i: int) -> tuple[float, float]:
        """Draw the logits of a loss, heights by logarithm; the range they span."""
        values = self.logits[i].numpy()
        low, high = min(values.min(), -1.0), max(values.max(), 1.0)
        area = self._area(self.canvas, i)
        area[:] = rgb(PALE)
        height, bins = area.shape[:2]
        level = np.arange(height, 0, -1)[:, None]  # from the top down
        for marked, colour in ((self.mask == 0, GREY), (self.mask == 1, GREEN)):
            counts, _ = np.histogram(values[marked], bins=bins, range=(low, high))
            bars = np.log1p(counts) / np.log1p(values.size / 8) * height
            inside = bars[None] >= level
            area[inside] = area[inside] // 3 + np.array(rgb(colour)) * 2 // 3
        return float(low), float(high)


def layers(image: np.ndarray, edge: np.ndarray, view: str) -> np.ndarray:
    """What a pixel looks like as tp, fp, fn, tn, and marked where it is ignored.

    Shape:
        returns: (5, P, 3) uint8
    """
    found = np.repeat(image[None], 5, axis=0)
    if view == "errors":
        colours = np.array([rgb(colour) for colour in OVERLAY.values()], dtype=float)
        found[:3] = 0.4 * found[:3] + 0.6 * colours[:, None]
    if view == "mask":
        found[[0, 1, 4]], found[[2, 3]] = 255, 0  # what is marked, what is not
    found[:, edge] = rgb(TRUTH)
    return found.round().astype(np.uint8)
