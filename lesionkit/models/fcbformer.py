"""FCBFormer: a pyramid transformer and a fully convolutional branch at full size.

Paper: Sanderson and Matuszewski, "FCN-Transformer Feature Fusion for Polyp
Segmentation", MIUA 2022. It adds to a transformer, whose maps are a quarter of the
image at best, a convolutional branch at full size, and joins both before the head.

    image --------------------------------------.
      | PVTv2-B3, strides 4, 8, 16, 32          | fully convolutional branch (FCB):
    each map: local emphasis                    | a U-Net of residual blocks, six
      | two residual blocks, to stride 4        | levels, 18 skips
    stepwise aggregation, coarsest first        |
      | 64 channels, nearest x 4                | 32 channels
      '------------------ join -----------------'
                            | two residual blocks, conv1x1
                          logits

    variant                 local emphasis at      parameters    MACs of 224 x 224
    fcbformer_quarter       a quarter of the side  52,962,337    29.87 G
    fcbformer_authors_88    88 x 88, whatever in   52,962,337    32.53 G

The authors' code (Apache-2.0) writes the number 88, a quarter of its 352: at 224 it
resamples 56 to 88 and back to 224. The default follows the image's size; both agree at
352. Upsampling is nearest everywhere, as in that code. There are group and layer norms
only, no batch normalisation, so a batch of one image trains.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesionkit.models.blocks import Network, check_sides
from lesionkit.models.encoders import timm_stages

# variant -> side of the transformer branch's maps; None is a quarter of the image's
SIDES = {"fcbformer_quarter": None, "fcbformer_authors_88": 88}


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """FCBFormer on PVTv2-B3."""
    options = {"in_channels": in_channels, "pretrained": pretrained}
    encoder = timm_stages("pvt_v2_b3.in1k", **options)
    return FCBFormer(encoder, in_channels, side=SIDES[variant])


class FCBFormer(Network):
    """Transformer branch, fully convolutional branch, prediction head.

    Args:
        encoder: image to maps of 64, 128, 320, 512 channels at strides 4, 8, 16, 32.
        side: of the transformer branch's maps; None is a quarter of the image's.

    Shape:
        image: (N, in_channels, H, W) float, H and W multiples of 32
        returns: (N, 1, H, W) float, logits

    Source: Sanderson and Matuszewski 2022.
    """

    def __init__(
        self, encoder: nn.Module, in_channels: int = 3, *, side: int | None = None
    ):
        super().__init__()
        self.transformer_branch = TransformerBranch(encoder, side=side)
        self.convolutional_branch = ConvolutionalBranch(in_channels)
        self.output = nn.Sequential(*residual_blocks(64 + 32), nn.Conv2d(64, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        check_sides(image, multiple_of=32)
        coarse = F.interpolate(self.transformer_branch(image), image.shape[-2:])
        fine = self.convolutional_branch(image)
        return self.output(torch.cat([coarse, fine], dim=1))


class TransformerBranch(nn.Module):
    """TB: the encoder's maps, emphasised locally, aggregated from coarse to fine.

    Shape:
        image: (N, C, H, W)
        returns: (N, 64, H/4, W/4), or the side that was given

    Source: Sanderson and Matuszewski 2022; after Wang et al. 2022 (SSFormer).
    """

    def __init__(self, encoder: nn.Module, *, side: int | None):
        super().__init__()
        self.encoder = encoder
        self.side = side
        self.emphasis = nn.ModuleList(map(residual_blocks, (64, 128, 320, 512)))
        self.aggregate = nn.ModuleList(residual_blocks(128) for _ in range(3))

    def forward(self, image: Tensor) -> Tensor:
        features = self.encoder(image)
        size = (self.side, self.side) if self.side else features[0].shape[-2:]
        levels = [
            F.interpolate(emphasis(x), size)  # nearest
            for emphasis, x in zip(self.emphasis, features, strict=True)
        ]
        total = levels.pop()
        for aggregate in reversed(self.aggregate):
            total = aggregate(torch.cat([levels.pop(), total], dim=1))
        return total


class ConvolutionalBranch(nn.Module):
    """FCB: a U-Net of residual blocks with a skip from each of its 18 steps down.

    Shape:
        image: (N, in_channels, H, W)
        returns: (N, 32, H, W)

    Source: Sanderson and Matuszewski 2022; after Nichol and Dhariwal 2021.
    """

    def __init__(self, in_channels: int):
        super().__init__()
        levels = list(enumerate((32, 32, 64, 64, 128, 128)))
        self.down = nn.ModuleList([nn.Conv2d(in_channels, 32, 3, padding=1)])
        skips, wide = [32], 32
        for level, width in levels:
            for _ in range(2):
                self.down.append(ResidualBlock(wide, width))
                skips.append(width)
                wide = width
            if level < 5:
                self.down.append(nn.Conv2d(width, width, 3, stride=2, padding=1))
                skips.append(width)
        self.middle = residual_blocks(128, 128)
        self.up = nn.ModuleList()
        for level, width in reversed(levels):
            for _ in range(3):
                self.up.append(ResidualBlock(wide + skips.pop(), width))
                wide = width
            if level:
                conv = nn.Conv2d(width, width, 3, padding=1)
                self.up.append(nn.Sequential(nn.Upsample(scale_factor=2), conv))

    def forward(self, image: Tensor) -> Tensor:
        features, skips = image, []
        for step in self.down:
            features = step(features)
            skips.append(features)
        features = self.middle(features)
        for step in self.up:
            if isinstance(step, ResidualBlock):
                features = torch.cat([features, skips.pop()], dim=1)
            features = step(features)
        return features


class ResidualBlock(nn.Module):
    """RB: two times group norm, SiLU, conv3x3; plus the input, by 1x1 where needed."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.convs = nn.Sequential(
            nn.GroupNorm(32, in_channels),
            nn.SiLU(),
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.GroupNorm(32, out_channels),
            nn.SiLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.convs(features) + self.shortcut(features)


def residual_blocks(wide: int, width: int = 64) -> nn.Sequential:
    """Two in a row, the second one from `width` to `width`."""
    return nn.Sequential(ResidualBlock(wide, width), ResidualBlock(width, width))
