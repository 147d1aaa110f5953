"""FAT-Net: a ResNet and a vision transformer side by side, feature adaptation on skips.

Paper: Wu et al., "FAT-Net: Feature adaptive transformers for
automated skin lesion segmentation", Medical Image Analysis 76, 2022. It adds to an
encoder-decoder: a transformer beside the convolutional encoder, a squeeze-excite fusion
of both, and feature adaptation modules (FAM) on the skips.

    image ------------------------------------.
      | ResNet-34 without its max pooling     | patches of 16, twelve ViT blocks
    112: 64 channels - FAM x 6 ------.        | 14 x 14, 192 - conv1x1 - 512
     56: 128 -- FAM x 4 ---------.   |        |
     28: 256 -- FAM x 2 -----.   |   |        |
     14: 512 ----------- join, squeeze-excite, conv1x1 - 512
                             |   |   |   | up block
                             + - | - | --' 28: 256
                                 + - | ---- up block, 56: 128
                                     + ---- up block, 112: 64 - transposed conv - logits

    variant    parameters    MACs of 224 x 224
    fatnet     28,754,017    22.92 G

Images are 224 x 224 and nothing else: the patch grid is 14 x 14. The authors' code
carries no licence and was not used. It builds a fourth up block and never calls it:
their 28,758,657 parameters are ours and its 4,640. We take the code's side: each level
has one FAM that is applied two, four or six times with the same weights (whether the
paper means one or several is not settled); the transformer has no class token, no
position embedding and no last norm; the ResNet has no max pooling; skips are summed,
and the stem is no skip.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

from lesionkit.models.blocks import Network, SqueezeExcite, check_sides, conv_bn_relu
from lesionkit.models.encoders import downloading

RESNET = "resnet34.tv_in1k"
TRANSFORMER = "deit_tiny_distilled_patch16_224.fb_in1k"
# level -> channels, how often its FAM is applied
ADAPTED = {"fine": (64, 6), "middle": (128, 4), "coarse": (256, 2)}
UP = ("coarse", "middle", "fine")


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """FAT-Net on ResNet-34 and DeiT-tiny-distilled."""
    options = {"pretrained": pretrained, "in_chans": in_channels, "num_classes": 0}
    with downloading(f"{RESNET} + {TRANSFORMER}", pretrained):
        resnet = timm.create_model(RESNET, **options)
        transformer = timm.create_model(TRANSFORMER, **options)
    return FATNet(resnet, transformer)


class FATNet(Network):
    """Two encoders, their fusion, three up blocks with adapted skips.

    Args:
        resnet: timm's ResNet-34, of which stem and stages are taken.
        transformer: timm's DeiT-tiny, of which patch embedding and blocks are taken.

    Shape:
        image: (N, C, 224, 224) float
        returns: (N, 1, 224, 224) float, logits

    Source: Wu et al. 2022.
    """

    def __init__(self, resnet: Any, transformer: Any):
        super().__init__()
        self.stem = nn.Sequential(resnet.conv1, resnet.bn1, resnet.act1)
        self.stages = nn.ModuleList(
            [resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4]
        )
        self.patch_embed = transformer.patch_embed
        self.blocks = transformer.blocks
        self.project = nn.Conv2d(192, 512, 1)
        self.fuse = nn.Sequential(SqueezeExcite(1024), nn.Conv2d(1024, 512, 1))
        self.adapt = nn.ModuleDict(
            {level: FeatureAdaptation(width) for level, (width, _) in ADAPTED.items()}
        )
        self.up = nn.ModuleDict(
            {level: up_block(2 * ADAPTED[level][0], ADAPTED[level][0]) for level in UP}
        )
        self.output = nn.Sequential(
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 1, 3, padding=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        check_sides(image, only=224)
        features, maps = self.stem(image), []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)  # sides 112, 56, 28, 14
        tokens = self.blocks(self.patch_embed(image))  # (N, 196, 192)
        grid = tokens.transpose(1, 2).reshape(tokens.shape[0], -1, 14, 14)
        features = self.fuse(torch.cat([maps.pop(), self.project(grid)], dim=1))
        for level, up in self.up.items():
            skip = maps.pop()
            for _ in range(ADAPTED[level][1]):
                skip = self.adapt[level](skip)
            features = up(features) + skip
        return self.output(features)


class FeatureAdaptation(nn.Module):
    """FAM: ReLU(conv3x3) + ReLU(conv1x1), without a norm."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv3 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv1 = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.conv3(features)) + torch.relu(self.conv1(features))


def up_block(in_channels: int, out_channels: int) -> nn.Sequential:
    """1x1 to a quarter, transposed convolution x 2, 1x1; each with norm and ReLU."""
    quarter = in_channels // 4
    return nn.Sequential(
        *conv_bn_relu(in_channels, quarter, 1, bias=True),
        nn.ConvTranspose2d(quarter, quarter, 3, stride=2, padding=1, output_padding=1),
        nn.BatchNorm2d(quarter),
        nn.ReLU(inplace=True),
        *conv_bn_relu(quarter, out_channels, 1, bias=True),
    )
