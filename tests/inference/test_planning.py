"""How many runs would show a difference: what is promised is what tables show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_grids import made_grid, noise
from made_grids import rerun as rerun

from lesionkit.inference import planning
from lesionkit.inference.verdicts import is_best

SIZE = {"datasets": 4, "models": 3, "repeats": 2}


def world(sets: float, models: float, cell: float, runs: float) -> planning.Worlds:
    """One world of these variances of a difference."""
    return planning.Worlds(*(np.array([v]) for v in (sets, models, cell, runs)))


def pilot(*varies: int, spread: float = 0.01, own: float = 0.03) -> np.ndarray:
    """Runs (3, 2, 4, 5) whose losses differ along these axes."""
    runs = noise(3, 2, 4, 5, spread=spread, seed=3)
    for axis in varies:
        shape = [1, 1, 4, 1]
        shape[axis] = runs.shape[axis]
        runs = runs + np.random.default_rng(axis).normal(0, own, shape)
    return runs


# 300 studies know a power of 0.5 to 0.06 (two standard errors).
@pytest.mark.parametrize("losses", [2, 4])
def test_the_power_of_a_plan_is_what_judged_studies_show(losses):
    sets, models, runs, lead = 0.01, 0.006, 0.01, 0.02
    random = np.random.default_rng(0)
    shown = 0
    for _ in range(300):
        values = 0.7 + random.normal(0, runs, (4, 3, losses, 2))
        values += random.normal(0, sets, (4, 1, losses, 1))
        values += random.normal(0, models, (1, 3, losses, 1))
        values[:, :, 0] += lead
        grid = replace(made_grid(values), equal=True)
        shown += is_best(grid) and grid.overall.argmax() == 0
    variances = world(2 * sets**2, 2 * models**2, 0, 2 * runs**2)
    needed = planning.leads_needed(variances, SIZE, losses, tables=2000)
    assert 0.2 < shown / 300 < 0.9
    assert (needed <= lead).mean() == pytest.approx(shown / 300, abs=0.08)


def test_the_power_on_one_data_set_is_what_judged_studies_show():
    run, lead = 0.01, 0.02
    random = np.random.default_rng(1)
    shown = 0
    for _ in range(300):
        values = 0.7 + random.normal(0, run, (1, 1, 3, 5))
        values += random.normal(0, run / np.sqrt(3), (1, 1, 3, 1))  # shared images
        values[:, :, 0] += lead
        grid = made_grid(values)
        shown += is_best(grid) and grid.overall.argmax() == 0
    size = {"datasets": 1, "models": 1, "repeats": 5}
    needed = planning.leads_needed(world(0, 0, 0, 2 * run**2), size, 3, tables=2000)
    assert 0.2 < shown / 300 < 0.9
    assert (needed <= lead).mean() == pytest.approx(shown / 300, abs=0.08)


@pytest.mark.parametrize("varies", [(), (0,), (0, 1)])
def test_more_of_anything_has_no_less_power_and_shows_smaller_differences(varies):
    found = planning.plan(made_grid(pilot(*varies)), 0.02)
    here = found.iloc[0]
    assert here[list(SIZE)].tolist() == [3, 2, 5]
    assert here["runs"] == 3 * 2 * 5 * 4
    for axis in SIZE:
        others = [name for name in SIZE if name != axis]
        rows = found[(found[others] == here[others]).all(axis=1)].sort_values(axis)
        assert len(rows) > 2
        assert rows["power"].is_monotonic_increasing
        assert rows["detectable"].is_monotonic_decreasing
    assert (found["low"] <= found["high"]).all()
    assert (found["low"] < found["power"]).iloc[0]
    assert (found["power"] < found["high"]).iloc[0]
    assert found["enough"].tolist() == (found["power"] >= 0.8).tolist()


def test_a_larger_difference_and_less_noise_have_more_power():
    small, large = (
        planning.plan(made_grid(pilot(0)), d)["power"] for d in (0.01, 0.05)
    )
    assert (small <= large).all()
    assert small.iloc[0] < large.iloc[0]
    calm = planning.plan(made_grid(pilot(0, spread=0.001, own=0.003)), 0.01)
    assert calm["power"].iloc[0] > small.iloc[0]


def test_the_mean_squares_of_a_pilot_of_two_losses_are_those_by_hand():
    runs = noise(3, 4, 2, 5)
    found = planning.pilot_of(made_grid(runs))
    d = runs[:, :, 0].mean(2) - runs[:, :, 1].mean(2)
    rows, columns = d.mean(1), d.mean(0)
    rest = d - rows[:, None] - columns + d.mean()
    assert found.squares["sets"] == pytest.approx(4 * rows.var(ddof=1))
    assert found.squares["models"] == pytest.approx(3 * columns.var(ddof=1))
    assert found.squares["rest"] == pytest.approx((rest**2).sum() / 6)
    of_runs = (runs[:, :, 0] - runs[:, :, 1]).var(2, ddof=1).mean()
    assert found.squares["runs"] == pytest.approx(of_runs)
    assert found.freedoms == {"sets": 2, "models": 3, "rest": 6, "runs": 48}


def test_worlds_lie_around_the_variances_that_made_the_pilot():
    random = np.random.default_rng(4)
    runs = noise(30, 20, 3, 4, spread=0.02)
    runs += random.normal(0, 0.03, (30, 1, 3, 1)) + random.normal(
        0, 0.01, (1, 20, 3, 1)
    )
    found = planning.worlds_of(planning.pilot_of(made_grid(runs)))
    assert len(found.runs) == planning.WORLDS
    assert np.median(found.sets) == pytest.approx(2 * 0.03**2, rel=0.3)
    assert np.median(found.models) == pytest.approx(2 * 0.01**2, rel=0.4)
    assert np.median(found.runs) == pytest.approx(2 * 0.02**2, rel=0.1)
    assert np.median(found.cell) < 2 * 0.02**2 / 4 / 10


def test_what_is_needed_is_the_least_step_that_shows():
    grid = made_grid(noise(3, 3, 3, 3, spread=0.03))
    count = planning.needed(grid, 0.05, "datasets")
    assert count in planning.LADDER
    pilot_of = planning.pilot_of(grid)
    worlds = planning.worlds_of(pilot_of)
    step = planning.LADDER.index(count)
    for n, enough in ((count, True), (planning.LADDER[step - 1], False)):
        size = pilot_of.size | {"datasets": n}
        found = planning.leads_needed(worlds, size, pilot_of.losses)
        assert bool((found <= 0.05).mean() >= 0.8) is enough


def test_repeats_alone_do_not_overcome_the_data_sets():
    runs = noise(4, 4, 3, 3)
    runs += np.random.default_rng(0).normal(0, 0.05, (4, 1, 3, 1))
    grid = made_grid(runs)
    assert planning.needed(grid, 0.005, "repeats") is None
    assert planning.needed(grid, 0.05, "datasets") > 4
    assert "; more networks or repeats alone would not" in planning.more_data(
        grid, 0.05
    )


def test_a_pilot_on_one_data_set_does_not_plan_others():
    grid = made_grid(noise(1, 1, 3, 5))
    table = planning.plan(grid, 0.01)
    assert set(table["datasets"]) == set(table["models"]) == {1}
    assert table["detectable"].is_monotonic_decreasing
    assert planning.needed(grid, 0.0001, "datasets") is None


def test_cell_means_of_networks_plan_networks():
    found = planning.plan(made_grid(noise(1, 5, 3, 1)), 0.02)
    assert found.iloc[0][list(SIZE)].tolist() == [1, 5, 1]
    assert found["models"].max() == 24


@pytest.mark.parametrize(
    ("grid", "difference", "says"),
    [
        (made_grid(noise(1, 1, 3, 5)), 0.0, "above 0, got 0"),
        (made_grid(noise(1, 1, 3, 5)), -1.0, "above 0, got -1"),
        (made_grid(noise(1, 1, 3, 1)), 0.01, "two repeats or more in every cell"),
    ],
)
def test_a_plan_without_ground_is_refused(grid, difference, says):
    with pytest.raises(ValueError, match=says):
        planning.plan(grid, difference)


def test_a_study_that_shows_nothing_is_refused():
    one = dict.fromkeys(SIZE, 1)
    with pytest.raises(ValueError, match="two data sets, networks or repeats.*1, 1"):
        planning.leads_needed(world(0, 0, 0, 1), one, 2)


def test_a_difference_above_1_is_planned_for_other_metrics():
    grid = made_grid(100 * noise(3, 3, 3, 3))
    one = planning.plan(grid, 2.0)["power"]
    assert (
        one.tolist()
        == planning.plan(made_grid(noise(3, 3, 3, 3)), 0.02)["power"].tolist()
    )


def test_words_say_what_would_decide():
    grid = made_grid(noise(3, 3, 3, 3, spread=0.03))
    assert planning.more_data(grid, -0.1) == "no amount: the means point the other way"
    assert planning.more_data(grid, 0.5).startswith("no more: a study of this size")
    one = made_grid(noise(1, 1, 2, 4))
    assert "(1 data set, 1 network, 4 repeats)" in planning.more_data(one, 0.5)
    count = planning.needed(grid, 0.05, "datasets")
    assert planning.more_data(grid, 0.05).startswith(f"{count} data sets or ")
    assert " networks would show 0.0500 (now 3 data sets, 3 networks, 3 repeats); " in (
        planning.more_data(grid, 0.05)
    )
    assert planning.more_data(grid, 1e-7).startswith("more of several at once: 200")
    assert "two repeats" in planning.more_data(made_grid(noise(1, 1, 2, 1)), 0.1)


ROWS = pd.DataFrame({"runs": [10, 20], "enough": True, "power": 0.9, "low": 0.85})


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (ROWS.assign(high=1.0), None),
        (ROWS.assign(low=[0.5, 0.8], high=1.0), "a power between 0.50 and 1.00. Add"),
        (ROWS.assign(low=[0.9, 0.2], high=1.0), None),  # the cheaper one is sure
        (ROWS.assign(enough=False, high=0.9), "own effects on data sets and networks"),
        (ROWS.assign(enough=False, low=0.1, high=0.9), "too small to plan with"),
    ],
)
def test_what_a_plan_cannot_say_is_told(rows, says):
    found = planning.caution(rows)
    assert found is None if says is None else says in found


def test_an_unknown_axis_is_refused_with_the_nearest(rerun):
    with pytest.raises(ValueError, match="unknown axis 'repeat'.*mean 'repeats'"):
        planning.needed(rerun, 0.01, "repeat")
