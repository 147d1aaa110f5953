"""What pilots say of studies: by hand, by laws, and in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_grids import made_grid, noise

from lesionkit.inference import planning

AXES = ["datasets", "models", "repeats"]


def pilot(*varies: int, spread: float = 0.01, own: float = 0.03) -> np.ndarray:
    """Runs (3, 2, 4, 5) whose losses differ along these axes."""
    runs = noise(3, 2, 4, 5, spread=spread, seed=3)
    for axis in varies:
        shape = [1, 1, 4, 1]
        shape[axis] = runs.shape[axis]
        runs = runs + np.random.default_rng(axis).normal(0, own, shape)
    return runs


@pytest.mark.parametrize("varies", [(), (0,), (0, 1)])
def test_more_of_anything_has_no_less_power_and_shows_smaller_differences(varies):
    found = planning.plan(made_grid(pilot(*varies)), 0.02)
    here = found.iloc[0]
    assert here[AXES].tolist() == [3, 2, 5]
    assert here["runs"] == 3 * 2 * 5 * 4
    for axis in AXES:
        others = [name for name in AXES if name != axis]
        rows = found[(found[others] == here[others]).all(axis=1)].sort_values(axis)
        assert len(rows) > 2
        assert rows["power"].is_monotonic_increasing
        assert rows["detectable"].is_monotonic_decreasing
    assert (found["low"] <= found["high"]).all()
    assert ((found["low"] <= found["power"]) & (found["power"] <= found["high"])).all()
    assert found["low"].iloc[0] < found["high"].iloc[0]
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


def test_cell_means_of_networks_plan_networks():
    found = planning.plan(made_grid(noise(1, 5, 3, 1)), 0.02)
    assert found.iloc[0][AXES].tolist() == [1, 5, 1]
    assert found["models"].max() == 24


def test_a_study_that_shows_nothing_is_refused():
    one = dict.fromkeys(AXES, 1)
    nothing = planning.Worlds(*np.zeros((4, 1)))
    with pytest.raises(ValueError, match="two data sets, networks or repeats.*1, 1"):
        planning.leads_needed(nothing, one, 2)


def test_a_difference_above_1_is_planned_for_other_metrics():
    grid = made_grid(100 * noise(3, 3, 3, 3))
    one = planning.plan(grid, 2.0)["power"]
    assert (
        one.tolist()
        == planning.plan(made_grid(noise(3, 3, 3, 3)), 0.02)["power"].tolist()
    )


ROWS = pd.DataFrame({"runs": [10, 20], "enough": True, "power": 0.9, "low": 0.85})


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (ROWS.assign(high=1.0), None),
        (ROWS.assign(low=[0.5, 0.8], high=1.0), "a power between 0.50 and 1.00. Add"),
        (ROWS.assign(low=[0.9, 0.2], high=1.0), None),  # the cheaper one is sure
        (ROWS.assign(enough=False, high=0.9), "vary between data sets and networks"),
        (ROWS.assign(enough=False, low=0.1, high=0.9), "too small for planning"),
    ],
)
def test_what_a_plan_cannot_say_is_told(rows, says):
    found = planning.caution(rows)
    assert found is None if says is None else says in found
