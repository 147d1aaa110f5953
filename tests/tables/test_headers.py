"""Names of columns in any spelling, language and decoration."""

import pytest

from lesionkit.tables.forms.headers import meaning, metric_name, our_name


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ("Method", "model"),
        ("Loss Function", "loss"),
        ("__Loss Function__", "loss"),
        ("params.loss", "loss"),
        ("config/loss", "loss"),
        ("data-set", "dataset"),
        ("Run ID", "repeat"),
        ("Dice (%)", "dice"),
        ("Dice ↑", "dice"),
        (r"Dice $\uparrow$", "dice"),
        ("DSC (Dice)", "dice"),
        ("mDice", "dice"),
        ("testDice", "dice"),
        ("test/dice", "dice"),
        ("summary.test/dice", "dice"),
        ("Sensitivity [%]", "recall"),
        ("HD95 (mm)", "hd95"),
        ("데이터셋", "dataset"),
        ("손실함수", "loss"),
        ("다이스", "dice"),
        ("数据集", "dataset"),
        ("损失函数", "loss"),
        ("Dice系数", "dice"),
        ("交并比", "iou"),
        ("Verlustfunktion", "loss"),
        ("Wiederholung", "repeat"),
        ("Función de pérdida", "loss"),
        ("Функция потерь", "loss"),
    ],
)
def test_a_column_is_known_by_its_letters(given, ours):
    assert (meaning(given).ours, meaning(given).known) == (ours, True)


@pytest.mark.parametrize("given", ["mIoU", "Mean IoU", "m_iou", "test/mIoU"])
def test_a_mean_iou_is_not_the_iou(given):
    assert meaning(given).ours == "miou"


def test_a_mean_before_a_score_is_over_images_and_behind_it_over_runs():
    assert (meaning("Mean Dice").mean_over, meaning("Mean Dice").part) == (True, "")
    assert (meaning("dice_mean").mean_over, meaning("dice_mean").part) == (
        False,
        "mean",
    )
    assert meaning("dice_std").part == "sd"


@pytest.mark.parametrize("given", ["test_loss", "val/loss", "Train Loss", "测试损失"])
def test_the_value_of_a_loss_is_not_its_name(given):
    assert meaning(given).ours == "loss_value"


@pytest.mark.parametrize("given", ["Liver-DSC", "BCE", "train_size", "Augmentation"])
def test_other_columns_keep_their_names(given):
    assert not meaning(given).known


def test_parts_of_the_data_arrows_and_units_are_seen():
    assert meaning("val_dice").stage == "val"
    assert (meaning("HD95 ↓").lower, meaning("Dice ↑").lower) == (True, False)
    assert (meaning("Dice (%)").percent, meaning("Dice").percent) == (True, False)


def test_scores_are_asked_for_in_any_spelling():
    assert [metric_name(n) for n in ("HD95", "DSC", "mine")] == ["hd95", "dice", "mine"]
    assert [our_name(n) for n in ("Dice SD", "F1", "#")] == ["dice_sd", "dice", ""]
