"""How many runs would show a difference."""

from __future__ import annotations

import numpy as np
import pytest
from made_grids import made_grid, noise
from made_grids import rerun as rerun
from scipy import stats

from lesionkit.inference import planning, variance
from lesionkit.inference.contrasts import contrast


def test_what_is_planned_is_what_the_test_shows():
    runs = noise(6, 8, 6, 4, spread=0.02)
    runs += np.random.default_rng(9).normal(0, 0.01, (6, 1, 6, 1))
    grid = made_grid(runs)
    a, b = np.triu_indices(6, 1)
    shown = np.median(contrast(grid, a, b).detectable())
    planned = planning.detectable(variance.of_differences(grid), 6, 8, 4)
    assert planned == pytest.approx(shown, rel=0.25)


SPREAD = {"dataset": 0.01, "model": 0.005, "cell": 0.0, "run": 0.03}


def test_more_of_anything_shows_smaller_differences():
    now = planning.detectable(SPREAD, 4, 4, 4)
    for size in ((8, 4, 4), (4, 8, 4), (4, 4, 8)):
        assert planning.detectable(SPREAD, *size) < now


def test_repeats_alone_do_not_overcome_the_data_sets():
    floor = np.sqrt(2 * 0.01**2 / 4) * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
    assert planning.detectable(SPREAD, 4, 4, 10_000) > floor
    grid = made_grid(
        noise(4, 4, 3, 3) + np.random.default_rng(0).normal(0, 0.05, (4, 1, 3, 1))
    )
    assert planning.needed(grid, 0.005, "repeats") is None
    assert planning.needed(grid, 0.03, "datasets") > 4


def test_what_is_needed_is_the_least_that_shows():
    grid = made_grid(noise(3, 3, 3, 3, spread=0.03))
    count = planning.needed(grid, 0.02, "datasets")
    spread = planning.spread_of(grid)
    assert planning.detectable(spread, count, 3, 3) <= 0.02
    assert planning.detectable(spread, count - 1, 3, 3) > 0.02


def test_a_pilot_on_one_data_set_does_not_plan_others():
    grid = made_grid(noise(1, 1, 3, 5))
    table = planning.plan(grid, 0.01)
    assert set(table["datasets"]) == set(table["models"]) == {1}
    assert table["detectable"].is_monotonic_decreasing
    assert planning.needed(grid, 0.0001, "datasets") is None


@pytest.mark.parametrize(
    ("grid", "difference", "says"),
    [
        (made_grid(noise(1, 1, 3, 5)), 0.0, "between 0 and 1, got 0"),
        (made_grid(noise(1, 1, 3, 1)), 0.01, "two repeats or more in every cell"),
    ],
)
def test_a_plan_without_ground_is_refused(grid, difference, says):
    with pytest.raises(ValueError, match=says):
        planning.plan(grid, difference)


def test_words_say_what_would_decide():
    grid = made_grid(noise(3, 3, 3, 3, spread=0.03))
    assert planning.more_data(grid, -0.1) == "no amount: the means point the other way"
    assert planning.more_data(grid, 0.5).startswith("no more: a study of this size")
    one = made_grid(noise(1, 1, 2, 4))
    assert "(1 data set, 1 network, 4 repeats)" in planning.more_data(one, 0.5)
    assert " data sets or " in planning.more_data(grid, 0.02)
    assert "two repeats" in planning.more_data(made_grid(noise(1, 1, 2, 1)), 0.1)


def test_an_unknown_axis_is_refused_with_the_nearest(rerun):
    with pytest.raises(ValueError, match="unknown axis 'repeat'.*mean 'repeats'"):
        planning.needed(rerun, 0.01, "repeat")
