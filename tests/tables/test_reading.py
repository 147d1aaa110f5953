"""Anybody's CSV to one row a run, its columns and names in any spelling."""

import pytest
from made_tables import HEAD, ROW
from made_tables import csv as csv

from lesionkit.tables import load_table, remarks


@pytest.mark.parametrize(
    "head",
    [
        "dataset,model,loss,repeat,dice,iou",
        "data_name,model_name,loss_name,iter,test_dice,test_iou",
        "Data,Architecture,Criterion,Fold,F1,Jaccard",
        "data_set,network,loss_function,seed,DSC,Jaccard Index",
        "Dataset,Model,Loss,Repeat,Dice,IoU",
    ],
)
def test_common_spellings_of_columns_are_recognised(csv, head):
    table = load_table(csv(f"{head}\n{ROW}"))
    assert list(table.columns) == ["dataset", "model", "loss", "repeat", "dice", "iou"]
    assert list(table.iloc[0]) == ["busi", "unet", "bce", 0, 0.8, 0.7]


def test_a_column_of_our_own_name_wins_over_another_spelling(csv):
    table = load_table(csv("dataset,model,loss,dice,dsc\nbusi,unet,bce,0.8,0.1\n"))
    assert (table["dice"][0], table["dsc"][0]) == (0.8, 0.1)


def test_columns_that_are_not_recognised_can_be_mapped(csv):
    path = csv("set,model,loss,overlap\nbusi,unet,bce,0.8\n")
    table = load_table(path, columns={"set": "dataset", "overlap": "dice"})
    assert (table["dataset"][0], table["dice"][0]) == ("busi", 0.8)


def test_a_map_wins_over_a_spelling(csv):
    path = csv("dataset,model,loss,dsc,mine\nbusi,unet,bce,0.8,0.3\n")
    assert load_table(path, columns={"mine": "dice"})["dice"][0] == 0.3


def test_a_map_to_a_column_that_is_there_is_refused(csv):
    path = csv("dataset,model,loss,dice,mine\nbusi,unet,bce,0.8,0.3\n")
    with pytest.raises(ValueError, match="two columns are 'dice'"):
        load_table(path, columns={"mine": "dice"})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"dicee": "dice"}, "unknown column of the file 'dicee'.*mean 'dice'"),
        ({"dice": "diice"}, "unknown column 'diice'.*mean 'dice'"),
    ],
)
def test_a_map_of_a_misspelt_name_is_refused_with_the_nearest(csv, columns, message):
    with pytest.raises(ValueError, match=message):
        load_table(csv(HEAD + ROW), columns=columns)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (ROW + "busi,unet,dice,0,80.5,0.7\n", r"dice outside .* in line 3 \(80.5\)"),
        ("busi,unet,bce,0,2,0\n" * 3, r"dice outside .* in lines 2, 3, 4 \(2\)"),
        ("a,unet,bce,0,2,0\n" * 9, "in lines 2, 3, 4, 5, 6 and 4 more"),
        (ROW + "\n" + "busi,unet,dice,0,2,0\n", "dice outside .* in line 4"),
        (ROW + ",,,,,\n" + "busi,unet,dice,0,2,0\n", "dice outside .* in line 4"),
        (ROW + "busi,unet,dice,0,high,0.7\n", "dice is no number in line 3 .'high'"),
        (ROW + "busi,,dice,0,0.8,0.7\n", "no model in line 3"),
        (ROW + "busi,unet,bce,0,0.7,0.7\n", "different results for dataset busi.*2, 3"),
        ("", "no row below the names"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_with_its_line(csv, rows, says):
    with pytest.raises(ValueError, match=says) as caught:
        load_table(csv(HEAD + rows))
    assert "table.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_percent_is_refused_with_the_way_out_and_taken_when_said(csv):
    path = csv("dataset,model,loss,dice\nbusi,unet,bce,80.5\nbusi,unet,iou,0.9\n")
    with pytest.raises(ValueError, match=r"if these are percent, pass --percent"):
        load_table(path)
    assert list(load_table(path, percent=True)["dice"]) == pytest.approx([0.805, 0.009])


def test_what_is_no_percent_either_gets_no_such_hint(csv):
    path = csv("dataset,model,loss,dice\nbusi,unet,bce,805\n")
    with pytest.raises(ValueError, match="outside") as caught:
        load_table(path)
    assert "--percent" not in str(caught.value)


def test_both_ends_of_the_range_are_allowed(csv):
    rows = "busi,unet,bce,0,0,1\nbusi,unet,bce,1,1,0\n"
    assert list(load_table(csv(HEAD + rows))["dice"]) == [0, 1]


def test_blank_rows_are_left_out_and_told(csv):
    table = load_table(csv(HEAD + ROW + "\n,,,,,\n" + ROW.replace("bce", "iou")))
    assert list(table["loss"]) == ["bce", "iou"]
    assert remarks(table) == ["blank: lines 3, 4"]


def test_the_same_row_twice_counts_once_and_is_told(csv):
    table = load_table(csv(HEAD + ROW + ROW))
    assert len(table) == 1
    assert remarks(table) == ["the same run again: line 3; left out"]


def test_a_score_that_is_not_asked_for_stops_nothing(csv):
    path = csv(HEAD + ROW + "busi,unet,dice,0,0.8,-1\n")
    table = load_table(path)
    assert "iou" not in table
    said = [line for line in remarks(table) if line.startswith("iou is left out")]
    assert "iou outside" in said[0] and "in line 3 (-1)" in said[0]
    with pytest.raises(ValueError, match="iou outside"):
        load_table(path, metric="iou")


def test_a_missing_score_stays_missing_and_is_told(csv):
    table = load_table(csv(HEAD + ROW + "busi,unet,dice,0,,0.7\n"))
    assert list(table["dice"].isna()) == [False, True]
    assert remarks(table) == ["no dice in line 3"]


def test_missing_cells_and_missing_runs_are_told_by_name(csv):
    rows = ["a,unet,bce,0,.8,.7", "a,unet,bce,1,.8,.7", "a,unet,iou,0,.8,.7"]
    rows += ["a,unet,iou,1,.8,.7", "b,unet,iou,0,.8,.7"]
    assert remarks(load_table(csv(HEAD + "\n".join(rows)))) == [
        "1 of 4 cells are missing: b/unet/bce",
        "1 cells have fewer than 2 runs: b/unet/iou",
    ]


def test_a_cell_table_has_means_deviations_and_numbers_and_no_repeat(csv):
    table = load_table(
        csv("data_name,model_name,loss,n,dice_mean,dice_std\nbusi,unet,bce,5,.8,.02\n")
    )
    assert dict(table.iloc[0]) == {
        "dataset": "busi",
        "model": "unet",
        "loss": "bce",
        "n": 5,
        "dice": 0.8,
        "dice_sd": 0.02,
    }


@pytest.mark.parametrize(
    ("column", "theirs", "ours"),
    [
        ("loss", "IoU+Focal", "ioufocal"),
        ("loss", "BCE-Dice", "dicebce"),
        ("loss", "Dice_BCE", "dicebce"),
        ("loss", "Lovasz", "lovasz"),
        ("model", "U-Net++", "unetplusplus"),
        ("model", "DeepLab-V3+", "deeplabv3plus"),
        ("dataset", " Kvasir ", "kvasir"),
        ("dataset", "BUSI benign", "busi_benign"),
    ],
)
def test_names_that_are_ours_in_another_spelling_are_read_as_ours(
    csv, column, theirs, ours
):
    cell = {"dataset": "a", "model": "b", "loss": "c"} | {column: theirs}
    text = ",".join([*cell.values(), "0", "0.8", "0.7"])
    table = load_table(csv(f"{HEAD}{text}\n"))
    assert table[column][0] == ours
    told = any(f"{theirs.strip()} as {ours}" in line for line in remarks(table))
    assert told == (theirs.strip() != ours)


def test_a_file_that_is_no_table_is_one_line(csv):
    for text in ("", '"a\n', 'a,b\n1,2,3\n"x'):
        with pytest.raises(ValueError, match=r"table\.csv") as caught:
            load_table(csv(text))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["dataset", "model", "loss"])
def test_a_missing_column_is_named_with_its_spellings(csv, name):
    path = csv(HEAD.replace(name, "other") + ROW)
    with pytest.raises(ValueError, match=f"no column for '{name}'.*known spellings"):
        load_table(path)


def test_a_table_without_any_score_is_refused(csv):
    with pytest.raises(ValueError, match="none of the columns dice, iou, precision"):
        load_table(csv("dataset,model,loss,speed\nbusi,unet,bce,3\n"))


def test_rows_of_one_cell_are_numbered_where_no_repeat_is_given(csv):
    rows = "a,unet,bce,0.8\na,unet,bce,0.7\na,unet,iou,0.6\n"
    table = load_table(csv("dataset,model,loss,dice\n" + rows))
    assert list(table["repeat"]) == [0, 1, 0]
