"""Which image is shown, where it comes from, and the bundle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_comparison import made_comparison
from made_records import complete_record, made_record

from lesionkit.config import RunConfig
from lesionkit.prepared import open_prepared
from lesionkit.records.runs import RunRecord
from lesionkit.thresholds import comparison
from lesionkit.thresholds.comparison import Shelf, compare, load_bundle, shelf

SMALL = {"dataset": "tiny", "size": 32, "model": "unet"}


@pytest.mark.parametrize(
    ("rule", "file"),
    [
        ("smallest", "small.png"),
        ("largest", "large.png"),
        ("empty", "empty.png"),
        ("median", "middle.png"),
        ("large.png", "large.png"),
    ],
)
def test_a_rule_finds_its_image(rule, file):
    made = made_comparison()
    assert made.files[made.position(rule)] == file


def test_an_image_without_lesion_has_no_say_in_the_median():
    made = made_comparison()
    masks = made.masks.copy()
    masks[made.files.index("small.png")] = 0
    two = replace(made, masks=masks)  # middle and large: the larger of the two
    assert two.files[two.position("median")] == "large.png"
    assert two.files[two.position("smallest")] == "middle.png"


def test_the_worst_image_has_the_lowest_mean_dice_over_the_losses():
    made = made_comparison()
    logits = made.logits.copy()
    logits[:, 1] = -logits[:, 1]
    assert replace(made, logits=logits).position("worst") == 1


def test_a_rule_without_an_image_is_refused_and_not_offered():
    made = made_comparison()
    full = replace(made, masks=np.ones_like(made.masks))
    with pytest.raises(ValueError, match="'empty': none of 4 images is without lesion"):
        full.position("empty")
    assert list(full.choices()) == ["smallest", "median", "largest", "worst"]


def test_an_unknown_image_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="Did you mean 'largest'"):
        made_comparison().position("larges")


def test_a_bundle_gives_back_what_was_saved(tmp_path):
    made = made_comparison()
    found = load_bundle(made.save(tmp_path / "deep" / "made.npz"))
    assert found.losses == made.losses and found.files == made.files
    assert found.title == made.title
    for name in ("images", "masks", "logits", "validation_cuts"):
        assert np.array_equal(getattr(found, name), getattr(made, name))
    for name in ("curves", "marked", "theory"):
        assert getattr(found, name).round(12).equals(getattr(made, name).round(12))


@pytest.mark.parametrize("content", [b"", b"not a bundle", b"PK\x03\x04"])
def test_a_file_that_is_no_bundle_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "wrong.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is neither a folder of run records nor"):
        load_bundle(path)


def test_the_bundle_of_the_kit_holds_ten_losses_and_an_image_of_every_rule():
    bundle = load_bundle()
    assert len(bundle.losses) == 10
    assert list(bundle.choices()) == list(comparison.CHOICES)
    assert set(bundle.curves["loss"]) == set(bundle.losses)
    assert comparison.BUNDLE.stat().st_size < 215_000


def test_on_the_bundle_the_raw_mean_marks_half_of_the_image_without_lesion():
    bundle = load_bundle()
    logits = bundle.logits[:, bundle.position("empty")].astype(np.float32)
    means = logits.mean((1, 2), keepdims=True)
    shares = (logits > means).mean((1, 2))
    assert (shares > 0.2).all() and (shares < 0.8).all()


def records_of(losses, **others):
    """Records of these losses on the discs."""
    configs = [RunConfig(loss=loss, **SMALL | others) for loss in losses]
    return {config.loss: RunRecord(complete_record(config)) for config in configs}


def test_records_become_a_comparison_of_the_images_they_keep(tiny):
    found = compare(records_of(["dice", "bce"]), "tiny")
    data = open_prepared("tiny", size=32)
    assert found.losses == ("dice", "bce")
    assert found.files == tuple(data.index["file"][[1, 7, 13, 19]])
    assert np.array_equal(found.masks, data.masks[[1, 7, 13, 19]])
    assert found.logits.shape == (2, 4, 32, 32)


def test_runs_that_keep_other_images_are_not_compared(tiny):
    records = records_of(["dice"])
    other = RunConfig(loss="bce", **SMALL)
    same = {"fingerprint": records["dice"].metrics["data"]["fingerprint"]}
    records["bce"] = RunRecord(made_record(other, positions=(0, 1, 2, 3), **same))
    with pytest.raises(ValueError, match="bce has other test images"):
        compare(records, "tiny")


def test_runs_that_saw_other_data_are_not_compared(tiny):
    records = records_of(["dice"])
    other = RunConfig(loss="bce", **SMALL)
    records["bce"] = RunRecord(made_record(other, fingerprint="another"))
    with pytest.raises(ValueError, match="trained on different data"):
        compare(records, "tiny")


def test_losses_stand_in_the_order_of_the_paper(tiny, data_home):
    records_of(["bcefocal", "bce", "iou"])
    assert shelf(data_home / "runs").open().losses == ("iou", "bce", "bcefocal")


def test_no_records_are_refused():
    with pytest.raises(ValueError, match="no run records"):
        compare({})


def test_a_folder_of_records_is_a_comparison_for_each_model_and_repeat(tiny, data_home):
    records_of(["dice", "bce"])
    records_of(["dice"], repeat=1)
    found = shelf(data_home / "runs")
    assert found.titles == ["tiny, unet, repeat 0", "tiny, unet, repeat 1"]
    assert set(found.open().losses) == {"dice", "bce"}


def test_runs_of_another_setting_stand_apart(tiny, data_home):
    records_of(["dice", "bce"])
    records_of(["dice"], epochs=3)
    found = shelf(data_home / "runs")
    assert found.titles == ["tiny, unet, repeat 0", "tiny, unet, repeat 0 (2)"]


def test_two_definitions_of_one_loss_stand_side_by_side_under_their_names(
    tiny, data_home
):
    records_of(["focal"])
    records_of(["focal"], definition="A-printed")
    found = shelf(data_home / "runs")
    losses = {loss for title in found.titles for loss in found.open(title).losses}
    assert losses == {"focal A-gamma2", "focal A-printed"}


def test_a_source_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no bundle at"):
        shelf(tmp_path / "nothing")


def test_conditions_on_a_bundle_are_refused():
    with pytest.raises(ValueError, match="chooses among run records"):
        shelf("", "dataset=toy")


def test_a_comparison_is_read_once():
    reads = []
    of = Shelf({"made": lambda: reads.append(1) or made_comparison()})
    assert of.open() is of.open("made")
    assert reads == [1]
