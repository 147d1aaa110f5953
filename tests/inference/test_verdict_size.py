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


def rate(
    benchmark, shape, losses, own, *, lead=0.0, tables=400, noise="equal"
) -> float:
    """How often the first loss, or with no lead any, is called the best."""
    random = np.random.default_rng(11)
    found = [
        benchmark.ours(
            benchmark.grid_of(
                benchmark.draw(random, shape, losses, own, noise)
                + np.where(np.arange(losses) == 0, lead, 0.0)[:, None]
            )
        )
        for _ in range(tables)
    ]
    return float(np.mean([f == 0 if lead else f is not None for f in found]))


# 400 tables know a rate of 5 % to 3 to 7.5 %.
@pytest.mark.slow
@pytest.mark.parametrize("own", [(0, 0), (4, 0), (0, 4), (4, 4)])
@pytest.mark.parametrize("shape", [(2, 11), (6, 2), (3, 11), (6, 11), (6, 1)])
def test_two_equal_losses_rarely_have_a_best(benchmark, shape, own):
    assert rate(benchmark, shape, 2, own) < 0.078


@pytest.mark.slow
def test_a_better_loss_is_found_where_data_sets_differ_in_noise(benchmark):
    apart = {"lead": 0.01, "tables": 60, "noise": "by data set"}
    assert rate(benchmark, (6, 11), 10, (0, 0), **apart) > 0.8


@pytest.mark.slow
def test_ten_losses_on_three_data_sets_can_have_a_best(benchmark):
    assert rate(benchmark, (3, 2), 10, (0, 0), lead=0.06, tables=100) > 0.7  # 0.78
