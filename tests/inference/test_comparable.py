"""Rows that were not made under one setting are refused by name."""

import re

import pandas as pd
import pytest
from made_cells import table as table
from made_cells import table_of

from lesionkit.config import RunConfig
from lesionkit.inference import ranking
from lesionkit.tables import SETTING

NAN = float("nan")


def test_rows_of_one_setting_may_be_ranked(table):
    ranking.check_comparable(table.assign(size=64, protocol="demo", alpha=NAN))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("size", [64, 96]),
        ("protocol", ["demo", "paper_a"]),
        ("definition", ["A-printed", "A-gamma2"]),
        ("split", ["image", "group"]),
        ("epochs", [20, 200]),
        ("gamma", [0.2, 2.0]),
        ("beta", [0.3, 0.7]),
        ("scored_epoch", ["best", "last"]),
        ("without_lesion", ["apart", "kept"]),
        ("accumulate", [1, 2]),
        ("compile", [False, True]),
        ("threads", [1, 2]),
    ],
)
def test_rows_of_two_settings_are_refused_by_name(table, column, values):
    mixed = table.assign(**{column: values * 3})
    message = rf"differ in {column} \({values[0]}, {values[1]}\).*--only {column}="
    with pytest.raises(ValueError, match=message):
        ranking.check_comparable(mixed)


def test_every_parameter_that_can_change_a_result_is_compared():
    apart = {"dataset", "model", "loss", "repeat", "variant", "split_seed", "init_seed"}
    apart |= {f"{kind}_{n}" for kind in ("loss", "model") for n in ("options", "code")}
    assert set(SETTING) == set(RunConfig().identity()) - apart  # these are in the names


@pytest.mark.parametrize("name", ["split_seed", "init_seed"])
def test_two_seeds_of_one_repeat_are_refused(table, name):
    repeat = table["repeat"].iloc[0]
    mixed = table.assign(**{name: [42, 7] * 3})
    with pytest.raises(ValueError, match=f"repeat {repeat} are of {name}s 42, 7;"):
        ranking.check_comparable(mixed)


def test_one_run_twice_is_refused_and_not_averaged(table):
    again = table.iloc[:1].assign(dice=0.1, run_id="b")
    both = pd.concat([table.assign(run_id="a"), again], ignore_index=True)
    row = table.iloc[0]
    says = (
        f"{row['dataset']}/{row['model']}/{row['loss']} has repeat {row['repeat']} more"
        " than once; the rows differ in run_id. Choose with --only, or pass --mix"
    )
    with pytest.raises(ValueError, match=re.escape(says)):
        ranking.check_comparable(both)


def test_two_variants_of_one_model_are_refused(table):
    mixed = table.assign(variant=["a", "b"] * 3)
    with pytest.raises(ValueError, match="runs of unet are of variants a, b;"):
        ranking.check_comparable(mixed)


def test_two_sources_of_one_data_set_are_refused(table):
    mixed = table.assign(source=["its publisher"] * 4 + ["a folder", "its publisher"])
    message = "runs of kvasir are of sources its publisher, a folder; choose with"
    with pytest.raises(ValueError, match=message):
        ranking.check_comparable(mixed)


def test_two_data_sets_have_each_its_source():
    cells = {("a", "m", "iou"): 0.9, ("b", "m", "iou"): 0.8}
    ranking.check_comparable(table_of(cells).assign(source=["first", "second"]))


def test_of_paper_b_a_network_has_its_own_numbers_but_no_two(table):
    numbers = table.assign(protocol="paper_b", model=["m", "n"] * 3)
    ranking.check_comparable(numbers.assign(alpha=[0.25, 0.75] * 3))
    with pytest.raises(ValueError, match="runs of m are of alphas 0.25, 0.75; choose"):
        ranking.check_comparable(numbers.assign(alpha=[0.25, 0.25, 0.75] * 2))


def test_two_models_have_each_its_variant():
    cells = {("a", "m", "iou"): 0.9, ("a", "n", "iou"): 0.8}
    ranking.check_comparable(table_of(cells).assign(variant=["first", "second"]))
