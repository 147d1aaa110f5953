"""Weights that a model begins with: published ones, those of a file, and none."""

import socket

import pytest
import timm
import torch
from every_model import FAST, VARIANTS, facts, seeded, slow_unless
from safetensors.torch import save_file
from torch import nn

from lesionkit.models import build_model
from lesionkit.prepared.loading import IMAGENET

PRETRAINED = [pair for pair in VARIANTS if facts(*pair).pretrained]
# of the others, smp's MiT, the config lies on the hub
WEIGHTS = {each for p in PRETRAINED for each in facts(*p).pretrained.split(" + ")}
IN_TIMM = sorted(each for each in WEIGHTS if not each.startswith("smp-hub/"))
SCRATCH = [pair for pair in VARIANTS if pair not in PRETRAINED]


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


@pytest.mark.parametrize(("name", "variant"), slow_unless(PRETRAINED, FAST))
def test_pretrained_without_a_network_is_one_line_with_the_weights_id(
    name, variant, offline
):
    weights_id = facts(name, variant).pretrained
    with pytest.raises(RuntimeError, match="could not be downloaded") as told:
        build_model(name, variant=variant, pretrained=True)
    assert repr(weights_id) in str(told.value)
    assert "\n" not in str(told.value)
    assert told.value._render_traceback_() == [f"RuntimeError: {told.value}"]
    for way in ("HF_HOME", "TORCH_HOME", "-p pretrained false"):
        assert way in str(told.value)


@pytest.mark.parametrize("weights_id", IN_TIMM)
def test_published_encoders_were_trained_on_pixels_scaled_as_imagenet_has_it(
    weights_id: str,
):
    mean, deviation = zip(*IMAGENET, strict=True)
    published = timm.get_pretrained_cfg(weights_id)
    assert (published.mean, published.std) == (mean, deviation)


@pytest.mark.parametrize(("name", "variant"), SCRATCH)
def test_pretrained_where_there_are_no_weights_is_refused(name, variant):
    with pytest.raises(ValueError, match=f"no pretrained encoder weights for {name}"):
        build_model(name, variant=variant, pretrained=True)


@pytest.mark.slow
def test_a_pretrained_fcn_has_the_backbone_weights_torchvision_publishes(monkeypatch):
    asked = []

    def get_state_dict(weights, *args, **kwargs):
        from torchvision.models import resnet50

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


@pytest.mark.slow
@pytest.mark.parametrize("in_channels", [1, 3])
def test_a_pretrained_segnet_has_the_encoder_weights_torchvision_publishes(
    monkeypatch, in_channels
):
    from torchvision.models.vgg import cfgs, make_layers

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
