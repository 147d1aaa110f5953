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


def test_more_data_sets_show_less_where_two_networks_carry_the_error():
    found = planning.plan(full_grid(pilot("dataset", "model")), 0.01)
    rows = found[(found["models"] == 2) & (found["repeats"] == 5)]
    assert rows["detectable"].iloc[-1] > rows["detectable"].iloc[0]
    said = planning.caution(found)
    assert said.startswith("More data sets alone come to show less here")
    assert "rests on 2 networks" in said


def test_a_plan_in_which_more_is_never_less_needs_no_caution():
    assert planning.caution(planning.plan(full_grid(pilot()), 0.01)) is None


@pytest.mark.parametrize(
    ("varies", "said"), [(("dataset", "model"), True), ((), False)]
)
def test_the_command_prints_the_caution_below_the_table(tmp_path, varies, said):
    file = tmp_path / "pilot.csv"
    pilot(*varies).to_csv(file, index=False)
    told = CliRunner().invoke(cli, ["plan", str(file), "--difference", "0.01"]).output
    assert ("Plan more of both." in told.splitlines()[-1]) is said
