"""What is kept of a model: counts, histograms, scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lesionkit.metrics import scores
from lesionkit.prepared import open_prepared
from lesionkit.prepared.loading import Batches
from lesionkit.training.evaluation import (
    BIN_EDGES,
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

    found = evaluate(AllChannels(), batches, scoring="every_image")
    truth = open_prepared(tiny, 32).masks[:10].ravel()
    expected = average_precision_score(truth, found.logits.ravel())
    rounded = average_precision_score(truth, found.logits.astype(np.float16).ravel())
    assert found.summary()["average_precision"] == pytest.approx(expected, abs=1e-6)
    assert rounded != pytest.approx(expected, abs=1e-3)


def test_full_batches_score_fewer_images(batches: Batches) -> None:
    found = evaluate(RedChannel(), batches, scoring="full_batches")
    assert found.positions.tolist() == list(range(8))
    assert found.summary()["images"] == 8


def test_the_validation_dice_is_the_mean_of_the_images(batches: Batches) -> None:
    found = evaluate(RedChannel(), batches, scoring="every_image")
    counts = validation_counts(RedChannel(), batches, scoring="every_image")
    summary = found.summary()["probability"]
    assert scores(counts)["dice"] == summary["image"]["dice"]
    assert scores(counts)["dice"] != summary["pooled"]["dice"]


def test_evaluation_leaves_training_mode_and_needs_no_gradient(
    batches: Batches,
) -> None:
    model = nn.Sequential(RedChannel(), nn.Dropout(0.99)).train()
    found = evaluate(model, batches, scoring="every_image")
    plain = evaluate(RedChannel(), batches, scoring="every_image")
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
    found = evaluate(RedChannel(), batches, scoring="every_image")
    one = found.logits[3].astype(np.float64)
    assert found.extent[3] == pytest.approx([one.min(), one.max(), one.mean()])


def test_the_figure_sample_runs_from_the_smallest_lesion_to_the_largest() -> None:
    masks = np.zeros((9, 4, 4), np.uint8)
    for i, size in enumerate([5, 0, 16, 3, 3, 8, 1, 12, 2]):
        masks[i].flat[:size] = 1
    assert figure_sample(masks, 5).tolist() == [1, 8, 4, 5, 2]


def test_the_figure_sample_of_few_images_is_all_of_them() -> None:
    assert figure_sample(np.ones((3, 4, 4), np.uint8), 8).tolist() == [0, 1, 2]
