"""Run records to one row a run, and which rows are kept and compared."""

import pandas as pd
import pytest
from made_records import TWO_BY_THREE, made_grid, made_record
from made_tables import HEAD, ROW
from made_tables import csv as csv

from lesionkit.config import RunConfig
from lesionkit.tables import comparable_records, load_table, select, with_background


def test_a_record_is_a_row_with_its_scores(data_home):
    made_record(RunConfig(loss="dice", repeat=2), 0.75)
    row = load_table(data_home / "runs").iloc[0]
    keys = ["dataset", "model", "loss", "repeat", "dice", "iou", "precision", "recall"]
    assert list(row[keys]) == ["toy", "unet", "dice", 2, 0.75, 0.65, 0.73, 0.76]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("pooled_dice", 0.74),
        ("raw_mean_dice", 0.73),
        ("raw_mean_recall", 0.74),
        ("average_precision", 0.80),
        ("test_images", 4),
        ("best_epoch", 2),
        ("epochs_trained", 3),
        ("wall_seconds", 36.0),  # of two sessions, 24 and 12
        ("source", "made by hand"),
        ("protocol", "demo"),
        ("definition", "A-gamma2"),
        ("size", 64),
        ("variant", "unet_bn_transposed_16"),
        ("run_id", "demo/toy/unet/dice/A-gamma2/repeat0"),
    ],
)
def test_a_row_tells_more_of_its_run(data_home, column, value):
    made_record(RunConfig(loss="dice"), 0.75)
    assert load_table(data_home / "runs")[column][0] == pytest.approx(value)


def test_rows_stand_in_the_order_of_data_set_model_loss_and_repeat(data_home):
    made_grid(TWO_BY_THREE)
    table = load_table(data_home / "runs")
    keys = list(
        table[["dataset", "model", "loss", "repeat"]].itertuples(index=False, name=None)
    )
    assert len(keys) == 12
    assert keys == sorted(keys)


def test_a_record_that_is_not_sealed_is_no_row(data_home):
    made_record(RunConfig(loss="dice"))
    made_record(RunConfig(loss="iou"), sealed=False)
    assert list(load_table(data_home / "runs")["loss"]) == ["dice"]


def test_a_score_that_is_undefined_is_nan(data_home):
    made_record(RunConfig(loss="dice"), float("nan"))
    assert load_table(data_home / "runs")["dice"].isna().all()


def test_a_folder_without_records_is_told_with_the_command_that_makes_one(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        load_table(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "lesionkit train -p loss ioufocal" in str(caught.value)


def test_a_place_with_nothing_is_told_as_a_full_path():
    with pytest.raises(FileNotFoundError, match=r"no table at /.*/nowhere\.csv$"):
        load_table("nowhere.csv")


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("public-rerun", {"n", "dice_sd"}),
        ("study-small", {"repeat", "background", "raw_mean_background"}),
        ("study-small-all", {"repeat", "definition", "split"}),
    ],
)
def test_a_table_that_comes_with_the_kit_is_loaded_by_its_name(name, columns):
    table = load_table(name)
    assert columns <= set(table) and len(table) > 0
    assert len(table.attrs["remarks"]) == (name == "public-rerun")


def test_a_file_of_that_name_wins_over_the_table_of_the_kit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study-small").write_text(HEAD + ROW)
    assert list(load_table("study-small")["dataset"]) == ["busi"]


def test_a_misspelt_table_of_the_kit_gets_the_nearest_name():
    with pytest.raises(FileNotFoundError, match=r"Did you mean study-small\?"):
        load_table("study-smal")


@pytest.fixture
def sizes():
    """Four rows of two sizes."""
    return pd.DataFrame(
        {"size": [64, 64, 96, 96], "loss": ["iou", "bce", "iou", "dice"]}
    )


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        ("", [0, 1, 2, 3]),
        ("size=96", [2, 3]),
        ("loss=iou,bce", [0, 1, 2]),
        ("size=96 loss=iou,bce", [2]),
    ],
)
def test_select_keeps_the_rows_that_meet_all_conditions(sizes, conditions, kept):
    assert list(select(sizes, conditions).index) == kept


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ("size", "expected NAME=VALUE, got 'size'"),
        ("sice=96", "unknown column 'sice'. Did you mean 'size'"),
        ("size=128", "no run has size=128. size is one of: 64, 96"),
        ("loss=dice size=64", "no run has size=64. size is one of: 96"),
    ],
)
def test_select_refuses_what_leaves_nothing(sizes, conditions, message):
    with pytest.raises(ValueError, match=message):
        select(sizes, conditions)


def test_the_records_to_compare_are_of_the_cell_with_most_losses(data_home):
    cells = {k: v for k, v in TWO_BY_THREE.items() if k != ("kvasir", "unet", "bce")}
    made_grid(cells)
    records = comparable_records(load_table(data_home / "runs"))
    assert set(records) == {"dice", "iou", "bce"}
    ids = {record.config["run_id"] for record in records.values()}
    assert {run_id.split("/")[1] for run_id in ids} == {"toy"}
    assert {run_id.split("/")[-1] for run_id in ids} == {"repeat0"}


def test_a_csv_has_no_records_to_compare(csv):
    assert comparable_records(load_table(csv(HEAD + ROW))) == {}


def test_background_is_the_mean_over_images_of_false_pixels(data_home):
    made_record(RunConfig(loss="dice"))
    table = with_background(load_table(data_home / "runs"))
    # the records' images have 1 false pixel of 12 in the background
    assert table["background"][0] == pytest.approx(1 / 12)
    assert table["raw_mean_background"][0] == pytest.approx(1 / 12)


def test_a_csv_knows_no_background(csv):
    table = load_table(csv(HEAD + ROW))
    assert with_background(table) is table
