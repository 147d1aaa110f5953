"""Every model and variant of the catalogue goes through the same tests."""

import math
import socket
from ast import literal_eval
from collections import Counter

import pytest
import torch
from every_model import (
    DEFAULTS,
    GOLDEN,
    VARIANTS,
    batch_norms,
    every_variant,
    every_variant_computed,
    facts,
    images,
    seeded,
    shapes_only,
)
from golden_rule import distance, fill_, make_input, multiset, summarise
from safetensors.torch import save_file
from torch import nn
from torchvision.models import resnet50
from torchvision.models.vgg import cfgs, make_layers

from lesionkit.models import build_model

PRETRAINED = [pair for pair in VARIANTS if facts(*pair).pretrained]
SCRATCH = [pair for pair in VARIANTS if pair not in PRETRAINED]
STRIDED = [pair for pair in VARIANTS if facts(*pair).multiple_of > 1]
RESIZED = [pair for pair in VARIANTS if "forward" in GOLDEN["/".join(pair)]]
# (eps, momentum) of batch normalisation where it is not PyTorch's own, by the start of
# the layer's name
BATCH_NORM = {
    ("colonformer", "refine"): (1e-3, 0.1),
    ("caranet", "refine"): (1e-3, 0.1),
    ("caranet", "reduce"): (1e-3, 0.1),
    ("ducknet", ""): (1e-3, 0.01),
    ("enet_authors", ""): (1e-3, 0.1),
}


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, and caches that are empty."""

    def refuse(*args, **kwargs):
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


# what the network is made of


@every_variant
def test_parameters_are_as_many_as_published(name, variant):
    count = sum(p.numel() for p in shapes_only(name, variant).parameters())
    golden = GOLDEN[f"{name}/{variant}"]
    unused = sum(math.prod(literal_eval(s)) * n for s, n in golden["unused"].items())
    assert facts(name, variant).parameters == count
    assert golden["params"] in (count, count + unused)


@every_variant
def test_parameter_shapes_are_the_published_ones(name, variant):
    golden = GOLDEN[f"{name}/{variant}"]
    everything = Counter(golden["multiset"])
    got = multiset(shapes_only(name, variant).parameters())
    assert got in (everything, everything - Counter(golden["unused"]))


@every_variant
def test_batch_norm_has_the_published_eps_and_momentum(name, variant):
    rules = {k: v for k, v in BATCH_NORM.items() if k[0] in (name, variant)}
    for layer, norm in batch_norms(shapes_only(name, variant)).items():
        special = [v for (_, start), v in rules.items() if layer.startswith(start)]
        assert (norm.eps, norm.momentum) == (special or [(1e-5, 0.1)])[0], layer


@every_variant
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


# what it computes


@every_variant_computed
def test_heads_equal_the_golden_ones(name, variant):
    golden = GOLDEN[f"{name}/{variant}"]
    order = [golden["main"]]
    order += [i for i in range(len(golden["heads"])) if i != golden["main"]]
    model = fill_(build_model(name, variant=variant))
    with torch.no_grad():
        heads = model.heads(make_input(2, golden["size"]))
    got = [summarise(head) for head in heads]
    # float64 sums in another order differ by 1e-12; another graph by 1e-2
    assert distance(got[0], golden["heads"][golden["main"]]) < 1e-6
    assert len(got) == len(order) == facts(name, variant).heads
    assert all(
        min(distance(one, golden["heads"][i]) for one in got) < 1e-6 for i in order
    )


@pytest.mark.parametrize(("name", "variant"), RESIZED)
def test_forward_equals_the_golden_one_where_the_head_is_smaller(name, variant):
    golden = GOLDEN[f"{name}/{variant}"]["forward"]
    model = fill_(build_model(name, variant=variant))
    with torch.no_grad():
        logits = model(make_input(2, golden["size"]))
    assert distance(summarise(logits), golden["head"]) < 1e-6


@every_variant_computed
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_forward_is_the_first_head_at_the_images_size(name, variant, training):
    model = seeded(name, variant).train(training)
    image = images(name, variant)
    with torch.no_grad():
        torch.manual_seed(1)  # dropout
        logits = model(image)
        torch.manual_seed(1)
        first = model.heads(image)[0]
    size = image.shape[-2:]
    resized = nn.functional.interpolate(first, size, mode="bilinear")
    same = first if first.shape == logits.shape else resized
    assert logits.shape == (2, 1, *size)
    torch.testing.assert_close(logits, same)


@every_variant_computed
def test_every_parameter_has_a_finite_gradient(name, variant):
    model = seeded(name, variant).train()
    heads = model.heads(images(name, variant))
    sum(head.square().mean() for head in heads).backward()
    without = [key for key, p in model.named_parameters() if p.grad is None]
    norms = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    assert all(head.isfinite().all() for head in heads)
    assert torch.stack(norms).isfinite().all()
    assert without == []


@every_variant_computed
def test_one_channel_gives_finite_logits(name, variant):
    model = seeded(name, variant, in_channels=1).eval()
    image = images(name, variant, channels=1)
    with torch.no_grad():
        logits = model(image)
    assert logits.shape == image.shape
    assert logits.isfinite().all()


@every_variant_computed
def test_logits_in_eval_mode_do_not_depend_on_the_rest_of_the_batch(name, variant):
    model = seeded(name, variant).eval()
    batch = images(name, variant)
    with torch.no_grad():
        together, alone = model(batch)[:1], model(batch[:1])
    # other batch sizes take other kernels: float32 rounding over many layers
    assert (together - alone).abs().max() <= 1e-3 * alone.abs().max()


@every_variant_computed
def test_eval_mode_reads_the_running_statistics(name, variant):
    model = seeded(name, variant).eval()
    norms = batch_norms(model)
    image = images(name, variant, count=1)
    with torch.no_grad():
        before = model(image)
        for norm in norms.values():
            norm.running_var.mul_(4)
        after = model(image)
    assert torch.equal(before, after) == (not norms)


@every_variant_computed
def test_the_same_weights_in_channels_last_give_the_same_logits(name, variant):
    model = seeded(name, variant).eval()
    image = images(name, variant)
    with torch.no_grad():
        plain = model(image)
        model.to(memory_format=torch.channels_last)
        other = model(image.contiguous(memory_format=torch.channels_last))
    # other kernels, so float32 rounding over many layers; another order of axes in a
    # reshape moves logits by their whole spread
    assert (plain - other).abs().max() <= 1e-3 * plain.std()


# what it takes


@every_variant
def test_sides_the_catalogue_allows_give_logits_of_that_size(name, variant):
    step = facts(name, variant).multiple_of
    height, width = (70, 83) if step == 1 else (64 + step, 64 + 3 * step)
    if facts(name, variant).only:
        height = width = facts(name, variant).only
    logits = shapes_only(name, variant)(torch.empty(1, 3, height, width, device="meta"))
    assert logits.shape == (1, 1, height, width)


@pytest.mark.parametrize(("name", "variant"), STRIDED)
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
@every_variant
def test_the_side_that_is_proposed_is_one_that_the_network_takes(name, variant, size):
    near = facts(name, variant).nearest(size)
    assert facts(name, variant).takes(near)
    assert facts(name, variant).takes(size) == (near == size)


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


@pytest.mark.parametrize(("name", "variant"), DEFAULTS)
def test_no_variant_is_the_first_one_listed(name, variant):
    default = shapes_only(name, variant)
    assert str(shapes_only(name, None)) == str(default)


@pytest.mark.parametrize("in_channels", [0, -1, 1.0, "3"])
def test_channels_that_are_no_positive_integer_are_refused(in_channels):
    with pytest.raises(ValueError, match="in_channels must be an integer >= 1"):
        build_model("unet", in_channels=in_channels)


# weights


@pytest.mark.parametrize(("name", "variant"), PRETRAINED)
def test_pretrained_without_a_network_is_one_line_with_the_weights_id(
    name, variant, offline
):
    weights_id = facts(name, variant).pretrained
    with pytest.raises(RuntimeError, match="could not be downloaded") as told:
        build_model(name, variant=variant, pretrained=True)
    assert repr(weights_id) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("name", "variant"), SCRATCH)
def test_pretrained_where_there_are_no_weights_is_refused(name, variant):
    with pytest.raises(ValueError, match=f"no pretrained encoder weights for {name}"):
        build_model(name, variant=variant, pretrained=True)


def test_a_pretrained_fcn_has_the_backbone_weights_torchvision_publishes(monkeypatch):
    asked = []

    def get_state_dict(weights, *args, **kwargs):
        asked.append(str(weights))
        state = resnet50(weights=None).state_dict()
        return {**state, "conv1.weight": torch.full_like(state["conv1.weight"], 0.5)}

    monkeypatch.setattr(
        "torchvision.models._api.WeightsEnum.get_state_dict", get_state_dict
    )
    model = build_model(
        "fcn", variant="tv_fcn_resnet50", in_channels=1, pretrained=True
    )
    assert asked == ["ResNet50_Weights.IMAGENET1K_V1"]
    assert (model.backbone.conv1.weight == 1.5).all()  # one channel: three summed


@pytest.mark.parametrize("in_channels", [1, 3])
def test_a_pretrained_segnet_has_the_encoder_weights_torchvision_publishes(
    monkeypatch, in_channels
):
    torch.manual_seed(0)
    layers = make_layers(cfgs["D"], batch_norm=True)
    published = {f"features.{key}": value for key, value in layers.state_dict().items()}
    published["classifier.0.weight"] = torch.zeros(1)
    monkeypatch.setattr(
        "torchvision.models._api.WeightsEnum.get_state_dict", lambda *_, **__: published
    )
    model = build_model("segnet", in_channels=in_channels, pretrained=True)
    got = model.encoder.state_dict()
    first = published["features.0.weight"]
    grey = first.sum(1, keepdim=True)
    assert torch.equal(got["0.weight"], first if in_channels == 3 else grey)
    others = [key for key in layers.state_dict() if key != "0.weight"]
    assert all(torch.equal(got[key], published[f"features.{key}"]) for key in others)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_local_weights_file_gives_back_the_model_it_came_from(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    saved = seeded("unetplusplus", None).state_dict()
    (save_file if suffix == ".safetensors" else torch.save)(saved, path)
    torch.manual_seed(1)
    loaded = build_model("unetplusplus", pretrained=path).state_dict()
    assert all(torch.equal(loaded[key], saved[key]) for key in saved)


def test_a_weights_file_of_another_network_is_refused_with_the_first_names(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"nodes.0_0.0.weight": torch.zeros(1), "other": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="does not fit the model: .* missing") as told:
        build_model("unetplusplus", pretrained=str(path))
    assert "1 tensors unexpected, the first 'other'" in str(told.value)
    assert "of another shape, the first 'nodes.0_0.0.weight'" in str(told.value)


def test_a_checkpoint_that_holds_more_than_tensors_is_refused(tmp_path):
    torch.save({"model": {}, "epoch": 3}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="must hold a state dict"):
        build_model("unetplusplus", pretrained=tmp_path / "checkpoint.pt")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("content", [b"", b"no tensors here"])
def test_a_file_that_holds_no_weights_is_refused_by_name(tmp_path, suffix, content):
    path = tmp_path / f"notes{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"notes{suffix} is no readable weights file"):
        build_model("unetplusplus", pretrained=path)


def test_a_weights_file_whose_reading_would_run_code_is_refused(tmp_path):
    torch.save(nn.Linear(1, 1), tmp_path / "model.pt")
    with pytest.raises(ValueError, match="no readable weights file"):
        build_model("unetplusplus", pretrained=tmp_path / "model.pt")


def test_a_weights_file_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match="no weights file 'nowhere.pt'"):
        build_model("unetplusplus", pretrained="nowhere.pt")
