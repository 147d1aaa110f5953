"""What is wrong in a table is found and named; honest noise is left alone."""

from pathlib import Path

import pandas as pd
import pytest
from made_noise import WORLDS, as_cells, noise

from lesionkit.tables import forensics
from lesionkit.tables.findings import KEPT, Finding, unit
from lesionkit.tables.twins import rerun_noise

SHARED = Path(__file__).parents[3] / "shared" / "published"
SHAPE = (4, 5, 8, 3)
CODES = ("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8")


@pytest.fixture
def runs():
    """Runs of honest noise, printed with six digits."""
    return noise(SHAPE).round(6)


def at(table, **where):
    """Which rows have these names."""
    chosen = pd.Series(True, table.index)
    for name, values in where.items():
        chosen &= table[name].isin(values if isinstance(values, list) else [values])
    return chosen


def copy_a_loss(table):
    """l3 gets l2's scores on one data set with one network."""
    for axis in ("dice", "iou"):
        new, old = (at(table, dataset="d1", model="m2", loss=n) for n in ("l3", "l2"))
        table.loc[new, axis] = table.loc[old, axis].to_numpy()
    return table


def raise_a_cell(table):
    """One cell lies 20 points above the others."""
    table.loc[at(table, dataset="d1", model="m2", loss="l3"), "dice"] += 0.2
    return table


def lower_a_cell(table):
    """One cell lies 20 points below the others."""
    table.loc[at(table, dataset="d1", model="m2", loss="l3"), "dice"] -= 0.2
    return table


def two_campaigns(table):
    """With one network three losses lie 15 points lower on three data sets."""
    low = at(table, dataset=["d0", "d1", "d2"], model="m2", loss=["l1", "l4", "l6"])
    table.loc[low, "dice"] -= 0.15
    return table


def mark_nothing(table):
    """Two runs found not one pixel."""
    table.loc[[7, 8], "dice"] = [0.0, 4.5e-12]
    return table


def other_images(table):
    """A run was scored on fewer images than the others of its data set."""
    table["images"] = 100
    table.loc[5, "images"] = 60
    return table


def images_as_runs(table):
    """Rows are images: 30 a cell, and they differ as images do."""
    table = noise((1, 1, 3, 30)).round(4)
    table["dice"] = (table["dice"] + (table["repeat"] % 10 - 5) * 0.06).clip(0, 1)
    return table


def constant(table):
    """A loss has the same score wherever it was run."""
    table.loc[at(table, loss="l5"), "dice"] = 0.7
    return table


FAULTS = {
    "F1": copy_a_loss,
    "F2": raise_a_cell,
    "F3": lower_a_cell,
    "F4": two_campaigns,
    "F5": mark_nothing,
    "F6": other_images,
    "F7": images_as_runs,
    "F8": constant,
}
SAYS = {
    "F1": "3 pairs of runs agree in every score under two names: l2 = l3 (3)",
    "F2": "1 cell lies far above the other losses there: d1/m2 (l3 ",
    "F3": "1 cell lies far below the other losses there: d1/m2 (l3 ",
    "F4": "network m2: 3 losses (l1, l4, l6) lie 0.1",
    "F5": "2 scores are 0 or nearly 0, 4e-12 at most (l2 2)",
    "F6": "1 row was scored on another number of images: d0/m0/l1 60 (others 100)",
    "F7": "30 rows a cell that differ with deviation 0.1",
    "F8": "dice of loss l5 is the same in every cell",
}


@pytest.mark.parametrize("code", CODES)
def test_a_planted_fault_is_found_under_its_code_and_no_other(runs, code):
    found = forensics.find(FAULTS[code](runs))
    assert [one.code for one in found] == [code]
    assert found[0].text.startswith(SAYS[code])


@pytest.mark.parametrize("code", ["F1", "F2", "F3", "F4", "F8"])
def test_a_fault_is_found_in_the_means_of_cells_too(runs, code):
    found = forensics.find(as_cells(FAULTS[code](runs)).round(5))
    assert code in [one.code for one in found]


def test_all_faults_at_once_are_told_in_ten_lines_at_most(runs):
    for code in ("F1", "F2", "F4", "F5", "F6"):
        runs = FAULTS[code](runs)
    lines = forensics.lines(forensics.find(runs))
    assert len(lines) <= 10
    assert lines[0].startswith("Look at this first (docs/forensics.md")
    assert [line[:2] for line in lines[1:]] == sorted(line[:2] for line in lines[1:])


def test_more_findings_than_lines_are_counted():
    lines = forensics.lines([Finding(f"F{i}", "text") for i in range(30)])
    assert len(lines) == 10
    assert lines[-1] == "and 22 more findings"


def test_no_finding_is_no_line(runs):
    assert forensics.find(runs) == ()
    assert forensics.lines(()) == []


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("shape", [(6, 11, 10, 5), (2, 11, 5, 3), (1, 5, 4, 5)])
@pytest.mark.parametrize("digits", [3, 9])
def test_honest_noise_is_left_alone(world, shape, digits):
    runs = noise(shape, 1, world=world)
    assert forensics.find(runs.round(digits)) == ()
    assert forensics.find(as_cells(runs).round(digits)) == ()


def test_scores_with_two_digits_agree_by_chance_and_are_not_called_copies():
    table = as_cells(noise((6, 11, 10, 5), 2, world="equal")).round(2)
    pairs = table.duplicated(["dataset", "model", "dice", "iou"]).sum()
    assert pairs > 50
    assert forensics.find(table) == ()


def test_whole_copies_are_found_among_scores_with_two_digits():
    table = as_cells(noise((6, 11, 10, 5), 2, world="equal")).round(2)
    scores = ["dice", "dice_sd", "iou", "iou_sd"]
    copied = table.loc[at(table, loss="l2"), scores].to_numpy()
    table.loc[at(table, loss="l3"), scores] = copied
    (found,) = forensics.find(table)
    assert "l2 = l3 (66)" in found.text


def test_the_same_run_under_two_networks_data_sets_or_repeats_is_found(runs):
    for axis, one, other in (
        ("model", "m1", "m2"),
        ("dataset", "d1", "d2"),
        ("repeat", 0, 1),
    ):
        table = runs.copy()
        old = table.loc[at(table, **{axis: one}), ["dice", "iou"]]
        table.loc[at(table, **{axis: other}), ["dice", "iou"]] = old.to_numpy()
        text = " ".join(found.text for found in forensics.find(table))
        assert f"{one} = {other} ({len(old)})" in text


def test_a_network_that_scores_alike_under_every_loss_makes_no_copies(runs):
    runs = runs.round(3)
    runs.loc[at(runs, model="m1"), ["dice", "iou"]] = [0.5, 0.333]
    assert "F1" not in [one.code for one in forensics.find(runs)]


def test_losses_that_are_worse_with_every_other_network_are_no_campaign(runs):
    runs.loc[at(runs, loss=["l1", "l4", "l6"]) & ~at(runs, model="m2"), "dice"] -= 0.15
    assert forensics.find(runs) == ()


def test_losses_that_lie_apart_among_themselves_are_no_lower_group(runs):
    for loss, lower in {"l1": 0.08, "l3": 0.13, "l4": 0.18, "l6": 0.23}.items():
        low = at(runs, dataset=["d0", "d1", "d2"], model="m2", loss=loss)
        runs.loc[low, "dice"] -= lower
    assert "F4" not in [one.code for one in forensics.find(runs)]


def test_failed_runs_that_share_a_zero_are_not_copies(runs):
    runs.loc[at(runs, loss=["l1", "l2"], model="m1"), ["dice", "iou"]] = 0.0
    failed = runs["dice"] == 0
    assert [one.code for one in forensics.find(runs, failed=failed)] == ["F5"]


def test_a_run_that_is_known_to_have_failed_is_not_told_as_out_of_line(runs):
    failed = at(runs, dataset="d1", model="m2", loss="l3")
    runs.loc[failed, "dice"] = 0.1
    assert [one.code for one in forensics.find(runs)] == ["F3"]
    assert forensics.find(runs, failed=failed) == ()


def test_a_loss_that_is_bad_everywhere_is_in_line(runs):
    runs.loc[at(runs, loss="l3"), "dice"] -= 0.3
    assert forensics.find(runs) == ()


def test_images_are_counted_where_rows_are_images(runs):
    images = noise((1, 2, 3, 20)).rename(columns={"repeat": "image"})
    images["repeat"] = 0
    assert forensics.find(images) == ()
    (found,) = forensics.find(images.drop(index=[0, 1, 2]))
    assert found.code == "F6"
    assert "d0/m0/l0 17 (others 20)" in found.text


def test_splits_of_other_sizes_are_no_finding(runs):
    runs["images"] = 100 + runs["repeat"]
    assert forensics.find(runs) == ()


def test_a_column_that_is_the_same_everywhere_is_found(runs):
    (found,) = forensics.find(runs.assign(precision=1.0))
    assert found.text == f"precision is 1 in all {len(runs)} rows"


def test_a_deviation_of_exactly_zero_is_found(runs):
    table = as_cells(runs).round(5)
    table.loc[3, "dice_sd"] = 0.0
    (found,) = forensics.find(table)
    assert (found.code, len(found.cells)) == ("F8", 1)
    assert found.text == "1 cell has a deviation of exactly 0 over several runs"


def test_a_perfect_score_is_found(runs):
    runs.loc[4, "dice"] = 1.0
    assert "1 score is exactly 1 (l1 1)" in forensics.find(runs)[-1].text


def test_what_is_kept_leaves_out_high_cells_and_networks_of_two_campaigns(runs):
    runs = two_campaigns(runs)
    runs.loc[at(runs, dataset="d1", model="m0", loss="l3"), "dice"] += 0.2
    found = forensics.find(runs)
    kept = forensics.untainted(runs, found)
    assert [one.code for one in found] == ["F2", "F4"]
    assert set(kept["model"]) == {"m0", "m1", "m3", "m4"}
    assert not at(kept, dataset="d1", model="m0", loss="l3").any()
    assert len(kept) == 4 * 4 * 8 * 3 - 3


def test_a_low_cell_is_kept_for_a_loss_must_not_gain_by_it(runs):
    runs = lower_a_cell(runs)
    assert forensics.untainted(runs, forensics.find(runs)).equals(runs)


def test_a_finding_that_concerns_many_cells_shows_the_first(runs):
    cells = tuple(("d", "m", str(i)) for i in range(500))
    shown = Finding("F1", "text", cells, tuple(range(500))).shown()
    assert (shown["cell_count"], shown["row_count"]) == (500, 500)
    assert len(shown["cells"]) == len(shown["rows"]) == KEPT
    assert shown["page"] == "docs/forensics.md#f1"


def test_every_code_has_a_section_in_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "forensics.md").read_text()
    assert [line[3:] for line in page.splitlines() if line.startswith("## F")] == list(
        CODES
    )


def test_other_metrics_have_no_dice_units(runs):
    runs["hd95"] = 30 * (1 - runs["dice"])
    assert forensics.find(runs, "hd95") == ()
    runs.loc[at(runs, dataset="d1", model="m2", loss="l3"), "hd95"] += 60
    assert [one.code for one in forensics.find(runs, "hd95")] == ["F2"]


def test_a_metric_that_is_not_there_has_no_finding(runs):
    assert forensics.find(runs, "nothing") == ()


@pytest.mark.parametrize(
    ("values", "expected"), [([0.81, 0.8], 0.01), ([0.5], 0.1), ([1 / 3], 1e-12)]
)
def test_the_last_digit_of_scores(values, expected):
    assert unit(pd.Series(values).to_numpy()) == pytest.approx(expected)


def test_twins_tell_the_noise_of_running_the_same_again(runs):
    wide = runs.pivot_table(index=["dataset", "model", "repeat"], columns="loss")
    expected = wide["dice", "l1"] - wide["dice", "l2"]
    assert rerun_noise(runs, "dice", "l1", "l2").equals(expected)


@pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the public re-run's first copy is not in {SHARED}"
)
def test_the_runs_of_the_public_rerun_have_what_was_found_in_them():
    table = pd.read_csv(SHARED / "all_data_0511.csv", index_col=0).dropna(how="all")
    names = {"data_name": "dataset", "model_name": "model", "loss_name": "loss"}
    scores = {f"test_{n}": n for n in ("dice", "iou", "precision", "recall")}
    table = table.rename(columns=names | scores | {"iter": "repeat"})
    found = {one.code: one for one in forensics.find(table.reset_index(drop=True))}
    assert found["F1"].text.startswith(
        "139 pairs of runs agree in every score under two names: "
        "DiceWithGaussianLoss = IoUWithGaussianLoss (119), "
        "DiceWithEdgeLoss = FocalWithEdgeLoss (20)"
    )
    assert len(found["F2"].cells) == 24
    assert {cell[0] for cell in found["F2"].cells} == {
        "breast-cancer-benign",
        "breast-cancer-malignant",
    }
    assert {cell[1] for cell in found["F4"].cells} == {"ColonFormer"}
    assert "10 losses" in found["F4"].text and "other 24" in found["F4"].text
    assert found["F5"].text.startswith("6 scores are 0 or nearly 0, ")
