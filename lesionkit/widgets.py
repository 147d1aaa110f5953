"""Sliders for notebooks, each with a plain picture for where no kernel is."""

from __future__ import annotations

import io
from collections.abc import Callable

import ipywidgets
from IPython.display import Image, display
from matplotlib.figure import Figure

from lesionkit.loss_figures import focal_curves
from lesionkit.losses import within


def png(figure: Figure, dpi: int = 100) -> bytes:
    """A figure as the bytes of a PNG file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi)
    return stream.getvalue()


class Sliders:
    """One picture that follows its sliders; it is replaced in place, never added.

    The picture is an output of the cell like any figure, so a notebook that is read
    without a kernel shows where the sliders started.

    Attributes:
        sliders: parameter name to slider; they move with the arrow keys.
        box: the sliders, to display.
        picture: what is shown, the bytes of a PNG file.
    """

    def __init__(
        self, draw: Callable[..., Figure], sliders: dict[str, ipywidgets.FloatSlider]
    ):
        self.draw, self.sliders, self.handle = draw, sliders, None
        self.box = ipywidgets.VBox(list(sliders.values()))
        for slider in sliders.values():
            slider.observe(self.redraw, names="value")
        self.redraw()

    def redraw(self, change: dict | None = None) -> None:
        """Draw the picture for where the sliders stand."""
        values = {name: slider.value for name, slider in self.sliders.items()}
        self.picture = png(self.draw(**values))
        if self.handle is not None:
            self.handle.update(Image(self.picture))

    def show(self) -> None:
        """Display the sliders and below them the picture."""
        display(self.box)
        self.handle = display(Image(self.picture), display_id=True)


def focal_sliders(alpha: float = 0.8, gamma: float = 2.0) -> Sliders:
    """Sliders over alpha and gamma of the focal loss.

    Raises:
        ValueError: alpha is not from 0 to 1, or gamma not from 0 to 5.
    """
    starts = {"alpha": (within("alpha", alpha, 1), 1, 0.05)}
    starts["gamma"] = (within("gamma", gamma, 5), 5, 0.1)
    sliders = {
        name: ipywidgets.FloatSlider(
            value=start, min=0, max=high, step=step, description=name
        )
        for name, (start, high, step) in starts.items()
    }
    return Sliders(focal_curves, sliders)
