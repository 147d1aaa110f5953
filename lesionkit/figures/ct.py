"""Figures of chest CT: cases, windows, and the curves of paper B."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from lesionkit.datasets.dicom import window
from lesionkit.datasets.pictures.ignoring import lesion_share
from lesionkit.figures import blank, draw_image
from lesionkit.papers.paper_b import base_rate, rates
from lesionkit.prepared import Prepared
from lesionkit.records.runs import RunRecord

# Name to centre and width, HU.
WINDOWS = {"mediastinal": (50, 350), "lung": (-600, 1500), "bone": (400, 1800)}


def cases(data: Prepared, count: int = 4) -> Figure:
    """Lesions of each stratum, from small to large, with their share of the pixels.

    Source: paper B, Fig. 1.
    """
    strata = [name for name in sorted(set(data.index["stratum"])) if name]
    figure, axes = blank((2.4 * count, 2.8 * len(strata)), len(strata), count)
    for row, stratum in zip(axes, strata, strict=True):
        seen = (data.index["stratum"] == stratum) & (data.masks == 1).any((1, 2))
        shown = data.index[seen].sort_values("lesion_share")
        places = np.linspace(0, len(shown) - 1, count).round().astype(int)
        for axis, i in zip(row, shown.index[places], strict=True):
            draw_image(axis, data.images[i], data.masks[i])
            share = lesion_share(data.masks[i])
            axis.set_title(f"{stratum}\n{share:.2%} of the pixels", fontsize=9)
    return figure


def windowed(hu: np.ndarray, center: float = 50.0, width: float = 350.0) -> Figure:
    """A slice through one window, and where the window lies among its values."""
    figure, ((left, right),) = blank((9, 3.6), columns=2, ratios=(2, 1))
    _histogram(left, hu)
    low, high = center - width / 2, center + width / 2 - 1
    left.axvspan(low, high, alpha=0.25, color="C1", label="window")
    left.set_title(f"center {center:g}, width {width:g}: {low:g} to {high:g} HU")
    left.legend()
    draw_image(right, window(hu, center=center, width=width)[..., None])
    return figure


def windows(hu: np.ndarray) -> Figure:
    """A slice through the windows that readers use, and the histogram of its values."""
    ratios = (1.4, *(1 for _ in WINDOWS))
    figure, ((first, *others),) = blank((12, 3.2), columns=len(ratios), ratios=ratios)
    _histogram(first, hu)
    for k, (axis, name) in enumerate(zip(others, WINDOWS, strict=True), 1):
        center, width = WINDOWS[name]
        low, high = center - width / 2, center + width / 2 - 1
        first.axvspan(low, high, alpha=0.2, color=f"C{k}", label=name)
        draw_image(axis, window(hu, center=center, width=width)[..., None])
        axis.set_title(f"{name}: W{width:g} L{center:g}", fontsize=9)
    first.legend(fontsize=7)
    return figure


def _histogram(axis, hu: np.ndarray) -> None:
    axis.hist(hu.ravel(), bins=np.arange(-1100, 1600, 20), color="0.4", log=True)
    axis.set(xlabel="Hounsfield units", ylabel="pixels", xlim=(-1100, 1500))


def precision_and_roc(records: Mapping[str, RunRecord]) -> Figure:
    """Precision over recall with AP and base rate, beside ROC curves.

    ROC divides false positives by all of the background, which is nearly everything,
    so that many false pixels look like few.

    Source: paper B, Fig. 4 (precision and recall).
    """
    figure, ((left, right),) = blank((11, 4.2), columns=2)
    for name, record in records.items():
        table = rates(record)
        ap = record.metrics["test"]["average_precision"]
        left.plot(table["recall"], table["precision"], label=f"{name}, AP {ap:.3f}")
        false, recall = table["false_positive_rate"], table["recall"]
        area = np.trapezoid(recall[::-1], false[::-1])
        right.plot(false, recall, label=f"{name}, area {area:.3f}")
    base = base_rate(next(iter(records.values())))
    left.axhline(base, color="0.5", ls=":", label=f"guessing: base rate {base:.4f}")
    right.plot((0, 1), (0, 1), color="0.5", ls=":", label="guessing")
    left.set(xlabel="recall", ylabel="precision")
    right.set(xlabel="false positive rate", ylabel="recall")
    for axis in (left, right):
        axis.set(xlim=(0, 1), ylim=(0, 1.02))
        axis.legend(fontsize=8, loc="best")
    return figure
