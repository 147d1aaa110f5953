"""EMCADNet: a pyramid transformer and a decoder of multi-scale depthwise convolutions.

Paper: Rahman, Munir and Marculescu, "EMCAD: Efficient Multi-scale Convolutional
Attention Decoding for Medical Image Segmentation", CVPR 2024. It adds a decoder of few
MACs: channel and spatial attention, then depthwise convolutions of three sizes side by
side (MSCAM), large-kernel gates on the skips (LGAG), cheap upsampling (EUCB).

    X4 ------------------------------ MSCAM - d4 - conv1x1 - x 32
                                       | EUCB
    X3 ---- LGAG (gate: what comes up) + MSCAM - d3 - conv1x1 - x 16
                                                | EUCB
    X2 ---- LGAG ------------------------------ + MSCAM - d2 - conv1x1 - x 8
                                                         | EUCB
    X1 ---- LGAG --------------------------------------- + MSCAM - d1 - conv1x1 - x 4

    MSCAM = channel attention, spatial attention (one for all levels), multi-scale block

    variant        encoder     parameters    MACs of 224 x 224    heads
    emcadnet       PVTv2-B2    26,764,399    4.39 G               4
    emcadnet_b0    PVTv2-B0     3,916,783    0.67 G               4

The authors' licence forbids derived works and their code was not used. All four outputs
are logits at the image's size; the authors list the coarsest first and use d1 for
inference, we list d1 first. The multi-scale block has ReLU6, as in paper and training
script; the default of the authors' class is ReLU. An image of one channel goes through
the authors' adapter to three (12 parameters), which is built only then. Trained with
deep supervision, the loss is the sum of the loss of each output and of the loss of the
sum of the four maps.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesionkit.models.blocks import Network, check_sides, conv_bn_relu, resize
from lesionkit.models.encoders import timm_stages

ENCODERS = {"emcadnet": "pvt_v2_b2.in1k", "emcadnet_b0": "pvt_v2_b0.in1k"}


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """EMCADNet on PVTv2-B2 or PVTv2-B0."""
    grey = in_channels == 1
    encoder: Any = timm_stages(
        ENCODERS[variant], in_channels=3 if grey else in_channels, pretrained=pretrained
    )
    return EMCADNet(encoder, encoder.feature_info.channels(), grey=grey)


class EMCADNet(Network):
    """Encoder, decoder, a head on each of the decoder's four maps.

    Args:
        encoder: image of three channels to four maps at strides 4, 8, 16, 32.
        channels: of those maps, finest first.
        grey: images have one channel, and an adapter makes three of it.

    Shape:
        image: (N, C, H, W) float, H and W multiples of 32
        returns: (N, 1, H, W) float, logits

    Source: Rahman et al. 2024. The decoder's convolutions start from N(0, 0.02)
    with zero biases, as the authors'; the heads have PyTorch's own first weights.
    """

    def __init__(self, encoder: nn.Module, channels: list[int], *, grey: bool = False):
        super().__init__()
        self.adapter = conv_bn_relu(1, 3, 1, bias=True) if grey else nn.Identity()
        self.encoder = encoder
        self.decoder = EMCAD(channels)
        self.outputs = nn.ModuleList(nn.Conv2d(c, 1, 1) for c in channels)

    def heads(self, image: Tensor) -> list[Tensor]:
        """Logits of d1, d2, d3, d4, at the image's size."""
        check_sides(image, multiple_of=32)
        decoded = self.decoder(self.encoder(self.adapter(image)))
        return [
            resize(output(x), scale=4 * 2**level)
            for level, (output, x) in enumerate(zip(self.outputs, decoded, strict=True))
        ]

    def supervised(self, image: Tensor) -> list[tuple[float, Tensor]]:
        """The four outputs and their sum, each with its weight in the loss: 1."""
        heads = self.heads(image)
        return [(1.0, head) for head in (*heads, reduce(add, heads))]


class EMCAD(nn.Module):
    """The decoder: maps of the encoder to maps of the same shapes, finest first.

    Args:
        channels: of the four maps, finest first; each a multiple of 16.
    """

    def __init__(self, channels: list[int]):
        super().__init__()
        self.channel_attention = nn.ModuleList(ChannelAttention(c) for c in channels)
        self.spatial_attention = SpatialAttention()  # shared by the levels
        self.multi_scale = nn.ModuleList(MultiScaleConv(c) for c in channels)
        self.up = nn.ModuleList(
            UpConv(coarse, fine)
            for fine, coarse in zip(channels, channels[1:], strict=False)
        )
        self.gate = nn.ModuleList(LargeKernelGate(c) for c in channels[:-1])
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        decoded: list[Tensor] = []
        for level in (3, 2, 1, 0):
            joined = features[level]
            if decoded:
                up = self.up[level](decoded[0])
                joined = up + self.gate[level](up, joined)
            attended = self.spatial_attention(self.channel_attention[level](joined))
            decoded.insert(0, self.multi_scale[level](attended))
        return decoded


class ChannelAttention(nn.Module):
    """CAB: features times sigmoid(f(mean) + f(max)), with one f for both."""

    def __init__(self, channels: int):
        super().__init__()
        self.squeeze = nn.Sequential(
            nn.Conv2d(channels, channels // 16, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // 16, channels, 1, bias=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        mean = self.squeeze(features.mean((2, 3), keepdim=True))
        greatest = self.squeeze(features.amax((2, 3), keepdim=True))
        return features * torch.sigmoid(mean + greatest)


class SpatialAttention(nn.Module):
    """SAB: features times the sigmoid of a 7x7 convolution of channel mean and max."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        greatest = features.amax(1, keepdim=True)
        both = torch.cat([features.mean(1, keepdim=True), greatest], dim=1)
        return features * torch.sigmoid(self.conv(both))


class MultiScaleConv(nn.Module):
    """MSCB: depthwise convolutions of sizes 1, 3, 5, summed, shuffled; a residual."""

    def __init__(self, channels: int):
        super().__init__()
        wide = 2 * channels
        self.channels = channels
        self.expand = conv_bn_relu(channels, wide, 1, relu=nn.ReLU6)
        self.depthwise = nn.ModuleList(
            conv_bn_relu(wide, wide, kernel, groups=wide, relu=nn.ReLU6)
            for kernel in (1, 3, 5)
        )
        self.project = nn.Sequential(
            nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        wide = self.expand(features)
        total = reduce(add, (conv(wide) for conv in self.depthwise))
        return features + self.project(F.channel_shuffle(total, self.channels))


class UpConv(nn.Sequential):
    """EUCB: nearest x 2, depthwise 3x3, batch normalisation, ReLU, 1x1.

    The authors shuffle channels in between, in groups of one, which changes nothing.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(
            nn.Upsample(scale_factor=2),
            *conv_bn_relu(in_channels, in_channels, 3, groups=in_channels),
            nn.Conv2d(in_channels, out_channels, 1),
        )


class LargeKernelGate(nn.Module):
    """LGAG: the skip times a map in (0, 1) computed from it and the gate."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.gate, self.skip = [
            nn.Sequential(
                nn.Conv2d(channels, half, 3, padding=1, groups=half),
                nn.BatchNorm2d(half),
            )
            for _ in range(2)
        ]
        self.map = nn.Sequential(nn.Conv2d(half, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, gate: Tensor, skip: Tensor) -> Tensor:
        return skip * self.map(torch.relu(self.gate(gate) + self.skip(skip)))
