"""A model card says what its record says, and no more."""

from __future__ import annotations

import shlex
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_data import write_discs
from made_records import made_record

import lesionkit as lk
from lesionkit.cli import main
from lesionkit.cli.console import typed
from lesionkit.config import RunConfig
from lesionkit.inference.images import mean_interval
from lesionkit.pages.card import (
    command,
    empty_counts,
    near_copy_share,
    score_rows,
    size_rows,
)
from lesionkit.records import runs
from lesionkit.records.runs import RunRecord

# tp, fp, fn, tn of six images of 100 pixels: 4 % and 10 % lesion found by half and
# whole, 50 % missed, two without lesion (one marked), one of 30 % overfull
COUNTS = [(2, 0, 2, 96), (10, 0, 0, 90), (0, 0, 50, 50)]
COUNTS += [(0, 0, 0, 100), (0, 5, 0, 95), (30, 30, 0, 40)]
DICE = [2 / 3, 1, 0, 1, 0, 2 / 3]
GROUPS = ["a", "a", "b", "b", "c", ""]


def card_record(groups=GROUPS, **parameters) -> RunRecord:
    """A record of six test images, six training and two validation images."""
    config = RunConfig(**({"loss": "dicebce", "epochs": 3} | parameters))
    folder = made_record(config, sealed=False)
    files = [f"{i}.png" for i in range(14)]
    table = pd.DataFrame(COUNTS, columns=["tp", "fp", "fn", "tn"])
    for name, values in lk.metrics.per_image(table.to_numpy()).items():
        table[name] = values
    table["lesions"], table["lesions_found"] = [1, 2, 1, 0, 0, 1], [1, 2, 0, 0, 0, 1]
    table["false_lesions"] = [0, 0, 0, 0, 3, 0]
    table.insert(0, "file", files[:6])
    both = [table.assign(threshold=rule) for rule in ("probability", "raw_mean")]
    runs.store_table(folder, "images", pd.concat(both))
    split = {"file": files, "content_hash": [f"h{i}" for i in range(13)] + ["h0"]}
    split["group"] = [*groups, *(["a"] if any(groups) else [""]), *[""] * 7]
    split["part"] = ["test"] * 6 + ["validation"] * 2 + ["train"] * 6
    if any(groups):
        split["group"][8] = "a"
    runs.store_table(folder, "split", pd.DataFrame(split).assign(seed=42))
    found = RunRecord(folder).metrics
    found["data"]["images"] = {"train": 6, "validation": 2, "test": 6}
    runs.store_json(folder, "metrics", found)
    runs.finish(folder)
    return RunRecord(folder)


def test_a_card_tells_both_machines_of_a_resumed_run(data_home) -> None:
    record = card_record()
    one = {"first_epoch": 1, "gpu": "NVIDIA H200", "torch": "2.14.0", "threads": 2}
    two = {"first_epoch": 2, "device": "cpu", "torch": "2.15.0", "threads": 2}
    runs.store_json(record.folder, "environment", {"sessions": [one, two]})
    runs.finish(record.folder)
    card = lk.model_card(record.folder)
    assert "in 2 sessions on NVIDIA H200 then cpu, 2 CPU threads" in card
    assert "torch 2.14.0 then 2.15.0" in card


def by_hand(values: list[float], labels: list[str]) -> tuple[float, float]:
    """The percentile bootstrap over groups, as a plain loop with draws of its own."""
    groups = [
        [v for v, g in zip(values, labels, strict=True) if g == n]
        for n in sorted(set(labels))
    ]
    random = np.random.default_rng(7)
    means = []
    for _ in range(4_000):
        drawn = [groups[i] for i in random.integers(len(groups), size=len(groups))]
        means.append(np.mean([v for group in drawn for v in group]))
    return tuple(np.percentile(means, (2.5, 97.5)))


def test_the_interval_is_that_of_a_plain_loop_over_groups() -> None:
    random = np.random.default_rng(1)
    labels = [f"g{i % 13}" for i in range(80)]
    shift = random.normal(0, 1, 13)
    values = [shift[i % 13] + random.normal(0, 0.2) for i in range(80)]
    # 2,000 draws against 4,000: the ends of an interval of 1.1 move by 0.02
    assert mean_interval(values, labels) == pytest.approx(
        by_hand(values, labels), abs=0.06
    )
    alone = mean_interval(values)
    assert alone == pytest.approx(by_hand(values, list(map(str, range(80)))), abs=0.06)
    assert alone[1] - alone[0] < 0.6 * np.subtract(*mean_interval(values, labels)[::-1])


def test_the_mean_of_a_draw_is_over_images_however_large_the_groups() -> None:
    values, labels = [1.0] * 9 + [0.0, 0.0], ["large"] * 9 + ["a", "b"]
    low, high = mean_interval(values, labels)
    assert (low, high) == (0, 1)
    random = np.random.default_rng(0)
    values = [*random.normal(1, 0.1, 60), *random.normal(0, 0.1, 10)]
    labels = [f"large {i % 4}" for i in range(60)] + [f"single {i}" for i in range(10)]
    # 2,000 draws against 4,000 of an interval of 0.5
    found = mean_interval(values, labels)
    assert found == pytest.approx(by_hand(values, labels), abs=0.03)


def test_an_interval_leaves_out_what_is_undefined_and_one_group_has_none() -> None:
    assert mean_interval([1.0, 1.0, np.nan], ["a", "b", "c"]) == (1.0, 1.0)
    assert np.isnan(mean_interval([0.2, 0.8], ["a", "a"])).all()


def test_the_scores_are_those_counted_by_hand() -> None:
    rows = {(r["threshold"], r["metric"]): r for r in score_rows(card_record())}
    dice = rows["probability", "dice"]
    assert dice["mean"] == pytest.approx(sum(DICE) / 6)
    assert (dice["undefined"], dice["pooled"]) == (0, 0.74)  # pooled as in metrics.json
    assert rows["probability", "precision"]["undefined"] == 2
    assert rows["probability", "recall"]["undefined"] == 2
    assert rows["raw_mean", "recall"]["mean"] == pytest.approx((0.5 + 1 + 0 + 1) / 4)


def test_a_group_is_drawn_whole_and_an_image_without_one_alone() -> None:
    rows = score_rows(card_record())
    labels = ["a", "a", "b", "b", "c", "5"]
    assert (rows[0]["low"], rows[0]["high"]) == mean_interval(DICE, labels)
    single = score_rows(card_record([""] * 6, epochs=4))
    assert (single[0]["low"], single[0]["high"]) == mean_interval(DICE)


def test_the_strata_by_size_hold_every_image_with_a_lesion_once() -> None:
    rows = size_rows(card_record())
    assert [(r["from"], r["images"]) for r in rows] == [(0.01, 1), (0.05, 1), (0.2, 2)]
    assert [r["dice"] for r in rows] == pytest.approx([2 / 3, 1, 1 / 3])


def test_empty_masks_and_empty_predictions_are_told_apart() -> None:
    missed, marked, right = (0, 0, 5, 5), (0, 2, 0, 8), (0, 0, 0, 10)
    ignored = (0, 0, 0, 0)  # as a whole: neither
    counts = [missed] * 3 + [marked] * 2 + [right, ignored]
    table = pd.DataFrame(counts, columns=["tp", "fp", "fn", "tn"])
    images = table.assign(threshold="probability")
    found = empty_counts(SimpleNamespace(images=images))
    assert found == {"mask": 3, "both": 1, "mask_only": 2, "prediction_only": 3}


def test_the_card_says_what_the_record_says() -> None:
    text = lk.model_card(card_record())
    assert "6 training, 2 validation and 6 test images" in text
    assert "3 groups (patients, sequences) are known, 3 of them in the test" in text
    assert "1 groups lie in training and test at once, with 2 test images" in text
    assert "- 1 test images are in training too, to the byte." in text
    assert "2 of 6 test images have none marked in the ground truth" in text
    assert "\n  1 of them the prediction is empty too" in text
    assert "for 1 it\n  is not" in text
    assert "Empty predictions where there is a lesion: 1" in text
    assert "4 of 5 found, 3 marked where there is none" in text
    assert "of 4 groups of test images drawn whole" in text
    assert "36 s of wall time in 2 sessions" in text
    assert "| probability | dice | 0.5556 |" in text
    assert "not kept (`keep_weights best`)" in text  # no file there
    assert "MIT, made by the kit" in text
    assert "not for clinical use" in text


def test_the_card_says_how_the_network_was_trained() -> None:
    plain = lk.model_card(card_record())
    assert "- Adam, learning rate 0.001, weight decay 0, batches of 8" in plain
    assert "random first weights, no augmentation.\n" in plain
    text = lk.model_card(card_record(protocol="practice"))
    assert "- AdamW, learning rate 0.0005, falling along a cosine" in text
    assert "after a warm-up of 5 % of the epochs, weight decay 0.01" in text
    assert (
        "encoder from library weights (resnet34.tv_in1k), augmented by flips," in text
    )
    assert "rotation, scale, colour and blur, pixels scaled as for ImageNet.\n" in text


def test_a_card_names_terms_and_defects_of_a_published_set() -> None:
    text = lk.model_card(card_record([""] * 6, dataset="clinicdb"))
    assert text.count("research and education only; commercial use forbidden") == 2
    assert "335 of 612 have a near-copy" in text
    assert "whether they cross the split cannot be told" in text
    assert "of single test images, taken as independent" in text


def test_stored_weights_are_counted_from_the_file() -> None:
    record = card_record(keep_weights="half")
    from safetensors.numpy import save

    weights = {"a": np.zeros((3, 4), np.float16), "b": np.zeros((), np.int64)}
    runs.store_weights(record.folder, save(weights))
    runs.finish(record.folder)
    text = lk.model_card(record.folder)
    assert "`best.safetensors`, 13 numbers" in text
    assert "stored in half precision" in text


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"loss": "ioufocal", "definition": "A-printed", "repeat": 3},
        {"loss": "ioufocal", "alpha": 0.25, "repeat": 7, "repeats": 9},
        {"protocol": "paper_a", "dataset": "kvasir", "size": 96, "split": "group"},
        {"protocol": "paper_b", "dataset": "lungct", "loss": "custom", "model": "enet"},
        {"protocol": "practice", "model": "enet", "size": 64, "augment": "flips"},
        {"protocol": "practice", "pretrained": False, "warmup": 0.1},
        {"split_seed": 1, "compile": True, "learning_rate": 0.01},
        {"protocol": "paper_a", "model": "esfpnet", "variant": "esfpnet_t"},
    ],
)
def test_the_command_makes_the_same_run(parameters) -> None:
    config = RunConfig(**parameters)
    words = shlex.split(command(RunRecord(made_record(config))))
    assert words[:2] == ["lesionkit", "train"]
    pairs = zip(words[3::3], words[4::3], strict=True)
    again = RunConfig.from_mapping({name: typed(value) for name, value in pairs})
    assert again.run_id == config.run_id
    assert len(words) <= 5 + 3 * len(parameters)


def test_near_copies_are_looked_for_in_the_same_images_alone() -> None:
    write_discs("tiny")
    config = RunConfig(dataset="tiny", size=32, loss="dice")
    data = lk.open_prepared("tiny", size=32)
    folder = made_record(config, fingerprint=data.fingerprint, sealed=False)
    split = data.index[["file", "content_hash", "group"]].assign(part="train", seed=1)
    split.loc[[3, 4], "part"] = "test"
    runs.store_table(folder, "split", split)
    assert 0 <= near_copy_share(RunRecord(folder)) <= 1
    runs.store_table(folder, "split", split[::-1])
    assert near_copy_share(RunRecord(folder)) is None

    other = RunConfig(dataset="tiny", size=32, loss="iou")
    folder = made_record(other, fingerprint="another", sealed=False)
    runs.store_table(folder, "split", split)
    assert near_copy_share(RunRecord(folder)) is None


def test_a_changed_or_unfinished_record_has_no_card() -> None:
    folder = made_record(RunConfig(loss="iou"), sealed=False)
    with pytest.raises(FileNotFoundError, match="no finished run"):
        lk.model_card(folder)
    record = card_record()
    table = (record.folder / "history.csv").read_text()
    (record.folder / "history.csv").write_text(table.replace("0.9", "0.1"))
    with pytest.raises(ValueError, match="was changed after the run ended"):
        lk.model_card(record.folder)


def test_the_command_line_writes_the_card(tmp_path, capsys) -> None:
    folder = card_record().folder
    main(["card", str(folder), "-o", str(tmp_path / "card.md")])
    written = (tmp_path / "card.md").read_text()
    assert capsys.readouterr().out == f"{tmp_path / 'card.md'}\n"
    main(["card", str(folder)])
    assert capsys.readouterr().out == written
