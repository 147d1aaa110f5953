"""The thresholds: their ties, their invariances and what they do to an empty image."""

from math import erfc, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionkit.masks import (
    otsu_cut,
    otsu_mask,
    probability_cut,
    probability_mask,
    raw_mean_cut,
    raw_mean_mask,
)

RULES = [probability_mask, raw_mean_mask, otsu_mask]
RELATIVE = [raw_mean_mask, otsu_mask]
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
# quarters are exact in float32, and so are the sums of twelve of them
maps = st.lists(st.integers(-40, 40), min_size=12, max_size=12).map(
    lambda numbers: torch.tensor(numbers).view(1, 1, 3, 4) / 4
)
LAWS = settings(max_examples=50, deadline=None)


def lesion_map(share, *, gap, pixels=200_000, seed=0):
    """Normal background logits, spread 1, and a share of lesion logits `gap` above.

    The background mean is at -gap / 2, so that probability 0.5 lies half-way.
    """
    generator = torch.Generator().manual_seed(seed)
    lesion = torch.arange(pixels) < share * pixels
    noise = torch.randn(pixels, generator=generator, dtype=torch.float64)
    logits = noise + gap * (lesion.double() - 0.5)
    return logits.view(1, 1, 1, -1), lesion.view(1, 1, 1, -1)


def otsu_by_definition(logits):
    """The cut with the largest between-class variance, tried one by one."""
    values = logits.flatten().tolist()
    best, cut = -1.0, None
    for candidate in sorted(set(values))[:-1]:
        low = [v for v in values if v <= candidate]
        high = [v for v in values if v > candidate]
        gap = sum(high) / len(high) - sum(low) / len(low)
        between = len(low) * len(high) * gap**2
        if between > best * (1 + 1e-12):
            best, cut = between, candidate
    return cut


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_logit_of_0_is_lesion_at_probability_one_half(dtype):
    logits = torch.tensor([[[-1e-3, -0.0, 0.0, 1e-3]]], dtype=dtype)
    assert probability_mask(logits).tolist() == [[[0, 1, 1, 1]]]


def test_the_probability_cut_is_the_log_odds():
    assert probability_cut(0.8) == pytest.approx(log(4), rel=1e-12)
    logits = torch.tensor([[[log(4) - 1e-9, log(4) + 1e-9]]], dtype=torch.float64)
    assert probability_mask(logits, 0.8).tolist() == [[[0, 1]]]


def test_cut_0_marks_all_and_cut_1_nothing():
    logits = torch.tensor([[[-1e4, 0.0, 1e4]]])
    assert probability_mask(logits, 0).all()
    assert not probability_mask(logits, 1).any()


@pytest.mark.parametrize("cut", [-0.1, 1.1, float("nan")])
def test_a_cut_that_is_no_probability_is_refused(cut):
    with pytest.raises(ValueError, match="cut must be a probability from 0 to 1, got"):
        probability_mask(torch.zeros(1, 1, 2, 2), cut)


def test_a_logit_equal_to_the_mean_is_background():
    logits = torch.tensor([[[1.0, 2.0, 3.0]]])
    assert raw_mean_cut(logits).tolist() == [2]
    assert raw_mean_mask(logits).tolist() == [[[0, 0, 1]]]


@pytest.mark.parametrize("rule", RELATIVE)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_constant_map_is_left_empty(rule, dtype):
    for value in (0.0, 0.1, -7.3, 1e4):
        logits = torch.full((2, 1, 7, 11), value, dtype=dtype)
        assert not rule(logits).any()


@given(logits=maps.filter(lambda logits: logits.unique().numel() > 1))
@LAWS
def test_a_relative_rule_marks_some_of_a_varying_map_and_never_all(logits):
    marked = torch.stack([rule(logits).sum() for rule in RELATIVE])
    assert ((marked > 0) & (marked < 12)).all()


@pytest.mark.parametrize("rule", RELATIVE)
@given(logits=maps, scale=st.sampled_from([0.25, 2, 8]), offset=st.integers(-50, 50))
@LAWS
def test_a_relative_rule_ignores_scale_and_offset(rule, logits, scale, offset):
    # powers of 2 and whole offsets: no rounding moves a tie
    assert torch.equal(rule(scale * logits + offset), rule(logits))


@given(logits=maps.filter(lambda logits: logits.unique().numel() > 1))
@LAWS
def test_otsu_cuts_where_the_definition_does(logits):
    found, best = otsu_cut(logits).item(), otsu_by_definition(logits)
    # two splits may be equally good; a mask and its best rival then score the same
    assert between_classes(logits, found) == pytest.approx(
        between_classes(logits, best), rel=1e-9
    )


def between_classes(logits, cut):
    """Between-class variance of one split, times the squared number of pixels."""
    high = logits > cut
    gap = logits[high].double().mean() - logits[~high].double().mean()
    return (high.sum() * (~high).sum() * gap**2).item()


def test_otsu_separates_two_heaps():
    logits, lesion = lesion_map(0.1, gap=12, pixels=5000)
    assert torch.equal(otsu_mask(logits).bool(), lesion)


@pytest.mark.parametrize("rule", RULES)
def test_each_image_has_its_own_mask(rule):
    logits = torch.arange(24.0).view(2, 1, 3, 4) ** 2 - 60
    alone = torch.cat([rule(logits[:1]), rule(logits[1:])])
    assert torch.equal(rule(logits), alone)


@pytest.mark.parametrize("rule", RULES)
def test_a_mask_is_uint8_in_the_shape_of_the_logits(rule):
    logits = torch.arange(24.0).view(2, 1, 3, 4)
    assert rule(logits).dtype == torch.uint8
    assert rule(logits).shape == (2, 1, 3, 4)
    assert torch.equal(rule(logits.squeeze(1)), rule(logits).squeeze(1))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", [(4, 4), (2, 3, 4, 4), (0, 1, 4, 4)])
def test_a_shape_that_is_not_one_map_an_image_is_refused(rule, shape):
    with pytest.raises(ValueError, match=r"must be \(N, 1, H, W\) or \(N, H, W\)"):
        rule(torch.zeros(shape))


@pytest.mark.parametrize("rule", RULES)
def test_whole_number_logits_are_refused(rule):
    with pytest.raises(TypeError, match="logits must be floating point"):
        rule(torch.zeros(1, 1, 2, 2, dtype=torch.int64))


@pytest.mark.parametrize(("share", "printed"), [(0.10, 0.212), (0.02, 0.436), (0, 0.5)])
def test_the_mean_rule_marks_the_background_share_of_the_formula(share, printed):
    gap, spread = 8, 1
    formula = 0.5 * erfc(share * gap / (spread * 2**0.5))
    logits, lesion = lesion_map(share, gap=gap)
    marked = raw_mean_mask(logits)[~lesion].double().mean().item()
    assert formula == pytest.approx(printed, abs=5e-4)
    # 5 standard errors of a share among 180,000 pixels, and of the mean itself
    assert marked == pytest.approx(formula, abs=0.01)


@pytest.mark.parametrize(("share", "printed"), [(0.10, 0.999), (0.02, 1.000)])
def test_probability_one_half_finds_the_same_lesions(share, printed):
    logits, lesion = lesion_map(share, gap=8)
    marked = probability_mask(logits).bool()
    dice = 2 * (marked & lesion).sum() / (marked.sum() + lesion.sum())
    assert dice.item() == pytest.approx(printed, abs=2e-3)


def test_probability_one_half_marks_almost_nothing_without_a_lesion():
    logits, _ = lesion_map(0, gap=8)
    # a background logit reaches 0 with probability 3e-5
    assert probability_mask(logits).double().mean() < 1e-4
