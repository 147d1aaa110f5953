"""The script that measures the size of the verdict draws and judges what it says."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    """benchmarks/verdict_size.py as a module."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import verdict_size as found
    finally:
        sys.path.remove(str(BENCHMARKS))
    return found


def test_a_drawn_table_has_the_spread_that_was_asked_for(benchmark):
    random = np.random.default_rng(0)
    runs = benchmark.draw(random, (40, 30), 2, (0, 0), "equal")
    d = runs[:, :, 0] - runs[:, :, 1]
    assert runs.shape == (40, 30, 2, 3)
    assert d.mean() == pytest.approx(0, abs=0.002)
    # the split of a repeat cancels
    assert d.mean(2).std() == pytest.approx(0.01 * np.sqrt(2), rel=0.06)
    own = benchmark.draw(random, (400, 2), 2, (4, 0), "heavy tails")
    by_set = (own[:, :, 0] - own[:, :, 1]).mean((1, 2))
    assert by_set.std() == pytest.approx(0.04 * np.sqrt(2), rel=0.25)
    apart = benchmark.draw(random, (3, 200), 2, (0, 0), "by data set")
    found = (apart[:, :, 0] - apart[:, :, 1]).std((1, 2)) / np.sqrt(2)
    assert found == pytest.approx(np.geomspace(0.007, 0.04, 3), rel=0.1)


def test_two_tied_losses_are_two_points_ahead_of_the_rest(benchmark):
    assert [name for name, _ in benchmark.states(2)] == ["equal"]
    states = dict(benchmark.states(4))
    assert states["two tied"].tolist() == [0, 0, -0.02, -0.02]


def test_the_other_methods_find_what_is_clear_and_nothing_in_ties(benchmark):
    runs = benchmark.draw(np.random.default_rng(3), (6, 4), 3, (0, 0), "equal")
    clear = benchmark.grid_of(runs + np.array([0, 0.1, 0])[:, None])
    assert {method(clear) for method in benchmark.METHODS.values()} == {1}
    alike = benchmark.grid_of(runs - runs.mean((0, 1, 3), keepdims=True) + 0.7)
    assert {method(alike) for method in benchmark.METHODS.values()} == {None}


def test_the_power_of_a_planned_study_is_that_of_its_world(benchmark):
    sure, unsure = (
        benchmark.true_power(
            own, pd.Series({"datasets": 6, "models": 11, "repeats": 3}), 2
        )
        for own in ((0, 0), (4, 4))
    )
    assert sure > 0.5 > 0.3 > unsure
