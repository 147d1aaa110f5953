"""Which column is which; what a refusal says; what --set and --map fill in."""

from __future__ import annotations

import pytest
from made_forms import runs
from made_tables import csv as csv

from lesionkit.tables import load_table, remarks, select


def of(csv, table):
    return csv(table.to_csv(index=False))


def test_a_missing_key_is_one_for_all_and_can_be_named(csv):
    table = runs().query("model == 'unet'").drop(columns="model")
    found = load_table(of(csv, table))
    assert set(found["model"]) == {"one network"}
    assert any("--set model=NAME names it" in line for line in remarks(found))
    named = load_table(of(csv, table), settings={"model": "U-Net"})
    assert set(named["model"]) == {"unet"}


def test_a_key_may_not_be_set_over_a_column_nor_an_unknown_one(csv):
    with pytest.raises(ValueError, match="--set model: the table has a column for it"):
        load_table(of(csv, runs()), settings={"model": "fcn"})
    with pytest.raises(ValueError, match="unknown name to set 'modell'.*mean 'model'"):
        load_table(of(csv, runs()), settings={"modell": "fcn"})


def test_rows_of_several_networks_without_a_column_are_refused(csv):
    with pytest.raises(ValueError, match="different results .* No column is the model"):
        load_table(of(csv, runs().drop(columns="model")))


def test_a_refusal_has_the_columns_the_kind_and_the_map_that_helps(csv):
    path = of(csv, runs().rename(columns={"loss": "variant of training"}))
    with pytest.raises(ValueError, match=r"no column for 'loss'") as caught:
        load_table(path)
    said = str(caught.value)
    assert "Columns: dataset, model, variant of training, repeat, dice, iou" in said
    assert "(CSV with commas, UTF-8)" in said
    assert "--map 'variant of training=loss'" in said
    mapped = load_table(path, columns={"variant of training": "loss"})
    assert set(mapped["loss"]) == {"bce", "dice"}


def test_the_value_of_a_loss_is_not_its_name(csv):
    table = runs().rename(columns={"loss": "loss_name"}).assign(loss=0.25)
    found = load_table(of(csv, table))
    assert set(found["loss"]) == {"bce", "dice"}
    assert list(found["loss_value"].unique()) == [0.25]
    assert any("the losses are those of 'loss_name'" in line for line in remarks(found))
    with pytest.raises(ValueError, match="no column for 'loss'"):
        load_table(of(csv, table.drop(columns="loss_name")))


def test_losses_in_a_column_of_methods_are_losses(csv):
    table = runs().query("model == 'unet'").drop(columns="model")
    found = load_table(of(csv, table.rename(columns={"loss": "Method"})))
    assert set(found["loss"]) == {"bce", "dice"}
    assert any("'Method' names losses" in line for line in remarks(found))


def test_of_several_columns_of_one_score_the_test_is_taken_and_said(csv):
    table = runs().rename(columns={"dice": "val_dice"})
    table = table.assign(test_dice=0.5, train_dice=0.9)
    found = load_table(of(csv, table))
    assert set(found["dice"]) == {0.5}
    assert any("dice is column 'test_dice'; also" in line for line in remarks(found))
    of_validation = load_table(of(csv, table.drop(columns="test_dice")))
    assert list(of_validation["dice"]) == list(runs().dice)
    assert any("is of validation images" in line for line in remarks(of_validation))
    with pytest.raises(ValueError, match="none of the columns"):
        load_table(of(csv, table[["dataset", "model", "loss", "repeat", "train_dice"]]))


@pytest.mark.parametrize(("first", "second"), [("dsc", "f1"), ("f1", "dsc")])
def test_two_columns_that_may_be_one_score_are_asked_for(csv, first, second):
    table = runs().rename(columns={"dice": first}).assign(**{second: 0.4})
    says = f"{first}, {second} all mean 'dice' and differ.*--map"
    with pytest.raises(ValueError, match=says):
        load_table(of(csv, table))
    assert set(load_table(of(csv, table), columns={second: "dice"})["dice"]) == {0.4}


def test_a_mean_iou_is_kept_apart_and_said(csv):
    found = load_table(of(csv, runs().rename(columns={"iou": "mIoU"})))
    assert "iou" not in found
    assert list(found["miou"]) == list(runs().iou)
    assert any("--map 'mIoU=iou'" in line for line in remarks(found))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("IoULoss", "iou"), ("Dice BCE Loss", "dicebce"), ("focal_loss", "focal")],
)
def test_losses_are_known_with_the_word_loss(theirs, ours, csv):
    table = runs().assign(loss=runs().loss.map({"bce": theirs, "dice": "Lovasz"}))
    assert set(load_table(of(csv, table))["loss"]) == {ours, "lovasz"}


@pytest.mark.parametrize("pair", [("UNet", "UNet+"), ("ResUNet", "ResUNet++")])
def test_names_that_differ_by_a_plus_stay_apart(pair, csv):
    renamed = runs().model.map({"unet": pair[0], "fcn": pair[1]})
    table = runs().assign(model=renamed)
    assert len(load_table(of(csv, table))["model"].unique()) == 2


def test_values_with_blanks_are_chosen_and_unknown_ones_refused(csv):
    table = runs().assign(dataset=runs().dataset.replace("busi", "Liver Tumor"))
    found = load_table(of(csv, table))
    assert len(select(found, "dataset=Liver Tumor")) == 8
    assert len(select(found, "dataset=Liver Tumor loss=dice")) == 4
    assert len(select(found, ["dataset=liver tumor,Kvasir", "model=U-Net"])) == 8
    with pytest.raises(ValueError, match="no run has loss=bec. Did you mean 'bce'"):
        select(found, "loss=dice,bec")


def test_scores_of_several_classes_are_asked_for(csv):
    table = runs().rename(columns={"dice": "dice_wt", "iou": "dice_tc"})
    with pytest.raises(ValueError, match="--map 'dice_wt=dice'"):
        load_table(of(csv, table))
    found = load_table(of(csv, table), columns={"dice_tc": "dice"})
    assert list(found["dice"]) == list(runs().iou)


def test_a_row_without_a_name_below_one_with_it_is_refused_by_its_line(csv):
    path = csv("dataset,model,BCE,Dice\na,u,.8,.7\n,v,.8,.7\n")
    with pytest.raises(ValueError, match="no dataset in line 3; if it is that of the"):
        load_table(path)


SEG_LOSS = """\
| name | Seg Loss | Dice | IoU | Boundary F1 |
|---|---|---|---|---|
| a | BCE + Dice | 0.76 | 0.62 | 0.51 |
| b | Focal Tversky | 0.71 | 0.58 | 0.47 |
"""


def test_names_of_scores_are_no_losses_and_words_below_seg_loss_are(tmp_path):
    path = tmp_path / "table.md"
    path.write_text(SEG_LOSS)
    table = load_table(path, settings={"dataset": "x", "model": "y"})
    assert table["loss"].tolist() == ["dicebce", "focal_tversky"]
    assert table["dice"].tolist() == [0.76, 0.71]
    assert "'Seg Loss' is read as the loss" in remarks(table)


def test_pooled_scores_are_scores_and_counts_beside_them_are_none(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(
        "dataset,model,loss,seed,threshold_rule,n_images,tp_count,f1_global,iou_global\n"
        "a,u,bce,0,fixed,1124,10704172,0.73,0.58\n"
        "a,u,dice,0,fixed,1124,10804172,0.74,0.59\n"
    )
    assert load_table(path)["dice"].tolist() == [0.73, 0.74]
    text = path.read_text().replace("f1_global", "f1_of_all")
    path.write_text(text.replace("iou_global", "iou_of_all"))
    with pytest.raises(ValueError, match="--map 'f1_of_all=dice'"):
        load_table(path)
