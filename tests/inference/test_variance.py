"""Where the variance of scores comes from."""

from __future__ import annotations

import numpy as np
import pytest
from made_grids import made_grid

from lesionkit.inference import variance


def test_variance_shares_add_up_and_find_what_was_planted():
    random = np.random.default_rng(1)
    runs = 0.5 + random.normal(0, 0.02, (40, 30, 5, 3))
    runs += random.normal(0, 0.1, (40, 1, 1, 1))
    runs += random.normal(0, 0.05, (1, 30, 5, 1))
    table = variance.shares(made_grid(runs))
    assert table["share"].sum() == pytest.approx(1)
    assert table["freedom"].sum() == runs.size - 1
    found = table["deviation"]
    assert found["data set"] == pytest.approx(0.1, rel=0.25)
    assert found["model x loss"] == pytest.approx(0.05, rel=0.15)
    assert found[variance.RUNS] == pytest.approx(0.02, rel=0.03)
    assert found["data set x loss"] < 0.005


def test_what_all_losses_of_a_repeat_share_is_no_effect_of_theirs():
    random = np.random.default_rng(2)
    runs = 0.5 + random.normal(0, 0.01, (6, 8, 5, 5))
    runs += random.normal(0, 0.1, (6, 8, 1, 5))  # a repeat's split
    runs += random.normal(0, 0.03, (6, 1, 5, 1))
    found = variance.shares(made_grid(runs))["deviation"]
    assert found["data set x loss"] == pytest.approx(0.03, rel=0.3)
    assert found[variance.RUNS] == pytest.approx(0.1, rel=0.1)


def test_without_deviations_the_interaction_of_all_holds_the_runs():
    runs = 0.5 + np.random.default_rng(3).normal(0, 0.02, (20, 10, 5, 1))
    table = variance.shares(made_grid(runs))
    assert variance.RUNS not in table.index
    assert table["share"].sum() == pytest.approx(1)
    found = table.loc["data set x model x loss", "deviation"]
    assert found == pytest.approx(0.02, rel=0.05)
