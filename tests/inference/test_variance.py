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
