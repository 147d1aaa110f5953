"""U-Net: a contracting and an expanding path, joined at every level by a skip.

Paper: Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical
Image Segmentation", MICCAI 2015. It adds the expanding path with as many channels as
the contracting one, and skips that are concatenated, not summed.

    image                                            logits
      |                                                | conv1x1
     64 ----------------------- skip ---------------- 64
      | pool                                           | up
    128 ------------------ skip ---------------- 128
      | pool                                      | up
    256 ------------- skip ----------- 256
      | pool                            | up         each number: a double conv
    512 -------- skip ------ 512                     of that many channels
      | pool                  | up
      '-------- 1024 ---------'

    variant                   norm  up                    parameters   MACs of 224 x 224
    unet_bn_transposed        BN    transposed 2x2        31,037,633   36.88 G
    unet_2015_same_padding    none  transposed 2x2        31,031,745   36.88 G
    unet_bn_bilinear          BN    bilinear, half bottom 17,262,977   30.61 G
    unet_bn_nearest_conv      BN    nearest, conv3x3      34,527,041   50.03 G
    unet_bn_transposed_16     BN    transposed 2x2         1,942,577    2.32 G
    smp_unet_resnet34         BN    nearest, ResNet-34    24,436,369    5.98 G

"U-Net" in a table of results may be any of these. The paper's net has no batch
normalisation, unpadded convolutions (572 in, 388 out) and two output maps; all of ours
pad, so that logits and image have one size, and give one map. The default is the form
most used since, with batch normalisation. unet_bn_transposed_16 is the same with a
quarter of the channels, for the `demo` protocol: nobody published it. smp_unet_resnet34
has a ResNet-34 as contracting path and no skip at full size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesionkit import lookup
from lesionkit.models.blocks import (
    DoubleConv,
    Network,
    check_sides,
    conv_bn_relu,
    init_he_normal,
)
from lesionkit.models.resampling import Bilinear

# variant -> what UNet is given
OPTIONS: dict[str, dict[str, Any]] = {
    "unet_bn_transposed": {"pad": True},
    "unet_2015_same_padding": {"norm": False, "bias": True, "dropout": 0.5},
    "unet_bn_bilinear": {"up": "bilinear", "pad": True},
    "unet_bn_nearest_conv": {"up": "nearest_conv", "bias": True},
    "unet_bn_transposed_16": {"pad": True, "width": 16},
}


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """One of the six networks called U-Net."""
    if variant == "smp_unet_resnet34":
        library_unet = lookup.resolve("lesionkit.models.encoders:library_unet")
        return library_unet(in_channels, pretrained=pretrained)
    model = UNet(in_channels, **OPTIONS[variant])
    if variant == "unet_2015_same_padding":
        init_he_normal(model)
    return model


class UNet(Network):
    """Four steps down, four steps up, a skip between each two of one level.

    Args:
        up: `transposed`, `bilinear` or `nearest_conv`. With `bilinear` the bottom has
            as many channels as the level above it: nothing halves them on the way up.
        norm: batch normalisation after each convolution.
        bias: a bias in each convolution.
        pad: take any side from 16 on: where halving rounded a level down, what comes
            up is padded with zeros to its skip. Otherwise a multiple of 16 is asked.
        dropout: rate after the bottom's double conv.
        width: channels of the first level; each lower one has twice as many.

    Shape:
        image: (N, in_channels, H, W) float
        returns: (N, 1, H, W) float, logits

    Source: Ronneberger et al. 2015, Fig. 1; He-normal weights of the 2015 variant from
    section 3, of the others PyTorch's own.
    Chosen: dropout 0.5 at the bottom, in the 2015 variant alone. The paper has
    "drop-out layers at the end of the contracting path" and gives no rate.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        up: str = "transposed",
        norm: bool = True,
        bias: bool = False,
        pad: bool = False,
        dropout: float = 0.0,
        width: int = 64,
    ):
        super().__init__()
        self.pad = pad
        options = {"norm": norm, "bias": bias}
        bottom = width * (8 if up == "bilinear" else 16)
        widths = (width, 2 * width, 4 * width, 8 * width, bottom)
        self.contracting = nn.ModuleList(
            DoubleConv(wide, out, **options)
            for wide, out in zip((in_channels, *widths), widths, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        self.expanding = nn.ModuleList()
        wide = bottom
        for skip in reversed(widths[:4]):
            # bilinear keeps the channels, so each level leaves what the next one has
            out = max(skip // 2, width) if up == "bilinear" else skip
            self.expanding.append(Expand(wide, skip, out, up=up, **options))
            wide = out
        self.output = nn.Conv2d(width, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        check_sides(image, multiple_of=1 if self.pad else 16, at_least=16)
        features = self.contracting[0](image)
        skips = []
        for double_conv in self.contracting[1:]:
            skips.append(features)
            features = double_conv(self.pool(features))
        features = self.dropout(features)  # (N, bottom, H/16, W/16)
        for expand in self.expanding:
            features = expand(features, skips.pop())
        return self.output(features)


class Expand(nn.Module):
    """Features twice as large, joined with the skip: skip first, then double conv."""

    def __init__(
        self, wide: int, skip: int, out: int, *, up: str, norm: bool, bias: bool
    ):
        super().__init__()
        half = wide // 2
        joined, middle = skip + half, out
        if up == "transposed":
            self.up = nn.ConvTranspose2d(wide, half, 2, stride=2)
        elif up == "nearest_conv":
            conv = conv_bn_relu(wide, half, 3, bias=True)
            self.up = nn.Sequential(nn.Upsample(scale_factor=2), *conv)
        else:
            self.up = Bilinear(2, align_corners=True)
            joined = skip + wide
            middle = joined // 2
        self.double_conv = DoubleConv(joined, out, middle=middle, norm=norm, bias=bias)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        features = self.up(features)
        rows, columns = [skip.shape[i] - features.shape[i] for i in (-2, -1)]
        if rows or columns:
            left, top = columns // 2, rows // 2
            features = F.pad(features, (left, columns - left, top, rows - top))
        return self.double_conv(torch.cat([skip, features], dim=1))
