"""One table in every form that people write has one answer."""

from __future__ import annotations

import pandas as pd
import pytest
from made_forms import FORMS, cells, excel, nnunet, runs, text

from lesionkit.tables import load_table, remarks

MEANS = runs().groupby(["dataset", "model", "loss"])["dice"].mean()


def write(tmp_path, name, content):
    """Writes a file of text or bytes and gives its path."""
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_a_table_has_the_same_means(name, tmp_path):
    table = load_table(write(tmp_path, name, FORMS[name]()))
    means = table.groupby(["dataset", "model", "loss"])["dice"].mean()
    pd.testing.assert_series_equal(means, MEANS, atol=1e-4, rtol=0)
    wide = name.startswith("wide")
    assert len(table) == (12 if wide else 24)
    assert ("repeat" in table) != wide


def test_what_is_left_out_is_said_once(tmp_path):
    table = load_table(write(tmp_path, "junk.csv", FORMS["junk.csv"]()))
    said = " ".join(remarks(table))
    for part in (
        "left out above the table: 'Table 2. Results' (line 1)",
        "blank: line 7",
    ):
        assert said.count(part) == 1
    assert said.count("the names of the columns again: line 8; left out") == 1
    assert said.count("summary of other rows (Average): line 30; left out") == 1
    assert said.count("the same run again: line 29; left out") == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        ("dataset,model,loss,dice\n", "no row below the names of the columns"),
        ('dataset,"model\nx', "no table that can be read"),
        ("0.1,0.2\n0.3,0.4\n", "the columns have no names"),
        ("a,b\n1,2,3\n", "line 2 has 3 cells under 2 names .*decimal comma"),
        (b"\xd0\xcf\x11\xe0" + b"0" * 9, r"old Excel file \(.xls\): save it as .xlsx"),
        (b"PAR1" + b"0" * 9, "Parquet"),
        (b"PK\x03\x04" + b"0" * 9, "not a zip file"),
        ("<html><table></table></html>", "web page"),
        ('{"a": 1}', "JSON without a table"),
    ],
)
def test_what_is_no_table_is_refused_in_a_line_with_its_kind(content, says, tmp_path):
    path = write(tmp_path, "t.csv", content)
    with pytest.raises(ValueError, match=f"t.csv: .*{says}") as caught:
        load_table(path)
    assert "\n" not in str(caught.value)


def test_merged_cells_hold_in_all_their_rows(tmp_path):
    rows = [
        r"\begin{tabular}{llcc}",
        r"Dataset & Model & BCE & Dice \\ \hline % a comment",
        r"\multirow{2}{*}{Kvasir} & U-Net & 70.0 & \textbf{72.0} \\",
        r" & FCN & 71.0 & $73.0 \pm 0.4$ \\",
        r"Wound & U-Net & 60.0 & 62.0 \\ \end{tabular}",
    ]
    table = load_table(write(tmp_path, "t.tex", "\n".join(rows)))
    of_fcn = table[table["model"] == "fcn"].set_index("loss")
    assert set(of_fcn["dataset"]) == {"kvasir"}
    assert dict(of_fcn["dice"]) == pytest.approx({"bce": 0.71, "dice": 0.73})
    assert of_fcn["dice_sd"]["dice"] == pytest.approx(0.004)


def test_of_several_sheets_one_is_read_and_the_others_are_named(tmp_path):
    path = tmp_path / "t.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"a note": ["x", "y"], "b": [1, 2]}).to_excel(book, sheet_name="N")
        runs().to_excel(book, sheet_name="Runs", index=False)
    table = load_table(path)
    assert len(table) == 24
    assert "only sheet 'Runs' is read; save another one ('N')" in remarks(table)[0]


def test_names_in_two_rows_are_joined(tmp_path):
    table = cells().set_index("dataset").drop(columns="model").groupby(level=0).mean()
    wide = pd.concat({"Dice": table, "IoU": table / 2}, axis=1).swaplevel(axis=1)
    path = tmp_path / "t.xlsx"
    wide.sort_index(axis=1).to_excel(path)
    found = load_table(path).set_index(["dataset", "loss"])
    assert found["dice"]["busi", "dice"] == pytest.approx(table["dice"]["busi"])
    assert found["iou"]["busi", "dice"] == pytest.approx(table["dice"]["busi"] / 2)


def test_a_name_that_is_a_loss_or_a_score_of_one_is_asked_for(tmp_path):
    head = "dataset,Dice-BCE,Dice-Focal,IoU-BCE,IoU-Focal\n"
    path = write(tmp_path, "t.csv", head + "a,.8,.7,.6,.5\nb,.8,.7,.6,.5\n")
    with pytest.raises(ValueError, match="'Dice-BCE' a loss, or the dice of BCE"):
        load_table(path)
    rows = "dataset,BCE Dice,Dice Dice,BCE IoU,Dice IoU\na,.8,.7,.6,.5\n"
    table = load_table(write(tmp_path, "u.csv", rows)).set_index("loss")
    assert dict(table["dice"]) == {"bce": 0.8, "dice": 0.7}
    assert dict(table["iou"]) == {"bce": 0.6, "dice": 0.5}


def test_columns_of_compound_losses_are_losses(tmp_path):
    rows = "dataset,model,Dice-BCE,Dice-Focal\na,u,.8,.7\nb,u,.8,.7\n"
    table = load_table(write(tmp_path, "t.csv", rows))
    assert set(table["loss"]) == {"dicebce", "dicefocal"}
    assert set(table["dice"]) == {0.8, 0.7}


def test_the_scores_of_nnunet_are_rows_by_case(tmp_path):
    for trainer, score in (("nnUNetTrainerBCE", 0.7), ("nnUNetTrainerDice", 0.8)):
        for fold in range(2):
            place = f"Dataset001_Liver/{trainer}__nnUNetPlans__2d/fold_{fold}"
            (tmp_path / place).mkdir(parents=True)
            write(tmp_path / place, "summary.json", nnunet(score))
    table = load_table(tmp_path)
    assert set(table["dataset"]) == {"Liver"}
    assert set(table["model"]) == {"nnUNetPlans 2d"}
    assert list(table.groupby("loss")["dice"].mean().round(4)) == [0.7055, 0.8055]
    assert sorted(table["repeat"].unique()) == [0, 1]
    assert len(table["image"].unique()) == 12
    one = next(tmp_path.rglob("summary.json"))
    assert len(load_table(one)) == 12


def test_a_run_that_a_tracker_says_to_have_crashed_failed(tmp_path):
    table = runs().assign(State=["crashed", *["finished"] * 23])
    found = load_table(write(tmp_path, "t.csv", table.to_csv(index=False)))
    assert (found["dice"].isna().sum(), found["failed"][0]) == (1, "crashed")


@pytest.mark.parametrize("sep", [",", ";", "    "])
def test_a_long_file_is_split_as_a_short_one(sep, tmp_path):
    rows = [
        f"i{i},busi,unet,{loss},0.8" for i in range(300) for loss in ("bce", "dice")
    ]
    lines = ["image,dataset,model,loss,dice", *rows]
    path = write(tmp_path, "t.csv", "\n".join(lines).replace(",", sep))
    assert len(load_table(path)) == 600


def test_an_encoding_is_told_by_the_names_it_gives(tmp_path):
    head = ["데이터셋", "모델", "손실", "반복", "다이스", "정밀도"]
    bytes_ = text(head=head).encode("cp949")
    assert load_table(write(tmp_path, "t.csv", bytes_))["dice"].notna().all()


def test_a_workbook_of_two_sheets_with_no_table_is_refused(tmp_path):
    path = write(tmp_path, "t.xlsx", excel(pd.DataFrame()))
    with pytest.raises(ValueError, match="an Excel file without a table"):
        load_table(path)
