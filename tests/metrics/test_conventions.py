"""What each evaluation convention makes of predictions that are known."""

import numpy as np
import pytest
import torch

from lesionkit import metrics
from lesionkit.metrics import conventions

# images of four pixels with tp fp fn tn of 2 0 0 2, 1 1 1 1, 0 0 0 4
TRUTH = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]).view(3, 2, 2)
FOUND = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]).view(3, 2, 2)
LOGITS = 8.0 * FOUND - 4
MADE = conventions.table(LOGITS, TRUTH, batch_size=2)


def dice(convention):
    """The Dice of one line of the table."""
    return MADE.loc[convention, "dice"]


@pytest.mark.parametrize(
    ("convention", "value"),
    [
        ("mean over images", (1 + 0.5 + 1) / 3),
        ("pooled over the set", 6 / 8),
        ("pooled by batch, mean of batches", (6 / 8 + 1) / 2),
        ("pooled by batch, incomplete batch dropped", 6 / 8),
        ("mean over images, incomplete batch dropped", (1 + 0.5) / 2),
        # background Dice: 1, 1/2, 1
        ("mean with background, over images", (2.5 / 3 + 2.5 / 3) / 2),
        # background pooled: tp 7, fp 1, fn 1
        ("mean with background, pooled", (6 / 8 + 14 / 16) / 2),
        ("F1 of mean precision and mean recall", 0.75),
        ("both empty: left out", (1 + 0.5) / 2),
        ("both empty: 1 for all four", 2.5 / 3),
        ("undefined: 0", 1.5 / 3),
        ("smoothing 1 on both sides", (1 + 3 / 5 + 1) / 3),
        # the third image is constant: its stretched map is 0, nothing is marked
        ("min-max stretched, cut 0.5", 2.5 / 3),
        ("cut at the raw mean of each image", 2.5 / 3),
    ],
)
def test_three_images_have_the_score_computed_by_hand(convention, value):
    assert dice(convention) == pytest.approx(value)


def test_the_mean_over_thresholds_is_that_computed_by_hand():
    # stretched: p is 0 or 1, so k = 0 marks all and the 255 others mark FOUND
    all_marked = (2 / 3 + 2 / 3 + 0) / 3
    mean = (all_marked + 255 * 2.5 / 3) / 256
    assert dice("min-max stretched, mean over 256 thresholds") == pytest.approx(mean)
    assert dice("min-max stretched, best of 256 thresholds") == pytest.approx(2.5 / 3)


def test_the_soft_score_uses_the_probabilities():
    p = torch.sigmoid(torch.tensor(4.0)).item()
    first = 2 * 2 * p / (2 + 2)
    second = 2 * (p + (1 - p)) / (2 + 2)
    assert dice("soft, without a cut") == pytest.approx((first + second + 0) / 3)


def test_the_background_has_the_lesions_errors_the_other_way_round():
    # one pixel missed of two, none too much: tp fp fn tn of 1 0 1 2
    made = conventions.table(torch.tensor([[[4.0, -4], [-4, -4]]]), TRUTH[:1])
    line = made.loc["mean with background, over images"]
    assert line["precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert line["recall"] == pytest.approx((1 / 2 + 1) / 2)


def test_an_undefined_precision_counts_as_0_where_a_code_has_it_so():
    assert MADE.loc["undefined: 0", "precision"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert MADE.loc["both empty: 1 for all four", "recall"] == pytest.approx(2.5 / 3)
    assert MADE.loc["mean over images", "recall"] == pytest.approx(0.75)


def test_the_gap_is_to_the_headline():
    assert MADE.loc["pooled over the set", "dice_gap"] == pytest.approx(0.75 - 2.5 / 3)
    assert MADE.loc[conventions.HEADLINE, "dice_gap"] == 0


def test_thresholds_count_as_they_are_defined():
    random = torch.Generator().manual_seed(1)
    p = torch.rand(3, 8, 8, generator=random)
    mask = (torch.rand(3, 8, 8, generator=random) < 0.3).int()
    found = conventions.counts_by_threshold(p, mask)
    for k in (0, 1, 100, 254, 255):
        expected = metrics.counts(p.double() >= k / 255, mask)
        assert np.array_equal(found[k], expected.numpy())


def test_the_headline_and_the_pooled_line_are_those_of_metrics_scores():
    random = torch.Generator().manual_seed(2)
    logits = torch.randn(9, 1, 8, 8, generator=random)
    mask = (torch.rand(9, 1, 8, 8, generator=random) < 0.3).int()
    found = conventions.table(logits, mask)
    counts = metrics.counts((logits >= 0).int(), mask)
    for line, aggregation in (
        ("mean over images", "image"),
        ("pooled over the set", "pooled"),
    ):
        expected = metrics.scores(counts, aggregation)
        for name in metrics.METRICS:
            assert found.loc[line, name] == pytest.approx(expected[name])


def test_fewer_images_than_a_batch_leave_nothing_where_it_is_dropped():
    found = conventions.table(LOGITS, TRUTH, batch_size=8)
    assert np.isnan(found.loc["mean over images, incomplete batch dropped", "dice"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((LOGITS, TRUTH[:2]), "one shape"),
        ((LOGITS, TRUTH * 255), "mask values must be 0 or 1"),
        ((LOGITS, TRUTH, 0), "batch_size must be 1 or more, got 0"),
    ],
)
def test_wrong_input_is_refused(arguments, message):
    logits, mask, batch_size = (*arguments, 8)[:3]
    with pytest.raises(ValueError, match=message):
        conventions.table(logits, mask, batch_size=batch_size)
