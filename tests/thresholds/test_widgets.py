"""Sliders: one picture, replaced in place, with a static twin."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ipywidgets import FloatSlider
from made_comparison import made_comparison
from matplotlib.figure import Figure

from lesionkit import masks, metrics
from lesionkit.figures import losses as loss_figures
from lesionkit.figures.masks import of_image
from lesionkit.figures.pixels import bytes_of, png
from lesionkit.losses import FocalLoss
from lesionkit.losses.study import pixel_curve
from lesionkit.thresholds import panels, widgets
from lesionkit.thresholds.comparison import Shelf
from lesionkit.thresholds.panels import Panels, Setting

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


COMPARISON = made_comparison()


def explorer(**start):
    """The threshold explorer on a comparison made by hand."""
    return widgets.ThresholdExplorer(
        Shelf({COMPARISON.title: lambda: COMPARISON}), **start
    )


def expected_numbers(made):
    """Dice and marked share of what is shown, by masks and metrics alone."""
    controls, shown = made.controls, made.panels.position
    stored = COMPARISON.logits[:, shown].astype(np.float32)
    logits = torch.from_numpy(stored)
    rule, way = controls["rule"].value, controls["way"].value
    cuts = {
        "raw_mean": masks.raw_mean_cut(logits),
        "otsu": masks.otsu_cut(logits),
        "best_validation": torch.tensor(COMPARISON.validation_cuts),
    }
    if rule == "probability" or way == 0:
        cut = controls["probability"].value if rule == "probability" else 0.5
        predicted = masks.probability_mask(logits, cut)
    else:
        predicted = masks.above(logits, way * cuts[rule])
    truth = np.stack([COMPARISON.masks[shown]] * 3)
    counts = metrics.counts(predicted, truth)
    marked = (counts[:, :2].sum(1) / counts.sum(1)).tolist()
    return metrics.per_image(counts)["dice"].tolist(), marked


@pytest.mark.slow
def test_the_numbers_are_those_of_masks_and_metrics_at_50_random_positions():
    made, random = explorer(), np.random.default_rng(0)
    for _ in range(50):
        made.controls["rule"].value = random.choice(list(panels.RULES))
        made.controls["image"].value = random.choice(COMPARISON.files)
        made.controls["probability"].value = random.integers(1, 100) / 100
        made.controls["way"].value = random.integers(0, 51) / 50
        dice, marked = expected_numbers(made)
        assert made.numbers["dice"].tolist() == dice
        assert made.numbers["marked"].tolist() == pytest.approx(marked, abs=1e-12)
        assert f"<td>{dice[1]:.3f}</td>" in made.words.value


def test_a_move_puts_the_picture_of_the_library_into_the_same_widget():
    made = explorer(way=0.2)
    screen, before = made.screen, made.screen.value
    made.controls["way"].value = 0.8
    picture = Panels(COMPARISON, made.panels.position).picture(Setting(way=0.8))
    assert made.screen is screen and made.screen.value != before
    assert made.screen.value == png(picture) == made.picture


def test_only_the_slider_that_does_something_can_be_moved():
    made = explorer()
    assert made.controls["probability"].disabled and not made.controls["way"].disabled
    made.controls["rule"].value = "probability"
    assert made.controls["way"].disabled and not made.controls["probability"].disabled


def test_every_control_has_a_label():
    labels = [control.description for control in explorer().controls.values()]
    assert all(labels) and len(set(labels)) == len(labels)


def test_the_image_list_says_by_which_rule_each_is_chosen():
    options = explorer().controls["image"].options
    assert options[0] == (
        "the smallest lesion that is not empty: small.png",
        "smallest",
    )
    assert options[-1] == ("middle.png", "middle.png")


def test_another_comparison_keeps_the_rule_that_chose_the_image():
    other = made_comparison(seed=4)
    reversed_ = replace(
        other,
        title="other",
        masks=other.masks[::-1],
        logits=other.logits[:, ::-1],
        files=other.files[::-1],
    )
    made = widgets.ThresholdExplorer(
        Shelf({"first": lambda: COMPARISON, "second": lambda: reversed_}), "largest"
    )
    assert made.panels.position == COMPARISON.files.index("large.png")
    made.controls["comparison"].value = "second"
    assert made.panels.comparison is reversed_
    assert made.panels.position == reversed_.files.index("large.png")


def test_an_image_that_the_other_comparison_lacks_gives_way_to_a_rule():
    full = replace(COMPARISON, masks=np.ones_like(COMPARISON.masks), title="full")
    made = widgets.ThresholdExplorer(
        Shelf({"first": lambda: COMPARISON, "full": lambda: full}), "empty"
    )
    made.controls["comparison"].value = "full"
    assert made.controls["image"].value == "smallest"
    assert made.panels.comparison is full


def test_a_start_that_is_not_allowed_is_refused_before_anything_is_shown():
    with pytest.raises(ValueError, match="Did you mean 'otsu'"):
        explorer(rule="otsou")
    with pytest.raises(ValueError, match="Did you mean 'smallest'"):
        explorer(image="smalest")


def test_show_displays_the_controls_and_a_twin_that_they_hide(monkeypatch):
    shown = []
    monkeypatch.setattr(widgets, "display", lambda out, raw=False: shown.append(out))
    made = explorer(way=0.4)
    made.show()
    box, twin = shown
    assert box is made.box
    assert twin["image/png"] == made.picture
    assert f'<div class="{widgets.TWIN}"><img alt="made, by hand' in twin["text/html"]
    styles = [w.value for w in box.children if hasattr(w, "value")]
    assert f"<style>.{widgets.TWIN} {{ display: none; }}</style>" in styles


def test_a_name_with_markup_is_shown_as_text():
    numbers = explorer().numbers.assign(loss="<script>x</script>")
    assert "<script>" not in widgets.number_table(numbers, "caption")


def predicted(mark: int) -> SimpleNamespace:
    """An image of which one pixel is marked, without a ground truth."""
    mask = np.zeros((4, 4), np.uint8)
    mask.flat[mark] = 1
    facts = {"name": str(mark), "image": np.zeros((4, 4, 1), np.uint8), "mask": mask}
    return SimpleNamespace(**facts, truth=None, probability=mask / 2, spread=0 * mask)


def test_the_slider_of_images_counts_from_one_and_shows_the_one_it_names(shown):
    made = widgets.image_sliders([predicted(0), predicted(5)])
    slider = made.sliders["image"]
    assert (slider.min, slider.max, slider.value) == (1, 2, 1)
    assert isinstance(slider.value, int)
    assert made.picture == bytes_of(of_image(predicted(0)))
    slider.value = 2
    assert made.picture == bytes_of(of_image(predicted(5)))
    with pytest.raises(ValueError, match="no image"):
        widgets.image_sliders([])
