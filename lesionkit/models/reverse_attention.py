"""Axial reverse attention: the refinement that CaraNet and ColonFormer share.

features                              coarse (logits of the stage before)
  | channel-wise feature pyramid        |
  | axial attention                     | 1 - sigmoid
  '-------------- times ---------------'|
                    | three convs       |
                    '------ plus -------'
                            | finer logits
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lesionkit.models.blocks import resize


def norm_prelu(channels: int) -> nn.Sequential:
    """Batch normalisation with eps 1e-3, then PReLU with a slope per channel."""
    return nn.Sequential(nn.BatchNorm2d(channels, eps=1e-3), nn.PReLU(channels))


def conv_prelu(
    in_channels: int,
    out_channels: int,
    kernel: int = 3,
    *,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Convolution of the same size without bias, then `norm_prelu`."""
    conv = nn.Conv2d(
        in_channels,
        out_channels,
        kernel,
        padding=dilation * (kernel // 2),
        dilation=dilation,
        groups=groups,
        bias=False,
    )
    return nn.Sequential(conv, *norm_prelu(out_channels))


class ChannelWisePyramid(nn.Module):
    """CFP: four dilated branches on a quarter of the channels each, summed up stepwise.

    Each branch joins the results of three grouped convolutions in a row (n/16, n/16 and
    n/8 channels); the sums over the first one, two, three and four branches are joined.

    Args:
        channels: n, a multiple of 16; in and out.

    Source: Lou et al. 2021 (CFPNet-M); Lou et al. 2022 (CaraNet).
    Chosen: dilations 1, 3, 5, 9 as the authors' code has them; the papers speak of
    1, 2, 4, 8.
    """

    def __init__(self, channels: int):
        super().__init__()
        quarter, sixteenth = channels // 4, channels // 16
        self.reduce = nn.Sequential(
            *norm_prelu(channels), *conv_prelu(channels, quarter)
        )
        widths = (quarter, sixteenth, sixteenth, channels // 8)
        self.branches = nn.ModuleList(
            nn.ModuleList(
                conv_prelu(wide, width, dilation=dilation, groups=sixteenth)
                for wide, width in zip(widths, widths[1:], strict=False)
            )
            for dilation in (1, 3, 5, 9)
        )
        self.join = nn.Sequential(
            *norm_prelu(channels), nn.Conv2d(channels, channels, 1, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        reduced = self.reduce(features)  # (N, C/4, H, W)
        total, sums = 0, []
        branches: Any = self.branches  # of lists, which ModuleList does not know
        for branch in branches:
            part, parts = reduced, []
            for conv in branch:
                part = conv(part)
                parts.append(part)
            total = total + torch.cat(parts, dim=1)
            sums.append(total)
        return features + self.join(torch.cat(sums, dim=1))


class AxisAttention(nn.Module):
    """Attention of the positions along one axis on each other, added with a weight.

        A = sigmoid(q^T k), result = features + gamma * (v A^T)

    q, k and v are 1x1 convolutions, each flattened to a matrix with as many columns as
    the axis is long. There is no softmax and no scaling; gamma starts at 0.

    Args:
        channels: in and out; q and k have channels // 8.
        axis: `width` or `height`. The height step flattens the memory without swapping
            the axes, so on square images it attends along the width once more.

    Source: Lou et al. 2022 (CaraNet).
    Chosen: the height step as the authors' code has it. Attention along the height, as
    the papers describe it, gives other numbers.
    """

    def __init__(self, channels: int, axis: str):
        super().__init__()
        self.axis = axis
        self.query = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.key = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.value = nn.Conv2d(channels, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        batch, _, height, width = features.shape
        length = width if self.axis == "width" else height
        query, key, value = [
            conv(features).reshape(batch, -1, length)
            for conv in (self.query, self.key, self.value)
        ]
        attention = torch.sigmoid(query.transpose(1, 2) @ key)  # (N, length, length)
        attended = (value @ attention.transpose(1, 2)).reshape(features.shape)
        return features + self.gamma * attended


class AxialReverseAttention(nn.Module):
    """Finer logits from features and the logits of the stage before.

        logits = coarse + convs((1 - sigmoid(coarse)) * attention(pyramid(features)))

    The attention is two convolutions without norm, then that along both axes in turn.

    Args:
        channels: of the features, a multiple of 16.
        residual: add what went into the attention to what came out (ColonFormer).

    Shape:
        features: (N, channels, H, W)
        coarse: (N, 1, H, W) logits
        returns: (N, 1, H, W) logits

    Source: Lou et al. 2022 (CaraNet); Duc et al. 2022 (ColonFormer).
    """

    def __init__(self, channels: int, *, residual: bool):
        super().__init__()
        self.residual = residual
        self.pyramid = ChannelWisePyramid(channels)
        self.attention = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            AxisAttention(channels, "height"),
            AxisAttention(channels, "width"),
        )
        self.convs = nn.Sequential(
            conv_prelu(channels, 32), conv_prelu(32, 32), conv_prelu(32, 1)
        )

    def forward(self, features: Tensor, coarse: Tensor) -> Tensor:
        context = self.pyramid(features)
        attended = self.attention(context)
        if self.residual:
            attended = attended + context
        return coarse + self.convs((1 - torch.sigmoid(coarse)) * attended)


def refined(
    refine: nn.ModuleList, features: list[Tensor], coarse: Tensor
) -> list[Tensor]:
    """Logits refined from the coarsest level to the finest; the finest first.

    Args:
        refine: AxialReverseAttention of each level.
        features: of each level, at strides 8, 16 and 32.
        coarse: logits to begin with.

    Shape:
        coarse: (N, 1, H/32, W/32)
        returns: three of (N, 1, H, W)
    """
    outputs = []
    for level in (2, 1, 0):
        finer = refine[level](features[level], coarse)
        outputs.insert(0, resize(finer, scale=8 * 2**level))
        coarse = resize(finer, scale=2)
    return outputs
