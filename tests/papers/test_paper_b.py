"""Paper B's protocol sets its numbers; its scores come apart as they should."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_data import write_discs

import lesionkit as lk
from lesionkit.metrics.lesions import MEASURED
from lesionkit.papers import paper_b
from lesionkit.sweeps.sweep import read_sweep
from lesionkit.training.building import build

TABLE = {  # paper B, Table 1: alpha, gamma, beta
    "segnet": (0.75, 5.0, 0.6),
    "enet": (0.75, 2.0, 0.3),
    "unet": (0.25, 4.0, 0.7),
}


@pytest.mark.parametrize("model", TABLE)
def test_each_network_has_its_numbers_and_a_loss_takes_those_it_uses(model):
    alpha, gamma, beta = TABLE[model]
    expected = {
        "balanced_bce": (alpha, None, None),
        "focal": (alpha, gamma, None),
        "custom": (alpha, gamma, beta),
    }
    for loss, numbers in expected.items():
        config = lk.RunConfig(
            protocol="paper_b", dataset="ct_phantom", model=model, loss=loss
        ).resolved()
        assert (config.alpha, config.gamma, config.beta) == numbers


def test_what_is_said_wins_over_the_table_and_changes_the_folder():
    plain = lk.RunConfig(
        protocol="paper_b", dataset="ct_phantom", model="enet", loss="custom"
    )
    other = replace(plain, alpha=0.5)
    assert other.resolved().alpha == 0.5
    assert other.resolved().gamma == 2.0
    assert plain.run_id.endswith("/custom/B/repeat0")
    assert other.run_id != plain.run_id


def test_the_protocol_has_the_settings_of_the_paper():
    config = lk.RunConfig(
        protocol="paper_b", dataset="ct_phantom", model="unet", loss="focal"
    ).resolved()
    settings = {
        name: getattr(config, name)
        for name in "variant size batch_size epochs learning_rate split split_seed "
        "scored_epoch without_lesion stop_rule".split()
    }
    assert settings == {
        "variant": "unet_2015_same_padding",
        "size": 512,
        "batch_size": 30,
        "epochs": 100,
        "learning_rate": 1e-3,
        "split": "group",
        "split_seed": 42,
        "scored_epoch": "last",
        "without_lesion": "apart",
        "stop_rule": "never",
    }


@pytest.mark.parametrize("name", ["paper_b.yaml", "paper_b_small.yaml"])
def test_the_sweeps_are_the_nine_rows_of_the_table(name):
    configs = read_sweep(name).configs
    assert {(c.model, c.loss) for c in configs} == set(
        paper_b.printed_table()[["model", "loss"]].itertuples(index=False, name=None)
    )
    assert len(configs) == 9


def test_two_printed_rows_have_an_f1_that_cannot_be():
    table = paper_b.printed_table().set_index(["model", "loss"])
    above = table[table["off"] > 0.0005]
    assert list(above.index) == [("enet", "custom"), ("unet", "balanced_bce")]
    off = (100 * above["off"]).round(2).tolist()
    assert off == [0.66, 2.29]
    for row in table.reset_index().itertuples():
        mine = TABLE[row.model]
        assert row.alpha == mine[0]
        assert np.isnan(row.gamma) or row.gamma == mine[1]
        assert np.isnan(row.beta) or row.beta == mine[2]


@pytest.fixture
def record(data_home):
    """Two epochs of enet on discs, some of them without a lesion."""
    write_discs("discs", strata=True)
    config = lk.RunConfig(
        protocol="paper_b",
        dataset="discs",
        model="enet",
        loss="custom",
        size=32,
        epochs=2,
        batch_size=4,
        threads=1,
    )
    return lk.run(config, progress=False)


def test_slices_without_lesion_are_in_no_part_and_scored_apart(record):
    config = lk.RunConfig.from_mapping(
        {**record.identity, "repeat": 0} | {"dataset": "discs"}
    )
    setting = build(config)
    empty = ~setting.data.masks.any((1, 2))
    for name in ("train", "validation", "test"):
        assert not empty[setting.batches[name].positions].any()
    apart = setting.batches["test_without_lesion"].positions
    test = setting.parts.part("test")
    assert set(apart.tolist()) == set(test[empty[test]].tolist())
    found = record.metrics["test_without_lesion"]
    assert found["images"] == len(apart) > 0
    counted = found["probability"]
    assert counted["share_marked"] == pytest.approx(
        counted["pixels_marked"] / (len(apart) * 32 * 32)
    )


def test_every_epoch_is_trained_and_the_last_one_scored(record):
    assert record.metrics["best_epoch"] == record.metrics["epochs"] == 2
    assert record.history["best_epoch"].tolist() == [1, 2]


def test_scores_by_stratum_are_those_of_its_images(record):
    images = record.images[record.images["threshold"] == "probability"]
    for stratum, scores in record.metrics["test_by_stratum"].items():
        mine = images[images["stratum"] == stratum]
        assert scores["images"] == len(mine) > 0
        assert scores["probability"]["image"]["dice"] == pytest.approx(
            mine["dice"].mean()
        )
    assert set(record.metrics["test_by_stratum"]) == {"attached", "inside"}


def test_the_record_lists_how_it_differs_from_the_paper(record):
    stored = json.loads((record.folder / "config.json").read_text())
    assert "the patients: the paper's 80 are not published" in stored["deviations"]


def test_a_row_of_the_table_is_what_the_record_says(record):
    row = paper_b.table_1([record]).iloc[0]
    image = record.metrics["test"]["probability"]["image"]
    assert (row["f1"], row["recall"]) == (image["dice"], image["recall"])
    assert (row["alpha"], row["gamma"], row["beta"]) == TABLE["enet"]
    images = record.images[record.images["threshold"] == "probability"]
    assert row["lesions"] == images["lesions"].sum() == len(images)
    assert 0 <= row["lesions_found"] <= row["lesions"]


def test_a_table_under_an_unknown_threshold_is_refused(record):
    with pytest.raises(ValueError, match="unknown threshold 'raw'.*mean 'raw_mean'"):
        paper_b.table_1([record], "raw")


def test_rates_agree_with_the_counts_at_probability_one_half(record):
    table = paper_b.rates(record).set_index("logit")
    counts = record.images[record.images["threshold"] == "probability"]
    tp, fp, fn, tn = (counts[name].sum() for name in ("tp", "fp", "fn", "tn"))
    at_zero = table.loc[0.0]
    assert at_zero["recall"] == pytest.approx(tp / (tp + fn))
    assert at_zero["false_positive_rate"] == pytest.approx(fp / (fp + tn))
    assert paper_b.base_rate(record) == pytest.approx((tp + fn) / (tp + fp + fn + tn))


def test_the_search_keeps_what_its_judge_prefers(data_home, monkeypatch):
    base = lk.RunConfig(protocol="paper_b", dataset="ct_phantom", model="enet")
    base = replace(base, loss="custom")
    seen = []

    def score(stage, config):
        """Validation likes small numbers, test likes large ones."""
        value = getattr(config, stage)
        numbers = {name: getattr(config, name) for name in paper_b.STAGES}
        both = {"validation": -value, "test": value, "chosen": False}
        return {"stage": stage, "loss": config.loss, **numbers, **both}

    monkeypatch.setattr(paper_b, "_stage_row", score)
    monkeypatch.setattr(
        paper_b, "run_sweep", lambda sweep, *_, **__: seen.extend(sweep.configs) or {}
    )
    grid = {"alpha": (0.25, 0.75), "gamma": (1, 5), "beta": (0.3, 0.6)}
    by_validation = paper_b.search(base, grid, None)
    chosen = by_validation[by_validation["chosen"]]
    assert chosen["loss"].tolist() == ["balanced_bce", "focal", "custom"]
    last = chosen.iloc[-1]
    assert (last["alpha"], last["gamma"], last["beta"]) == (0.25, 1.0, 0.3)
    by_test = paper_b.search(base, grid, None, select="test")
    last = by_test[by_test["chosen"]].iloc[-1]
    assert (last["alpha"], last["gamma"], last["beta"]) == (0.75, 5.0, 0.6)
    assert len(seen) == 12
    with pytest.raises(ValueError, match="One of: validation, test"):
        paper_b.search(base, grid, None, select="train")
    with pytest.raises(ValueError, match="no values for gamma"):
        paper_b.search(base, {"alpha": (0.5,)}, None)


def test_sizes_in_mm_need_a_set_that_knows_them(record):
    data = lk.open_prepared("discs", size=32)
    with pytest.raises(ValueError, match="no sizes in mm"):
        paper_b.lesion_sizes(data)


def test_lesions_on_pixels_that_are_not_square_have_their_size_in_mm():
    """A slice of 40 x 20 pixels of 0.5 x 0.25 mm is kept as 10 x 10 of 2 x 0.5 mm."""
    masks = np.zeros((5, 10, 10), np.uint8)
    masks[1, 4, 2:7] = masks[2, 4, 2:7] = 1  # five columns on two slices
    masks[4, 1:5, 8] = 1  # four rows
    masks[4, 9, 0] = 255
    index = pd.DataFrame({"group": ["a", "a", "a", "a", "b"]})
    index = index.assign(height_mm=[9.0, 6.0, 3.0, 0.0, 0.0], height=40, width=20)
    index = index.assign(row_mm=0.5, column_mm=0.25, slice_mm=3.0)
    index.loc[4, ["row_mm", "column_mm", "slice_mm"]] = (0.25, 1.0, 5.0)  # of b: 1 x 2
    data = SimpleNamespace(name="made", index=index, masks=masks)
    table = paper_b.lesion_sizes(data)
    assert list(table) == ["patient", *MEASURED]
    table = table.set_index("patient")
    first, second = table.loc["a"], table.loc["b"]
    assert first["volume_mm3"] == pytest.approx(10 * 3 * 2 * 0.5)
    assert first["longest_mm"] == pytest.approx(4.5 * 0.5)
    assert first["across_mm"] == pytest.approx(0.5 * 2)
    assert first[["voxels", "slices"]].tolist() == [10, 2]
    assert not first["at_edge"]
    assert second["volume_mm3"] == pytest.approx(4 * 5 * 1 * 2)
    assert second["longest_mm"] == pytest.approx(3.5 * 1)
    assert second["across_mm"] == pytest.approx(0.5 * 2)


def test_a_set_without_the_size_of_its_pixels_has_no_sizes_in_mm():
    data = SimpleNamespace(name="photos", index=pd.DataFrame({"file": ["a"]}))
    with pytest.raises(ValueError, match="photos: its index has no sizes in mm"):
        paper_b.lesion_sizes(data)
