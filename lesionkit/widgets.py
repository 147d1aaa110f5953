"""Sliders for notebooks, each with a plain picture for where no kernel is."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import ipywidgets
from IPython.display import display
from matplotlib.figure import Figure

from lesionkit.loss_figures import focal_curves
from lesionkit.losses import within

WIDGET = "application/vnd.jupyter.widget-view+json"


def png(figure: Figure, dpi: int = 100) -> bytes:
    """A figure as the bytes of a PNG file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi)
    return stream.getvalue()


class Sliders:
    """One picture that follows its sliders; the picture is replaced, never added.

    Attributes:
        sliders: parameter name to slider; they move with the arrow keys.
        image: what is shown.
        box: both, to display.
    """

    def __init__(
        self, draw: Callable[..., Figure], sliders: dict[str, ipywidgets.FloatSlider]
    ):
        self.draw, self.sliders = draw, sliders
        self.image = ipywidgets.Image(format="png")
        self.box = ipywidgets.VBox([*sliders.values(), self.image])
        for slider in sliders.values():
            slider.observe(self.redraw, names="value")
        self.redraw()

    def redraw(self, change: dict | None = None) -> None:
        """Draw the picture for where the sliders stand."""
        values = {name: slider.value for name, slider in self.sliders.items()}
        self.image.value = png(self.draw(**values))

    def bundle(self) -> dict:
        """The widget for a live page and its picture for any other."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        picture = base64.b64encode(self.image.value).decode()
        return {WIDGET: view, "image/png": picture, "text/plain": "sliders"}

    def show(self) -> None:
        """Display the sliders; a page without a kernel shows the picture."""
        display(self.bundle(), raw=True)


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
