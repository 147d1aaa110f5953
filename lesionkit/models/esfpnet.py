"""ESFPNet: a Mix Transformer and a stage-wise feature pyramid of linear layers.

Paper: Chang et al., "ESFPNet: efficient deep learning architecture for real-time lesion
segmentation in autofluorescence bronchoscopic video", SPIE Medical Imaging, 2023. It
adds to SegFormer's decoder: maps are fused from the coarsest to the finest, each fusion
followed by a linear layer of its own, and all the steps are joined at the end.

    F4 - linear - l4 ------------------.------------------------- x 8 --.
                                       | x 2                            |
    F3 - linear - l3 ----------------- fuse - linear - l34 ------ x 4 --|
                                                        | x 2           |
    F2 - linear - l2 ---------------------------------- fuse - l23 x 2 -|
                                                                | x 2   |
    F1 - linear - l1 ------------------------------------------ fuse - join - conv1x1

    variant      encoder    parameters    MACs of 224 x 224
    esfpnet      MiT-B2     25,043,649    3.51 G
    esfpnet_t    MiT-B0      3,532,129    0.51 G
    esfpnet_l    MiT-B4     61,690,049    9.16 G

The authors' code carries no licence and was not used. The network's one head is at
stride 4; `heads` gives it so, `forward` resizes it by 4, as the authors do in training.
The default is the S variant; the study's public code runs T (`esfpnet_t`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lesionkit.models.blocks import Network, check_sides, conv_bn_relu, resize
from lesionkit.models.encoders import MixTransformer

ENCODERS = {"esfpnet": "mit_b2", "esfpnet_t": "mit_b0", "esfpnet_l": "mit_b4"}


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """ESFPNet with MiT-B2 (S), MiT-B0 (T) or MiT-B4 (L)."""
    encoder = MixTransformer(ENCODERS[variant], in_channels, pretrained=pretrained)
    return ESFPNet(encoder)


class ESFPNet(Network):
    """Encoder and efficient stage-wise feature pyramid.

    Args:
        encoder: image to four maps at strides 4, 8, 16, 32 with `channels` channels.

    Shape:
        image: (N, C, H, W) float, H and W multiples of 32
        returns: (N, 1, H, W) float, logits

    Source: Chang et al. 2023.
    """

    def __init__(self, encoder: MixTransformer):
        super().__init__()
        self.encoder = encoder
        widths = encoder.channels
        self.linear = nn.ModuleList(LinearPrediction(width) for width in widths)
        # of each fusion with the coarser level, the finest first
        self.fuse = nn.ModuleList(
            conv_bn_relu(fine + coarse, fine, 1)
            for fine, coarse in zip(widths, widths[1:], strict=False)
        )
        self.fused_linear = nn.ModuleList(
            LinearPrediction(width) for width in widths[:-1]
        )
        self.output = nn.Conv2d(sum(widths), 1, 1)

    def heads(self, image: Tensor) -> list[Tensor]:
        """The one head's logits, at stride 4: (N, 1, H/4, W/4)."""
        check_sides(image, multiple_of=32)
        features = self.encoder(image)
        *fine, coarse = [f(x) for f, x in zip(self.linear, features, strict=True)]
        steps = [coarse]  # what each level gives, the finest first
        for level in (2, 1, 0):
            joined = torch.cat([fine[level], resize(steps[0], scale=2)], dim=1)
            steps.insert(0, self.fused_linear[level](self.fuse[level](joined)))
        same_size = steps[:1] + [
            resize(step, scale=2**level) for level, step in enumerate(steps[1:], 1)
        ]
        return [self.output(torch.cat(same_size, dim=1))]

    def forward(self, image: Tensor) -> Tensor:
        return resize(self.heads(image)[0], scale=4)


class LinearPrediction(nn.Linear):
    """A linear layer over the channels of each pixel; as many out as in."""

    def __init__(self, channels: int):
        super().__init__(channels, channels)

    # pyrefly: ignore[bad-override-param-name] - torch calls it by place
    def forward(self, features: Tensor) -> Tensor:
        mixed = super().forward(features.permute(0, 2, 3, 1))  # (N, H, W, C)
        return mixed.permute(0, 3, 1, 2)
