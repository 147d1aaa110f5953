"""What a plan says of studies that are larger in one way and show less."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from lesionkit.cli import cli
from lesionkit.inference import planning
from lesionkit.inference.grids import full_grid

SIZES = {"dataset": 3, "model": 2, "loss": 4, "repeat": 5}


def pilot(*varies: str) -> pd.DataFrame:
    """Runs around 0.8 in which losses differ from one of these axes to the next."""
    draw = np.random.default_rng(3)
    names = {axis: [f"{axis}{i}" for i in range(n)] for axis, n in SIZES.items()}
    table = pd.DataFrame(itertools.product(*names.values()), columns=list(SIZES))
    dice = 0.8 + draw.normal(0, 0.01, len(table))
    for axis in varies:
        effect = {
            pair: draw.normal(0, 0.03)
            for pair in itertools.product(names[axis], names["loss"])
        }
        dice += [effect[pair] for pair in zip(table[axis], table["loss"], strict=True)]
    return table.assign(dice=dice)


def test_a_larger_study_never_shows_less():
    found = planning.plan(full_grid(pilot("dataset", "model")), 0.01)
    rows = found[(found["models"] == 2) & (found["repeats"] == 5)]
    assert rows["detectable"].is_monotonic_decreasing
    assert rows["power"].is_monotonic_increasing


def test_a_small_pilot_with_effects_of_its_own_is_said_to_plan_nothing():
    said = planning.caution(planning.plan(full_grid(pilot("dataset", "model")), 0.01))
    assert said.startswith("None of these is sure enough. ")


def test_a_plan_that_is_sure_needs_no_caution():
    assert planning.caution(planning.plan(full_grid(pilot()), 0.1)) is None


@pytest.mark.parametrize(
    ("varies", "said"), [(("dataset", "model"), True), ((), False)]
)
def test_the_command_prints_the_caution_below_the_table(tmp_path, varies, said):
    file = tmp_path / "pilot.csv"
    pilot(*varies).to_csv(file, index=False)
    asked = ["plan", str(file), "--difference", "0.01" if said else "0.1"]
    told = CliRunner().invoke(cli, asked).output
    assert told.splitlines()[-1].startswith("None of these is sure") is said
