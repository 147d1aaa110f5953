"""What several networks share, each against a formula written out another way."""

import pytest
import torch
from torch import nn

from lesionkit.models.blocks import (
    DoubleConv,
    SqueezeExcite,
    check_batch,
    check_sides,
    init_he_normal,
)
from lesionkit.models.reverse_attention import (
    AxialReverseAttention,
    AxisAttention,
    ChannelWisePyramid,
)


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3)).double()


def attention(axis, gamma=0.7, channels=16):
    """An attention step whose query, key and value all differ."""
    torch.manual_seed(0)
    step = AxisAttention(channels, axis).double()
    with torch.no_grad():
        step.gamma.fill_(gamma)
    return step


def attended(step, features, query, key, value):
    """Position i of the last axis gathers all positions j of it."""
    weight = torch.sigmoid(torch.einsum("nchi,nchj->nij", query, key))
    return features + step.gamma * torch.einsum("nij,nchj->nchi", weight, value)


# attention


def test_the_width_step_weighs_columns_by_query_and_key():
    step, features = attention("width"), random(2, 16, 5, 7)
    parts = step.query(features), step.key(features), step.value(features)
    torch.testing.assert_close(step(features), attended(step, features, *parts))


def test_query_and_key_cannot_be_swapped():
    step, features = attention("width"), random(2, 16, 5, 7)
    swapped = step.key(features), step.query(features), step.value(features)
    assert not torch.allclose(step(features), attended(step, features, *swapped))


def test_on_square_maps_the_height_step_attends_along_the_width():
    step, features = attention("height"), random(2, 16, 6, 6)
    parts = step.query(features), step.key(features), step.value(features)
    torch.testing.assert_close(step(features), attended(step, features, *parts))


def test_on_other_maps_the_height_step_cuts_the_memory_in_lengths_of_the_height():
    step, features = attention("height"), random(1, 16, 4, 6)
    parts = step.query(features), step.key(features), step.value(features)
    cut = [part.reshape(1, -1, 6, 4) for part in (features, *parts)]
    expected = attended(step, *cut).reshape(features.shape)
    torch.testing.assert_close(step(features), expected)


def test_attention_is_the_identity_until_gamma_has_moved():
    torch.manual_seed(0)
    block = AxialReverseAttention(16, residual=False).attention.double()
    features = random(1, 16, 6, 6)
    assert [step.gamma.item() for step in (block[2], block[3])] == [0, 0]
    torch.testing.assert_close(block(features), block[1](block[0](features)))


def test_the_two_attention_steps_are_height_then_width():
    block = AxialReverseAttention(16, residual=False).attention
    assert [step.axis for step in list(block)[2:]] == ["height", "width"]


def test_reverse_attention_looks_only_where_no_lesion_was_found():
    torch.manual_seed(0)
    stage = AxialReverseAttention(32, residual=False).double().eval()
    one, other = random(1, 32, 8, 8), 5 * random(1, 32, 8, 8)
    found, missed = torch.full((2, 1, 1, 8, 8), 60.0).double()
    torch.testing.assert_close(stage(one, found), stage(other, found))
    assert not torch.allclose(stage(one, -missed), stage(other, -missed))


def test_reverse_attention_adds_to_the_coarser_logits():
    torch.manual_seed(0)
    stage = AxialReverseAttention(32, residual=False).double().eval()
    logits = stage(random(1, 32, 8, 8), torch.full((1, 1, 8, 8), 60.0).double())
    nothing = stage.convs(torch.zeros(1, 32, 8, 8).double())
    torch.testing.assert_close(logits, 60 + nothing)


def test_the_residual_adds_what_went_into_the_attention():
    torch.manual_seed(0)
    stage = AxialReverseAttention(32, residual=True).double().eval()
    features, coarse = random(1, 32, 8, 8), torch.zeros(1, 1, 8, 8).double()
    context = stage.pyramid(features)
    expected = stage.convs(0.5 * (stage.attention(context) + context))
    torch.testing.assert_close(stage(features, coarse), expected)


def test_the_pyramid_of_silent_branches_gives_back_its_input():
    torch.manual_seed(0)
    pyramid, features = ChannelWisePyramid(32).double().eval(), random(1, 32, 8, 8)
    nn.init.zeros_(pyramid.join[-1].weight)
    assert torch.equal(pyramid(features), features)


def test_the_pyramid_sees_nine_pixels_further_with_each_last_convolution():
    pyramid = ChannelWisePyramid(32)
    dilations = [[conv[0].dilation[0] for conv in part] for part in pyramid.branches]
    assert dilations == [[1] * 3, [3] * 3, [5] * 3, [9] * 3]


def test_squeeze_excite_weighs_channels_by_all_means():
    torch.manual_seed(0)
    block, features = SqueezeExcite(32).double(), random(2, 32, 5, 4)
    first, last = block.excite[0].weight, block.excite[2].weight
    means = features.flatten(2).mean(2)
    weight = torch.sigmoid(torch.relu(means @ first.T) @ last.T)
    expected = features * weight.reshape(2, 32, 1, 1)
    torch.testing.assert_close(block(features), expected)
    assert first.shape == (2, 32)


# what a network takes


def test_the_text_on_sides_gives_height_then_width():
    with pytest.raises(ValueError, match="a multiple of 16, got 70 x 80"):
        check_sides(torch.zeros(1, 3, 70, 80), multiple_of=16)


def test_a_training_batch_of_one_is_refused_and_one_to_score_is_not():
    image = torch.zeros(1, 3, 32, 32)
    check_batch(image, training=False)
    with pytest.raises(ValueError, match="at least two images, got one"):
        check_batch(image, training=True)


# first weights


def test_he_normal_weights_keep_the_spread_from_convolution_to_convolution():
    torch.manual_seed(0)
    block = DoubleConv(64, 64, norm=False, bias=True)
    init_he_normal(block)
    with torch.no_grad():
        first = block[0](torch.randn(2, 64, 32, 32))
        second = block[3](first.relu())
    # 64 channels are few: the ratio itself has a spread of some per cent
    assert second.var() / first.var() == pytest.approx(1, abs=0.15)


def test_a_transposed_convolution_counts_the_inputs_of_one_output():
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(512, 256, 2, stride=2)
    init_he_normal(layer)
    assert layer.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.01)


def test_the_upsampling_of_fcn8s_starts_bilinear():
    from lesionkit.models.fcn import _init_bilinear

    layer = nn.ConvTranspose2d(1, 1, 4, 2, bias=False)
    _init_bilinear(layer)
    expected = torch.tensor([0.25, 0.75, 0.75, 0.25])
    assert torch.equal(layer.weight[0, 0], expected[:, None] * expected)


@pytest.mark.parametrize("in_channels", [1, 2, 3, 4])
def test_an_adapted_first_weight_answers_a_grey_image_as_before(in_channels):
    from lesionkit.models.encoders import first_weight

    weight, grey = random(8, 3, 3, 3), random(1, 1, 6, 6)
    adapted = first_weight(weight, in_channels)
    before = nn.functional.conv2d(grey.expand(1, 3, 6, 6), weight)
    after = nn.functional.conv2d(grey.expand(1, in_channels, 6, 6), adapted)
    torch.testing.assert_close(after, before)


def test_a_first_convolution_that_is_not_kept_starts_as_torchvision_starts_it():
    from lesionkit.models.encoders import first_conv

    torch.manual_seed(0)
    new = first_conv(nn.Conv2d(3, 64, 7, stride=2, padding=3), 1, keep=False)
    assert (new.in_channels, new.stride, new.padding) == (1, (2, 2), (3, 3))
    expected = (2 / (64 * 49)) ** 0.5
    assert new.weight.std().item() == pytest.approx(expected, rel=0.05)
