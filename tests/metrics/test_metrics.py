"""The metrics against other libraries, by hand, and at empty masks and predictions."""

from math import isnan

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lesionkit.metrics import METRICS, counts, per_image, scores

LAWS = settings(max_examples=50, deadline=None)
bits = arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 1))
tables = arrays(np.int64, (5, 4), elements=st.integers(0, 30))
THREE = [[90, 10, 10, 0], [1, 3, 5, 0], [50, 0, 50, 0]]
BOTH_EMPTY, MASK_EMPTY, NONE_MARKED = [0, 0, 0, 9], [0, 2, 0, 7], [0, 0, 2, 7]
NAN = float("nan")


# Counts


def test_counts_of_four_pixels_are_one_each():
    predicted, mask = torch.tensor([[[1, 1, 0, 0]]]), torch.tensor([[[1, 0, 1, 0]]])
    assert counts(predicted, mask).tolist() == [[1, 1, 1, 1]]


@given(predicted=bits, mask=bits)
@LAWS
def test_counts_equal_their_definition(predicted, mask):
    tp, fp, fn, tn = counts(predicted, mask).T.tolist()
    assert tp == ((predicted == 1) & (mask == 1)).sum((1, 2)).tolist()
    assert fp == ((predicted == 1) & (mask == 0)).sum((1, 2)).tolist()
    assert fn == ((predicted == 0) & (mask == 1)).sum((1, 2)).tolist()
    assert tn == ((predicted == 0) & (mask == 0)).sum((1, 2)).tolist()


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float32])
def test_counts_are_the_same_for_every_dtype_and_shape(dtype):
    predicted = torch.tensor([[[1, 1], [0, 0]], [[0, 0], [0, 1]]])
    mask = torch.tensor([[[1, 0], [1, 0]], [[0, 0], [0, 1]]])
    found = counts(predicted.unsqueeze(1).to(dtype), mask.to(dtype).numpy())
    assert found.tolist() == [[1, 1, 1, 1], [1, 0, 0, 3]]
    assert found.dtype == torch.int64


def test_counts_read_a_read_only_and_reversed_array():
    mask = np.array([[[0, 1, 1]]], dtype=np.uint8)
    mask.flags.writeable = False
    assert counts(mask[..., ::-1], mask).tolist() == [[1, 1, 1, 0]]


@pytest.mark.parametrize(
    ("predicted", "mask", "message"),
    [
        (torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 5), "one shape, got"),
        (torch.zeros(2, 1, 4, 4), torch.zeros(1, 4, 4), "one shape, got"),
        (torch.zeros(4, 4), torch.zeros(4, 4), r"predicted must be .* got \(4, 4\)"),
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), "predicted must be"),
        (torch.full((1, 2, 2), 0.5), torch.zeros(1, 2, 2), "predicted values must be"),
        (torch.zeros(1, 2, 2), torch.full((1, 2, 2), 255), "mask values .* 255 to 255"),
        (torch.zeros(1, 2, 2), torch.full((1, 2, 2), NAN), "mask values .* nan"),
    ],
)
def test_counts_refuse_wrong_inputs(predicted, mask, message):
    with pytest.raises(ValueError, match=message):
        counts(predicted, mask)


# Values


@given(predicted=bits, mask=bits)
@LAWS
def test_defined_values_equal_those_of_scikit_learn(predicted, mask):
    from sklearn.metrics import (
        f1_score,
        jaccard_score,
        precision_score,
        recall_score,
    )

    peers = (f1_score, jaccard_score, precision_score, recall_score)
    values = per_image(counts(predicted, mask), empty="nan")
    found = np.stack([values[name] for name in METRICS])
    theirs = [
        [peer(mask[i].ravel(), predicted[i].ravel(), zero_division=0) for i in range(3)]
        for peer in peers
    ]
    defined = ~np.isnan(found)
    assert found[defined] == pytest.approx(np.array(theirs)[defined], rel=1e-12)


@given(predicted=bits, mask=bits)
@LAWS
def test_defined_values_equal_those_of_torchmetrics(predicted, mask):
    from torchmetrics.functional.classification import (
        binary_f1_score,
        binary_jaccard_index,
        binary_precision,
        binary_recall,
    )

    peers = (
        binary_f1_score,
        binary_jaccard_index,
        binary_precision,
        binary_recall,
    )
    values = per_image(counts(predicted, mask), empty="nan")
    pairs = [
        (torch.from_numpy(p), torch.from_numpy(m))
        for p, m in zip(predicted, mask, strict=True)
    ]
    for name, peer in zip(METRICS, peers, strict=True):
        theirs = np.array([peer(*pair).item() for pair in pairs])
        defined = ~np.isnan(values[name])
        assert values[name][defined] == pytest.approx(theirs[defined], rel=1e-6)


def test_three_images_give_the_worked_example():
    image, pooled = scores(THREE), scores(THREE, "pooled")
    precision, recall = image["precision"], image["recall"]
    harmonic = 2 * precision * recall / (precision + recall)
    found = [image["dice"], image["iou"], pooled["dice"], pooled["iou"], harmonic]
    printed = [0.588889, 0.476431, 0.783333, 0.643836, 0.604185]
    assert found == pytest.approx(printed, abs=5e-7)


@given(table=tables.filter(lambda table: table[:, 0].any()))
@LAWS
def test_pooled_dice_is_the_harmonic_mean_of_pooled_precision_and_recall(table):
    pooled = scores(table, "pooled")
    precision, recall = pooled["precision"], pooled["recall"]
    harmonic = 2 * precision * recall / (precision + recall)
    assert pooled["dice"] == pytest.approx(harmonic, rel=1e-12)


@given(table=tables.filter(lambda table: table[:, 0].all()))
@LAWS
def test_mean_dice_is_at_most_the_harmonic_mean_of_mean_precision_and_recall(table):
    image = scores(table)
    precision, recall = image["precision"], image["recall"]
    harmonic = 2 * precision * recall / (precision + recall)
    assert image["dice"] <= harmonic + 1e-12


@pytest.mark.parametrize("aggregation", ["image", "pooled"])
def test_the_same_counts_give_the_same_scores_as_tensor_array_or_list(aggregation):
    forms = [THREE, np.array(THREE), torch.tensor(THREE), np.array(THREE, dtype=float)]
    found = [scores(form, aggregation) for form in forms]
    assert found == [found[0]] * 4


# Empty masks and predictions


@pytest.mark.parametrize(
    ("row", "empty", "values"),
    [
        (BOTH_EMPTY, "default", [1, 1, NAN, NAN]),
        (BOTH_EMPTY, "one", [1, 1, 1, 1]),
        (BOTH_EMPTY, "skip", [NAN, NAN, NAN, NAN]),
        (BOTH_EMPTY, "nan", [NAN, NAN, NAN, NAN]),
        (MASK_EMPTY, "default", [0, 0, 0, NAN]),
        (MASK_EMPTY, "one", [0, 0, 0, NAN]),
        (NONE_MARKED, "default", [0, 0, NAN, 0]),
        (NONE_MARKED, "one", [0, 0, NAN, 0]),
    ],
)
def test_an_image_with_something_empty_gets_the_stated_values(row, empty, values):
    found = [value[0] for value in per_image([row], empty).values()]
    assert found == pytest.approx(values, nan_ok=True)


EMPTIES = [[3, 1, 1, 4], BOTH_EMPTY, MASK_EMPTY, NONE_MARKED]


@pytest.mark.parametrize(
    ("empty", "values", "undefined"),
    [
        ("default", [1.75 / 4, 1.6 / 4, 0.75 / 2, 0.75 / 2], [0, 0, 2, 2]),
        ("one", [1.75 / 4, 1.6 / 4, 1.75 / 3, 1.75 / 3], [0, 0, 1, 1]),
        ("skip", [0.75 / 3, 0.6 / 3, 0.75 / 2, 0.75 / 2], [1, 1, 2, 2]),
        ("nan", [NAN, NAN, NAN, NAN], [1, 1, 2, 2]),
    ],
)
def test_undefined_images_are_left_out_and_counted(empty, values, undefined):
    found = scores(EMPTIES, empty=empty)
    means = [found[name] for name in METRICS]
    assert means == pytest.approx(values, nan_ok=True)
    assert list(found["undefined"].values()) == undefined
    assert (found["images"], found["both_empty"]) == (4, 1)


def test_pooled_scores_of_nothing_but_empty_images_follow_the_same_rule():
    found = scores([BOTH_EMPTY, BOTH_EMPTY], "pooled")
    assert (found["dice"], found["iou"]) == (1, 1)
    assert isnan(found["precision"])
    assert found["undefined"] == {"dice": 0, "iou": 0, "precision": 1, "recall": 1}


def test_a_mean_over_no_image_is_nan():
    found = scores(np.zeros((0, 4)))
    assert isnan(found["dice"])
    assert found["images"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((THREE, "images"), "unknown aggregation 'images'. Did you mean 'image'"),
        ((THREE, "image", "skp"), "unknown empty 'skp'. Did you mean 'skip'"),
        (([1, 2, 3, 4],), r"counts must be \(N, 4\)"),
        (([[1, 2, 3]],), r"counts must be \(N, 4\)"),
        (([[1, 2, 3, -1]],), "counts must be 0 or more"),
    ],
)
def test_scores_refuse_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        scores(*arguments)
