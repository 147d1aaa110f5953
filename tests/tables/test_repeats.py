"""What is a repeat, what is another experiment, and what is no run at all."""

from __future__ import annotations

import pandas as pd
import pytest
from made_forms import runs
from made_tables import csv as csv

from lesionkit.inference.ranking import check_comparable
from lesionkit.tables import load_table, remarks, select

RUNS = runs().drop(columns="iou")


def test_fold_and_seed_together_are_repeats_and_it_is_said(csv):
    both = [RUNS.rename(columns={"repeat": "fold"}).assign(seed=s) for s in (1, 2)]
    table = load_table(csv(pd.concat(both).to_csv(index=False)))
    assert set(table["repeat"]) == {"0 1", "1 1", "0 2", "1 2"}
    assert "each pair of fold and seed is a repeat" in remarks(table)


def test_a_seed_that_is_the_same_throughout_is_no_repeat(csv):
    table = RUNS.rename(columns={"repeat": "fold"})
    table.insert(0, "seed", 42)
    found = load_table(csv(table.to_csv(index=False)))
    assert sorted(found["repeat"].unique()) == [0, 1]
    assert "repeat is taken from 'fold'; 'seed' tells no more" in remarks(found)


def test_an_id_is_no_repeat(csv):
    table = RUNS.drop(columns="repeat").assign(run_id=[f"r{i}" for i in range(24)])
    found = load_table(csv(table.to_csv(index=False)))
    assert sorted(found["repeat"].unique()) == [0, 1]
    assert any("numbered in their order" in line for line in remarks(found))


@pytest.mark.parametrize("repeat", [True, False])
def test_other_experiments_are_no_repeats(repeat, csv):
    table = pd.concat([RUNS.assign(optimizer=o) for o in ("adam", "sgd")])
    table = table if repeat else table.drop(columns="repeat")
    found = load_table(csv(table.to_csv(index=False)))
    with pytest.raises(ValueError, match=r"differ in optimizer \(adam, sgd\).*--only"):
        check_comparable(found)
    assert "runs of one cell differ in optimizer (adam, sgd)" in " ".join(
        remarks(found)
    )
    assert len(select(found, "optimizer=sgd")) == 24
    check_comparable(select(found, "optimizer=sgd"))


@pytest.mark.parametrize("repeat", [True, False])
def test_an_encoder_beside_a_network_is_another_experiment(repeat, csv):
    parts = [
        RUNS.assign(Encoder=e, dice=RUNS.dice + i / 100)
        for i, e in enumerate(("resnet34", "mit_b0"))
    ]
    table = pd.concat(parts)
    table = table if repeat else table.drop(columns="repeat")
    found = load_table(csv(table.to_csv(index=False)))
    with pytest.raises(ValueError, match=r"differ in Encoder \(resnet34, mit_b0\)"):
        check_comparable(found)


@pytest.mark.parametrize("name", ["beta", "lr", "image size", "max_epochs", "split"])
def test_settings_that_differ_are_refused_under_any_name(name, csv):
    table = pd.concat([RUNS.assign(**{name: value}) for value in (1, 2)])
    found = load_table(csv(table.to_csv(index=False)))
    with pytest.raises(ValueError, match=r"the runs differ in .* \(1, 2\)"):
        check_comparable(found)


def test_two_results_for_one_run_are_refused_by_name(csv):
    again = RUNS.head(1).assign(dice=0.1)
    path = csv(pd.concat([RUNS, again]).to_csv(index=False))
    with pytest.raises(ValueError, match="kvasir, model unet, loss bce, repeat 0 in"):
        load_table(path)


def test_rows_of_images_are_no_runs(csv):
    rows = [
        (f"p{i // 2}", f"i{i}", "busi", "unet", loss, 0.7 + 0.01 * i)
        for i in range(12)
        for loss in ("bce", "dice")
    ]
    head = ["patient", "Image ID", "dataset", "model", "loss", "dice"]
    table = load_table(csv(pd.DataFrame(rows, columns=head).to_csv(index=False)))
    assert set(table["repeat"]) == {0}
    assert (len(table["image"].unique()), len(table["group"].unique())) == (12, 6)
    said = "rows are images (Image ID), not trainings: 12 images"
    assert said in " ".join(remarks(table))
    check_comparable(table)


@pytest.mark.parametrize("file", ["weights.pt", [f"w{i}.pt" for i in range(24)]])
@pytest.mark.parametrize("repeat", [True, False])
def test_a_file_that_a_run_left_is_no_image(file, repeat, csv):
    table = RUNS.assign(file=file)
    table = table if repeat else table.drop(columns="repeat")
    assert "image" not in load_table(csv(table.to_csv(index=False)))


def test_a_few_patients_are_no_runs(csv):
    table = RUNS.rename(columns={"repeat": "patient"})
    found = load_table(csv(table.to_csv(index=False)))
    assert (set(found["repeat"]), len(found["image"].unique())) == ({0}, 2)


def test_a_table_of_the_kit_comes_back_as_it_was(csv):
    table = load_table("study-small")
    found = load_table(csv(table.to_csv(index=False)))
    keys = ["dataset", "model", "loss", "repeat", "dice", "hd95"]
    keys = [name for name in keys if name in table]
    pd.testing.assert_frame_equal(found[keys], table[keys], check_dtype=False)
