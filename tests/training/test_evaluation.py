"""What is kept of a model: counts, histograms, scores."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from lesionkit.metrics import average_precision, counts, scores
from lesionkit.metrics.lesions import detections
from lesionkit.metrics.streaming import PrecisionRecall
from lesionkit.prepared import open_prepared
from lesionkit.prepared.loading import Batches
from lesionkit.training.evaluation import (
    BIN_EDGES,
    THRESHOLDS,
    evaluate,
    figure_sample,
    histograms,
    validation_counts,
)


class RedChannel(nn.Module):
    """Logits from the red channel: no training, known answers."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return 8 * image[:, :1] - 3


class AllChannels(nn.Module):
    """Logits so close to each other that half precision would tie them."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        weights = torch.tensor([0.61, 0.31, 0.17]).view(1, 3, 1, 1)
        return 50 + (image * weights).sum(1, keepdim=True) / 10


@pytest.fixture
def batches(tiny: str) -> Batches:
    """Ten images of the tiny set."""
    return Batches(open_prepared(tiny, 32), np.arange(10), batch_size=4)


def test_counts_of_both_thresholds_are_those_of_their_rules(
    batches: Batches, tiny: str
) -> None:
    found = evaluate(RedChannel(), batches, scoring="every_image")
    data = open_prepared(tiny, 32)
    logits = 8 * (data.images[:10, :, :, 0] / np.float32(255)) - 3
    truth = data.masks[:10].astype(bool)
    means = logits.astype(np.float64).mean((1, 2), keepdims=True)
    for name, predicted in (("probability", logits >= 0), ("raw_mean", logits > means)):
        by_hand = np.stack(
            [
                (predicted & truth).sum((1, 2)),
                (predicted & ~truth).sum((1, 2)),
                (~predicted & truth).sum((1, 2)),
                (~predicted & ~truth).sum((1, 2)),
            ],
            axis=1,
        )
        assert np.array_equal(found.counts[name], by_hand)


def test_average_precision_is_scikit_learns_over_pooled_pixels(
    batches: Batches, tiny: str
) -> None:
    from sklearn.metrics import average_precision_score

    found = evaluate(AllChannels(), batches, scoring="every_image", keep=range(10))
    truth = open_prepared(tiny, 32).masks[:10].ravel()
    expected = average_precision_score(truth, found.logits.ravel())
    rounded = average_precision_score(truth, found.logits.astype(np.float16).ravel())
    assert found.summary()["average_precision"] == pytest.approx(expected, abs=1e-6)
    assert rounded != pytest.approx(expected, abs=1e-3)


def whole_arrays(logits: np.ndarray, mask: np.ndarray) -> dict[str, object]:
    """What a record keeps, from all logits (N, H, W) and masks at once."""
    tensors = torch.from_numpy(logits), torch.from_numpy(mask)
    flat = logits.reshape(len(logits), -1).astype(np.float64)
    lesion, background = histograms(logits, mask)
    marked = {name: rule(tensors[0]) for name, rule in THRESHOLDS.items()}
    return {
        "lesion": lesion,
        "background": background,
        "extent": np.stack([flat.min(1), flat.max(1), flat.mean(1)], axis=1),
        "counts": {n: counts(m, tensors[1]).numpy() for n, m in marked.items()},
        "lesions": {n: detections(m.numpy(), mask) for n, m in marked.items()},
        "ap": average_precision(*tensors),
    }


@pytest.mark.parametrize("batch_size", [1, 3, 4, 10])
def test_batch_after_batch_is_the_same_to_the_bit_as_all_at_once(
    tiny: str, batch_size: int
) -> None:
    data = open_prepared(tiny, 32)
    batches = Batches(data, np.array([7, 2, 9, 0, 4, 5, 1, 3]), batch_size=batch_size)
    where = batches.positions.tolist()
    found = evaluate(RedChannel(), batches, scoring="every_image", keep=where)
    expected = whole_arrays(found.logits, data.masks[where].astype(bool))
    for name in ("lesion", "background", "extent"):
        assert np.array_equal(getattr(found, name), expected[name])
    for rule in THRESHOLDS:
        assert np.array_equal(found.counts[rule], expected["counts"][rule])
        for name, column in expected["lesions"][rule].items():
            assert np.array_equal(found.lesions[rule][name], column)
    assert found.positions.tolist() == where
    assert found.summary()["average_precision"] == expected["ap"]
    assert "average_precision_bounds" not in found.summary()


def test_more_pixels_than_are_kept_give_ap_with_bounds_around_the_exact_one(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = evaluate(AllChannels(), batches, scoring="every_image").summary()
    monkeypatch.setattr(PrecisionRecall.__init__, "__kwdefaults__", {"exact": 5_000})
    binned = evaluate(AllChannels(), batches, scoring="every_image").summary()
    low, high = binned.pop("average_precision_bounds")
    value = binned.pop("average_precision")
    assert low < exact.pop("average_precision") < high
    assert low <= value <= high
    assert high - low < 1e-3
    assert binned == exact


def test_a_stratum_is_scored_on_its_images_alone(batches: Batches, tiny: str) -> None:
    strata = np.array(["", "round", "flat", "round", ""] * 2 + ["flat"] * 20)
    strata = strata[: len(open_prepared(tiny, 32))]
    found = evaluate(RedChannel(), batches, scoring="every_image", strata=strata)
    for name in ("round", "flat"):
        (where,) = np.nonzero(strata[:10] == name)
        alone = Batches(open_prepared(tiny, 32), where, batch_size=4)
        expected = evaluate(RedChannel(), alone, scoring="every_image")
        assert found.summary(name) == expected.summary()
    assert list(found.precision) == ["", "flat", "round"]


MEASURE = """
import resource, numpy as np, torch
from lesionkit.metrics import streaming
from lesionkit.prepared import Prepared
from lesionkit.prepared.loading import Batches
from lesionkit.training.evaluation import evaluate

streaming.PrecisionRecall.__init__.__kwdefaults__["exact"] = 2**20
images = np.zeros((COUNT, 256, 256, 1), np.uint8)
images[:] = np.random.default_rng(0).integers(0, 255, (256, 256, 1), np.uint8)
masks = (images[..., 0] > 150).astype(np.uint8)
known = {"sha256": {"images.npy": "", "masks.npy": ""}}
data = Prepared("made", None, images, masks, None, known)
model = torch.nn.Conv2d(1, 1, 1)

def peak(count):
    batches = Batches(data, np.arange(count), batch_size=2, loader="streamed")
    found = evaluate(model, batches, scoring="every_image", keep=[3])
    assert len(found.positions) == count and found.precision[""]
    assert "average_precision_bounds" in found.summary()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

few = peak(24)
print(peak(COUNT) - few)
"""


def test_memory_does_not_grow_with_the_images() -> None:
    code = MEASURE.replace("COUNT", "240")  # of 63 MB logits
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 30  # MB


def test_what_the_thread_refuses_is_told(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = nn.Sequential(RedChannel(), nn.Threshold(100.0, float("nan")))
    with pytest.raises(ValueError, match="logits hold NaN"):
        evaluate(model, batches, scoring="every_image")


def test_full_batches_score_fewer_images(batches: Batches) -> None:
    found = evaluate(RedChannel(), batches, scoring="full_batches")
    assert found.positions.tolist() == list(range(8))
    assert found.summary()["images"] == 8


def test_the_validation_dice_is_the_mean_of_the_images(batches: Batches) -> None:
    found = evaluate(RedChannel(), batches, scoring="every_image")
    of_images = validation_counts(RedChannel(), batches, scoring="every_image")
    summary = found.summary()["probability"]
    assert scores(of_images)["dice"] == summary["image"]["dice"]
    assert scores(of_images)["dice"] != summary["pooled"]["dice"]


def test_evaluation_leaves_training_mode_and_needs_no_gradient(
    batches: Batches,
) -> None:
    model = nn.Sequential(RedChannel(), nn.Dropout(0.99)).train()
    found = evaluate(model, batches, scoring="every_image", keep=range(10))
    plain = evaluate(RedChannel(), batches, scoring="every_image", keep=range(10))
    assert np.array_equal(found.logits, plain.logits)


def test_the_bins_are_256_symmetric_and_zero_is_an_edge() -> None:
    assert len(BIN_EDGES) == 257
    assert BIN_EDGES[128] == 0
    assert np.allclose(BIN_EDGES, -BIN_EDGES[::-1])
    assert BIN_EDGES[-1] == pytest.approx(64, rel=0.01)
    assert (np.diff(BIN_EDGES) > 0).all()


def test_every_pixel_is_in_one_bin_and_a_bin_holds_its_lower_edge() -> None:
    logits = np.array([[[-1e4, -1e-6, 0.0, 1e4]]], np.float32)
    mask = np.array([[[True, False, True, False]]])
    lesion, background = histograms(logits, mask)
    assert lesion[0].nonzero()[0].tolist() == [0, 128]
    assert background[0].nonzero()[0].tolist() == [127, 255]


def test_the_probability_counts_follow_from_the_histograms(batches: Batches) -> None:
    found = evaluate(RedChannel(), batches, scoring="every_image")
    tp, fp = found.lesion[:, 128:].sum(1), found.background[:, 128:].sum(1)
    assert np.array_equal(found.counts["probability"][:, 0], tp)
    assert np.array_equal(found.counts["probability"][:, 1], fp)


def test_the_extent_is_min_max_and_mean_of_each_image(batches: Batches) -> None:
    found = evaluate(RedChannel(), batches, scoring="every_image", keep=[5, 3])
    one = found.logits[1].astype(np.float64)
    assert found.extent[3] == pytest.approx([one.min(), one.max(), one.mean()])


def test_the_figure_sample_runs_from_the_smallest_lesion_to_the_largest() -> None:
    masks = np.zeros((9, 4, 4), np.uint8)
    for i, size in enumerate([5, 0, 16, 3, 3, 8, 1, 12, 2]):
        masks[i].flat[:size] = 1
    assert figure_sample(masks, np.arange(9), 5).tolist() == [1, 8, 4, 5, 2]
    assert figure_sample(masks, np.array([7, 2, 1]), 2).tolist() == [1, 2]


def test_the_figure_sample_of_few_images_is_all_of_them() -> None:
    assert figure_sample(np.ones((3, 4, 4), np.uint8), np.arange(3)).tolist() == [
        0,
        1,
        2,
    ]
