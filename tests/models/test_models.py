"""Every model of the catalogue is made of what was published and takes what it says."""

import math
from ast import literal_eval
from collections import Counter

import pytest
import torch
from every_model import (
    DEFAULTS,
    FAST,
    GOLDEN,
    OWN,
    VARIANTS,
    batch_norms,
    every_published,
    every_variant,
    every_variant_computed,
    facts,
    shapes_only,
    slow_unless,
)
from golden_rule import multiset
from torch import nn

from lesionkit.models import build_model

STRIDED = [pair for pair in VARIANTS if facts(*pair).multiple_of > 1]
# (eps, momentum) of batch normalisation where it is not PyTorch's own, by the start of
# the layer's name
BATCH_NORM = {
    ("colonformer", "refine"): (1e-3, 0.1),
    ("caranet", "refine"): (1e-3, 0.1),
    ("caranet", "reduce"): (1e-3, 0.1),
    ("ducknet", ""): (1e-3, 0.01),
    ("enet_authors", ""): (1e-3, 0.1),
}


# what the network is made of


@every_published
def test_parameters_are_as_many_as_published(name, variant):
    count = sum(p.numel() for p in shapes_only(name, variant).parameters())
    golden = GOLDEN[f"{name}/{variant}"]
    unused = sum(math.prod(literal_eval(s)) * n for s, n in golden["unused"].items())
    assert facts(name, variant).parameters == count
    assert golden["params"] in (count, count + unused)


@every_published
def test_parameter_shapes_are_the_published_ones(name, variant):
    golden = GOLDEN[f"{name}/{variant}"]
    everything = Counter(golden["multiset"])
    got = multiset(shapes_only(name, variant).parameters())
    assert got in (everything, everything - Counter(golden["unused"]))


def test_the_narrow_unet_has_a_quarter_of_every_channel_of_the_published_one():
    narrow = [tuple(p.shape) for p in shapes_only(*OWN).parameters()]
    wide = [p.shape for p in shapes_only("unet", "unet_bn_transposed").parameters()]
    # images, maps and the sides of a filter stay
    assert narrow == [tuple(n // 4 if n > 3 else n for n in shape) for shape in wide]
    assert facts(*OWN).parameters == sum(map(math.prod, narrow)) == 1_942_577


@every_variant
def test_batch_norm_has_the_published_eps_and_momentum(name, variant):
    rules = {k: v for k, v in BATCH_NORM.items() if k[0] in (name, variant)}
    for layer, norm in batch_norms(shapes_only(name, variant)).items():
        special = [v for (_, start), v in rules.items() if layer.startswith(start)]
        assert (norm.eps, norm.momentum) == (special or [(1e-5, 0.1)])[0], layer


@every_variant_computed
def test_one_channel_changes_only_the_first_layers(name, variant):
    three = shapes_only(name, variant).state_dict()
    one = shapes_only(name, variant, in_channels=1).state_dict()
    changed = {k: v.shape for k, v in one.items() if v.shape != three.get(k, v).shape}
    first = {k: shape for k, shape in changed.items() if len(shape) == 4}
    assert {key.split(".")[0] for key in one.keys() ^ three.keys()} <= {"adapter"}
    assert first or name == "emcadnet"
    assert all(shape[1] == 1 and three[k].shape[1] == 3 for k, shape in first.items())
    # DUCK-Net normalises the image, ENet's first convolution leaves 16 - C maps to it
    small = {k: tuple(three[k].shape) for k in changed.keys() - first.keys()}
    assert set(small.values()) <= {"ducknet": {(3,)}, "enet": {(13,)}}.get(name, set())


def test_emcadnet_makes_three_channels_of_one_with_twelve_parameters():
    adapter = shapes_only("emcadnet", None, in_channels=1).adapter
    assert sum(p.numel() for p in adapter.parameters()) == 12
    assert [type(layer) for layer in adapter] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]


@pytest.mark.parametrize("variant", ["enet_port", "enet_authors"])
@pytest.mark.parametrize("in_channels", [1, 3, 5])
def test_enet_goes_on_with_sixteen_maps_whatever_the_image_has(variant, in_channels):
    initial = shapes_only("enet", variant, in_channels=in_channels).initial
    assert initial.conv.out_channels == 16 - in_channels


# what it takes


@every_variant
def test_sides_the_catalogue_allows_give_logits_of_that_size(name, variant):
    step = facts(name, variant).multiple_of
    height, width = (70, 83) if step == 1 else (64 + step, 64 + 3 * step)
    if facts(name, variant).only:
        height = width = facts(name, variant).only
    logits = shapes_only(name, variant)(torch.empty(1, 3, height, width, device="meta"))
    assert logits.shape == (1, 1, height, width)


@pytest.mark.parametrize(("name", "variant"), slow_unless(STRIDED, FAST))
def test_other_sides_are_refused_with_the_allowed_ones(name, variant):
    step = facts(name, variant).multiple_of
    image = torch.empty(1, 3, 2 * step, 2 * step + step // 2, device="meta")
    sides = f"got {2 * step} x {2 * step + step // 2}"
    message = f"both sides must be a multiple of {step}, {sides}"
    with pytest.raises(ValueError, match=message):
        shapes_only(name, variant)(image)


def test_fatnet_takes_224_and_nothing_else():
    image = torch.empty(1, 3, 224, 256, device="meta")
    with pytest.raises(ValueError, match="both sides must be 224, got 224 x 256"):
        shapes_only("fatnet", None)(image)


@pytest.mark.parametrize("size", [8, 31, 33, 64, 70, 224, 225])
def test_the_side_that_is_proposed_is_one_that_the_network_takes(size):
    for name, variant in VARIANTS:
        near = facts(name, variant).nearest(size)
        assert facts(name, variant).takes(near), variant
        assert facts(name, variant).takes(size) == (near == size), variant


def test_a_padding_unet_refuses_an_image_that_its_bottom_cannot_see():
    with pytest.raises(ValueError, match="at least 16, got 8 x 40"):
        build_model("unet")(torch.zeros(1, 3, 8, 40))


# names


def test_an_unknown_model_is_answered_with_the_nearest_one():
    with pytest.raises(ValueError, match="unknown model 'u-net'. Did you mean 'unet'"):
        build_model("u-net")


def test_an_unknown_variant_is_answered_with_the_nearest_one():
    near = "unknown variant of unet 'bn_bilinear'. Did you mean 'unet_bn_bilinear'"
    with pytest.raises(ValueError, match=near):
        build_model("unet", variant="bn_bilinear")


@pytest.mark.parametrize(("name", "variant"), slow_unless(DEFAULTS, FAST))
def test_no_variant_is_the_first_one_listed(name, variant):
    default = shapes_only(name, variant)
    assert str(shapes_only(name, None)) == str(default)


@pytest.mark.parametrize("in_channels", [0, -1, 1.0, "3"])
def test_channels_that_are_no_positive_integer_are_refused(in_channels):
    with pytest.raises(ValueError, match="in_channels must be an integer >= 1"):
        build_model("unet", in_channels=in_channels)
