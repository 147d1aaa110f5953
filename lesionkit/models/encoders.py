"""Encoders and their published weights, from timm and segmentation-models-pytorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from torch import Tensor, nn

from lesionkit.lookup import shown_in_a_line
from lesionkit.models.blocks import Network


class MixTransformer(nn.Module):
    """SegFormer's encoder, MiT: four maps at strides 4, 8, 16 and 32.

    Drop path rises linearly from 0 to 0.1 over the blocks, as its authors train it.

    Args:
        name: `mit_b0` to `mit_b5`.
        pretrained: start from the ImageNet weights.

    Shape:
        image: (N, in_channels, H, W) float, H and W multiples of 32
        returns: four maps with `channels` channels, at strides 4, 8, 16, 32

    Raises:
        RuntimeError: the weights could not be downloaded.

    Source: Xie et al. 2021 (SegFormer); segmentation-models-pytorch's graph.
    """

    def __init__(self, name: str, in_channels: int = 3, *, pretrained: bool = False):
        super().__init__()
        with downloading(f"smp-hub/{name}.imagenet", pretrained):
            self.network = smp.encoders.get_encoder(
                name,
                in_channels=in_channels,
                weights="imagenet" if pretrained else None,
            )
        self.channels = self.network.out_channels[2:]

    def forward(self, image: Tensor) -> list[Tensor]:
        """The maps of the four stages; the library's list begins with two others."""
        return self.network(image)[2:]


class LibraryNetwork(Network):
    """A whole network of segmentation-models-pytorch: its graph and its names.

    Shape:
        image: (N, C, H, W) float, of sides that the network takes
        returns: (N, 1, H, W) float, logits
    """

    def __init__(self, network: Any):
        super().__init__()
        self.encoder = network.encoder
        self.decoder = network.decoder
        self.segmentation_head = network.segmentation_head

    def forward(self, image: Tensor) -> Tensor:
        return self.segmentation_head(self.decoder(self.encoder(image)))


def library_unet(in_channels: int, *, pretrained: bool) -> LibraryNetwork:
    """The library's U-Net on a ResNet-34.

    Raises:
        RuntimeError: the weights could not be downloaded.
    """
    with downloading("resnet34.tv_in1k", pretrained):
        network = smp.Unet(
            "resnet34",
            encoder_weights="imagenet" if pretrained else None,
            in_channels=in_channels,
            classes=1,
        )
    return LibraryNetwork(network)


def timm_stages(
    weights_id: str,
    *,
    in_channels: int,
    pretrained: bool,
    stages: tuple[int, ...] = (0, 1, 2, 3),
) -> nn.Module:
    """A timm network that gives the maps of the named stages, finest first.

    Args:
        weights_id: timm's name with its tag, `pvt_v2_b2.in1k` for instance.
        pretrained: start from those weights.
        stages: which of the network's feature maps, counted from 0.

    Raises:
        RuntimeError: the weights could not be downloaded.
    """
    with downloading(weights_id, pretrained):
        return timm.create_model(
            weights_id,
            pretrained=pretrained,
            features_only=True,
            out_indices=stages,
            in_chans=in_channels,
        )


def first_weight(weight: Tensor, in_channels: int) -> Tensor:
    """A first convolution's weight for other channels; a grey image is answered alike.

    Shape:
        weight: (out, 3, k, k)
        returns: (out, in_channels, k, k)
    """
    if in_channels == weight.shape[1]:
        return weight
    grey = weight.sum(1, keepdim=True) / in_channels
    return grey.repeat(1, in_channels, 1, 1)


def first_conv(conv: Any, in_channels: int, *, keep: bool) -> nn.Conv2d:
    """The Conv2d for other channels: with its weights adapted, or started anew."""
    new = nn.Conv2d(
        in_channels,
        conv.out_channels,
        conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        bias=conv.bias is not None,
    )
    with torch.no_grad():
        if keep:
            new.weight.copy_(first_weight(conv.weight, in_channels))
        else:  # as torchvision starts a ResNet
            nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    return new


@contextmanager
def downloading(weights_id: str, wanted: bool = True) -> Iterator[None]:
    """Any failure inside is told as one line that names the weights, if any are wanted.

    Put nothing but the library's own call inside: what fails there is the network,
    the cache or the file that came, whatever class of error the library raises.

    Raises:
        RuntimeError: the weights could not be downloaded.
    """
    try:
        yield
    except Exception as error:
        if not wanted:
            raise
        reason = (str(error).splitlines() or [""])[0]
        says = (
            f"the encoder weights {weights_id!r} could not be downloaded"
            f" ({type(error).__name__}: {reason.rstrip('.')}). Without a network: build"
            " it once with pretrained=True where there is one, and copy the caches to"
            " this machine (~/.cache/huggingface or HF_HOME, ~/.cache/torch or"
            " TORCH_HOME); or go on without weights: pretrained=False, -p pretrained"
            " false. build_model also takes the path of a weights file."
        )
        with shown_in_a_line(RuntimeError):
            raise RuntimeError(says) from error
