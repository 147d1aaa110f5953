"""The U-Net on ResNet-34 is the library's, bit for bit, without importing it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import segmentation_models_pytorch as smp
import torch

from lesionkit.models import build_model
from lesionkit.models.encoders import LibraryNetwork
from lesionkit.models.unet_resnet34 import ResNet34UNet


def both(in_channels: int) -> tuple[ResNet34UNet, LibraryNetwork, torch.Tensor]:
    """Ours and the library's from one seed, and the next number after ours."""
    torch.manual_seed(7)
    ours, following = ResNet34UNet(in_channels), torch.rand(1)
    torch.manual_seed(7)
    theirs = smp.Unet(encoder_weights=None, in_channels=in_channels)
    assert torch.equal(following, torch.rand(1))
    return ours, LibraryNetwork(theirs), following


@pytest.mark.parametrize("in_channels", [1, 3, 4])
def test_names_order_and_first_weights_are_the_librarys(in_channels: int) -> None:
    ours, theirs, _ = both(in_channels)
    expected = theirs.state_dict()
    assert list(ours.state_dict()) == list(expected)
    for name, value in ours.state_dict().items():
        assert torch.equal(value, expected[name]), name
    names = [name for name, _ in theirs.named_parameters()]
    assert [name for name, _ in ours.named_parameters()] == names


@pytest.mark.parametrize("sides", [(64, 64), (70, 45)])
def test_logits_gradients_and_running_means_have_the_librarys_bits(sides) -> None:
    ours, theirs, _ = both(3)
    image = torch.randn(2, 3, *sides, generator=torch.Generator().manual_seed(1))
    for network in (ours, theirs):
        network(image).square().mean().backward()
    gradients = dict(theirs.named_parameters())
    for name, value in ours.named_parameters():
        assert torch.equal(value.grad, gradients[name].grad), name
    buffers = dict(theirs.named_buffers())
    for name, value in ours.named_buffers():
        assert torch.equal(value, buffers[name]), name
    assert torch.equal(ours.eval()(image), theirs.eval()(image))


def test_weights_from_the_library_go_into_ours() -> None:
    torch.manual_seed(3)
    theirs = LibraryNetwork(smp.Unet(encoder_weights=None))
    ours = build_model("unet", variant="smp_unet_resnet34")
    ours.load_state_dict(theirs.state_dict())
    image = torch.randn(1, 3, 32, 32)
    assert torch.equal(ours.eval()(image), theirs.eval()(image))


@pytest.mark.parametrize(
    ("name", "variant"), [("unet", "smp_unet_resnet34"), ("enet", "enet_port")]
)
def test_a_network_of_the_kits_own_imports_no_library(name: str, variant: str) -> None:
    code = (
        "import sys; from lesionkit.models import build_model;"
        f"build_model({name!r}, variant={variant!r});"
        "libraries = {'timm', 'torchvision', 'segmentation_models_pytorch'};"
        "print(sorted(libraries & sys.modules.keys()), 'torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] False"
