"""Sliders for notebooks, each with a plain picture for where no kernel is."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
from IPython.display import DisplayHandle, Image, display
from matplotlib.figure import Figure

from lesionkit.figures.ct import windowed
from lesionkit.figures.losses import focal_curves
from lesionkit.figures.masks import Predicted, of_image
from lesionkit.figures.pixels import address, bytes_of, png
from lesionkit.losses import within
from lesionkit.thresholds import panels
from lesionkit.thresholds.comparison import CHOICES, Shelf
from lesionkit.thresholds.panels import Panels, Setting

TWIN = "lesionkit-static-twin"
WIDE = ipywidgets.Layout(width="100%", max_width="1400px")
LONG = {"description_width": "150px"}
# What a control is called, where that is not its name.
LABELS = {"comparison": "data set, model", "probability": "probability cut"}
LABELS |= {"way": "from 0.5 to the rule", "view": "show"}


class Sliders:
    """One picture that follows its sliders; it is replaced in place, never added.

    The picture is an output of the cell like any figure, so a notebook that is read
    without a kernel shows where the sliders started.

    Args:
        draw: a figure from a number for each slider, by its name.
        limits: where each slider starts, its ends, and its step, by its name.

    Attributes:
        sliders: name to slider; they move with the arrow keys.
        box: the sliders, to display.
        picture: what is shown, the bytes of a PNG file.
    """

    def __init__(
        self, draw: Callable[..., Figure], limits: Mapping[str, Sequence[float]]
    ):
        self.draw = draw
        self.handle: DisplayHandle | None = None
        self.sliders = {n: _slider(*ends, description=n) for n, ends in limits.items()}
        for slider in self.sliders.values():
            slider.observe(self.redraw, names="value")
        self.box = ipywidgets.VBox(list(self.sliders.values()))
        self.redraw()

    def redraw(self, change: dict | None = None) -> None:
        """Draw the picture for where the sliders stand."""
        values = {name: slider.value for name, slider in self.sliders.items()}
        self.picture = bytes_of(self.draw(**values))
        if self.handle is not None:
            self.handle.update(Image(self.picture))

    def show(self) -> None:
        """Display the sliders and below them the picture."""
        display(self.box)
        self.handle = display(Image(self.picture), display_id=True)


def _slider(start: float, low: float, high: float, step: float, **look: Any):
    whole = all(isinstance(number, int) for number in (start, low, high, step))
    kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    return kind(value=start, min=low, max=high, step=step, **look)


def focal_sliders(alpha: float = 0.8, gamma: float = 2.0) -> Sliders:
    """Sliders over alpha and gamma of the focal loss.

    Raises:
        ValueError: alpha is not from 0 to 1, or gamma not from 0 to 5.
    """
    limits = {
        "alpha": (within("alpha", alpha, 1), 0, 1, 0.05),
        "gamma": (within("gamma", gamma, 5), 0, 5, 0.1),
    }
    return Sliders(focal_curves, limits)


def window_sliders(hu: np.ndarray, center: float = 50, width: float = 350) -> Sliders:
    """Sliders over the centre and the width of a CT window, in HU.

    Shape:
        hu: (H, W) Hounsfield units
    """
    limits = {"center": (center, -1000, 1000, 1), "width": (width, 2, 3000, 1)}
    return Sliders(partial(windowed, hu), limits)


def image_sliders(found: Sequence[Predicted]) -> Sliders:
    """A slider over images and what the networks say of each.

    Args:
        found: of export.prediction, at least one.

    Raises:
        ValueError: there is no image.
    """
    if not found:
        raise ValueError("no image to show")
    places = {"image": (1, 1, len(found), 1)}
    return Sliders(lambda image: of_image(found[image - 1]), places)


class ThresholdExplorer:
    """One image under all losses, with the threshold to drag.

    One picture is replaced in place, never added. Where no kernel is, the picture of
    the starting state stands alone; the live controls hide that copy.

    Args:
        shelf: of comparison.shelf.
        image: a file name, or a rule of comparison.CHOICES.
        rule, probability, way, view: where to start, see panels.Setting.

    Attributes:
        panels: the image that is shown.
        numbers: loss, cut, marked and dice of what is shown.
        picture: what is shown, the bytes of a PNG file.
        box: the controls, the picture and the numbers, to display.

    Raises:
        ValueError: an unknown name, or a number that is not allowed.
    """

    def __init__(
        self,
        shelf: Shelf,
        image: str = "smallest",
        *,
        rule: str = "raw_mean",
        probability: float = 0.5,
        way: float = 1.0,
        view: str = "errors",
    ):
        start = Setting(rule, probability, way, view)
        self.shelf, self.quiet = shelf, False
        shelf.open().position(image)  # refused here, before anything is shown
        self.controls = _controls(shelf, start)
        self.screen = ipywidgets.Image(format="png", layout=WIDE)
        self.words = ipywidgets.HTML()
        self._open(image)
        for control in self.controls.values():
            control.observe(self._follow, names="value")
        rows = [("comparison", "image"), ("rule",), ("probability", "way"), ("view",)]
        boxes = [ipywidgets.HBox([self.controls[n] for n in names]) for names in rows]
        hide = ipywidgets.HTML(f"<style>.{TWIN} {{ display: none; }}</style>")
        self.box = ipywidgets.VBox([*boxes, self.screen, self.words, hide])

    @property
    def setting(self) -> Setting:
        """Where the controls stand."""
        names = ("rule", "probability", "way", "view")
        return Setting(**{name: self.controls[name].value for name in names})

    def show(self) -> None:
        """Display the controls, and their static twin for where no kernel is."""
        display(self.box)
        tag = f'<img alt="{self._describe()}" src="{address(self.picture)}">'
        twin = f'<div class="{TWIN}">{tag}</div>'
        display({"text/html": twin, "image/png": self.picture}, raw=True)

    def _follow(self, change: dict) -> None:
        """Draw what a control asks for now."""
        if not self.quiet and isinstance(change["owner"], ipywidgets.Dropdown):
            self._open(self.controls["image"].value)
        elif not self.quiet:
            self._move()

    def _open(self, image: str) -> None:
        """The chosen comparison; of its images the one of this rule or name, if any."""
        comparison = self.shelf.open(self.controls["comparison"].value)
        rules = comparison.choices()
        options = [(f"{CHOICES[rule]}: {file}", rule) for rule, file in rules.items()]
        options += [(file, file) for file in comparison.files]
        kept = image if image in dict(options).values() else options[0][1]
        self.quiet = True
        self.controls["image"].options = options
        self.controls["image"].value = kept
        self.quiet = False
        self.panels = Panels(comparison, comparison.position(kept))
        self._move()

    def _move(self) -> None:
        """Another cut: the picture and the numbers."""
        setting = self.setting
        self.controls["probability"].disabled = setting.rule != "probability"
        self.controls["way"].disabled = setting.rule == "probability"
        self.numbers = self.panels.numbers(setting)
        self.picture = png(self.panels.picture(setting))
        self.screen.value = self.picture
        self.words.value = number_table(self.numbers, self._describe())

    def _describe(self) -> str:
        """One line that says what is shown, for those who do not see the picture."""
        comparison, setting = self.panels.comparison, self.setting
        at = f"cut at probability {setting.probability:.2f}"
        if setting.rule != "probability":
            rule = panels.RULES[setting.rule]
            at = f"{setting.way:.0%} of the way from probability 0.5 to {rule}"
        file = comparison.files[self.panels.position]
        return html.escape(f"{comparison.title}, {file}: {at}")


def _controls(shelf: Shelf, start: Setting) -> dict[str, Any]:
    """Every control by name, where it starts; sliders move with the arrow keys."""
    look = {"style": LONG, "layout": ipywidgets.Layout(width="480px")}
    choice = partial(ipywidgets.ToggleButtons, style=LONG | {"button_width": "160px"})
    rules = [(text, name) for name, text in panels.RULES.items()]
    controls = {
        "comparison": ipywidgets.Dropdown(options=shelf.titles, **look),
        "image": ipywidgets.Dropdown(**look),
        "rule": choice(options=rules, value=start.rule),
        "probability": _slider(start.probability, 0.01, 0.99, 0.01, **look),
        "way": _slider(start.way, 0, 1, 0.02, **look),
        "view": choice(options=panels.VIEWS, value=start.view),
    }
    for name, control in controls.items():
        control.description = LABELS.get(name, name)
    return controls


def number_table(numbers: pd.DataFrame, caption: str) -> str:
    """The numbers under the panels as a table in HTML, a column a loss."""
    rows = {
        "loss": numbers["loss"].map(html.escape),
        "cut (logit)": numbers["cut"].map("{:+.2f}".format),
        "share marked": numbers["marked"].map("{:.1%}".format),
        "Dice": numbers["dice"].map("{:.3f}".format),
    }
    lines = [f"<caption>{caption}</caption>"]
    for name, values in rows.items():
        cells = "".join(f"<td>{value}</td>" for value in values)
        lines.append(f"<tr><th scope='row'>{name}</th>{cells}</tr>")
    look = "class='lesionkit-numbers' style='font-size:90%' cellpadding='4'"
    return f"<table {look}>{''.join(lines)}</table>"
