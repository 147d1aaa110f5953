"""Figures of the losses themselves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from lesionkit.figures import BLUE, ORANGE, blank
from lesionkit.losses import FocalLoss
from lesionkit.losses.study import pixel_curve

LOGITS = np.linspace(-6, 6, 121)


def surfaces(found: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Losses over missed and added pixels, a panel each.

    Args:
        found: loss name to what loss_study.error_surface returned.
    """
    size = (2.9 * len(found), 3.1)
    figure, (axes,) = blank(size, columns=len(found), sharey=True)
    for axis, (name, (errors, values)) in zip(axes, found.items(), strict=True):
        filled = axis.contourf(100 * errors, 100 * errors, values, 12, cmap="viridis")
        axis.contour(filled, colors="white", linewidths=0.4)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("too much (FP), % of the lesion")
        figure.colorbar(filled, ax=axis, shrink=0.85, format="%.2g")
    axes[0].set_ylabel("missed (FN), % of the lesion")
    return figure


def focal_curves(alpha: float, gamma: float) -> Figure:
    """Value and slope of the focal loss of a lesion and of a background pixel.

    Beside them, dotted, the cross entropy (alpha a half would be half of it).
    """
    figure, (axes,) = blank((8.4, 3.2), columns=2)
    for mask, colour, label in ((1, BLUE, "lesion"), (0, ORANGE, "background")):
        for numbers, style in (((alpha, gamma), "-"), ((0.5, 0.0), ":")):
            curves = pixel_curve(FocalLoss(*numbers), LOGITS, mask)
            for axis, values in zip(axes, curves, strict=True):
                shown = label if style == "-" else f"{label}, half of BCE"
                axis.plot(LOGITS, values, style, color=colour, label=shown)
    axes[0].set(xlabel="logit", ylabel="loss of the pixel", ylim=(0, 3))
    axes[1].set(xlabel="logit", ylabel="slope: d loss / d logit", ylim=(-1.4, 1.4))
    axes[1].axhline(0, color="grey", lw=0.6)
    axes[1].legend(fontsize=8, loc="upper left")
    figure.suptitle(f"focal, alpha {alpha:.2f}, gamma {gamma:.1f}", fontsize=10)
    return figure
