"""Sliders: one picture, replaced in place, with a static twin."""

import numpy as np
import pytest
from ipywidgets import FloatSlider
from matplotlib.figure import Figure

from lesionkit import loss_figures, widgets
from lesionkit.loss_study import pixel_curve
from lesionkit.losses import FocalLoss

PNG = b"\x89PNG"


class Handle:
    """A display handle that keeps what it was given."""

    def __init__(self):
        self.pictures = []

    def update(self, image):
        self.pictures.append(image.data)


@pytest.fixture
def shown(monkeypatch):
    """What was displayed, and the handle of the picture."""
    found = {"outputs": [], "handle": Handle()}

    def display(output, display_id=False):
        found["outputs"].append(output)
        return found["handle"] if display_id else None

    monkeypatch.setattr(widgets, "display", display)
    return found


def test_moving_a_slider_replaces_the_picture_in_place(shown):
    made = widgets.focal_sliders()
    before = made.picture
    assert before.startswith(PNG)
    made.show()
    made.sliders["gamma"].value = 0.0
    made.sliders["gamma"].value = 2.0
    changed, back = shown["handle"].pictures
    assert changed != before
    assert back == before
    assert len(shown["outputs"]) == 2


def test_a_page_without_a_kernel_has_the_picture_as_a_plain_output(shown):
    made = widgets.focal_sliders()
    made.show()
    box, picture = shown["outputs"]
    assert [type(child) for child in box.children] == [FloatSlider, FloatSlider]
    assert picture.data == made.picture


def test_the_sliders_draw_what_they_say():
    seen = []

    def draw(alpha, gamma):
        seen.append((alpha, gamma))
        return Figure()

    made = widgets.focal_sliders(0.25, 4)
    made.draw = draw
    made.sliders["alpha"].value = 0.5
    assert seen == [(0.5, 4)]
    assert [s.description for s in made.sliders.values()] == ["alpha", "gamma"]


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"alpha": 1.5}, "alpha must be a number from 0 to 1, got 1.5"),
        ({"gamma": 9}, "gamma must be a number from 0 to 5, got 9"),
    ],
)
def test_a_start_outside_the_slider_is_refused(start, message):
    with pytest.raises(ValueError, match=message):
        widgets.focal_sliders(**start)


def test_the_curves_are_those_of_the_loss():
    figure = loss_figures.focal_curves(0.8, 2)
    line = figure.axes[0].lines[0]
    expected = pixel_curve(FocalLoss(0.8, 2), np.asarray(line.get_xdata()), 1)[0]
    assert np.asarray(line.get_ydata()) == pytest.approx(expected)
    assert line.get_label() == "lesion"


def test_the_surfaces_have_a_panel_each():
    errors = np.linspace(0, 1, 21)
    values = errors[:, None] + 0 * errors
    figure = loss_figures.surfaces({"one": (errors, values), "two": (errors, values)})
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["one", "two"]
    assert figure.axes[0].get_ylabel().startswith("missed (FN)")
    assert figure.axes[0].get_xlabel().startswith("too much (FP)")
