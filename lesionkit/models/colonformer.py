"""ColonFormer: a Mix Transformer, UPerNet's head, and axial reverse attention.

Paper: Duc, Oanh, Thuy, Triet and Dinh, "ColonFormer: An Efficient Transformer Based
Method for Colon Polyp Segmentation", IEEE Access 10, 2022. It adds to a transformer
encoder a pyramid decoder for a first, global map, and CaraNet's refinement of that map
with a residual around its attention.

    image
      | MiT-B3 or B2
    F1, F2, F3, F4 at strides 4, 8, 16, 32; 64, 128, 320, 512 channels
      |   |   |   |
      |   |   |   '- pooled to 1, 2, 3, 6 - conv - L4        F4 -- refine - out[2]
      |   |   '- conv1x1 -------------- + - L3               F3 -- refine - out[1]
      |   '- conv1x1 ------------------ + - L2               F2 -- refine - out[0]
      '- conv1x1 ---------------------- + - L1                        |
                  each + : L below, x 2   '- L1..L4 at stride 4       |
                                             | conv, dropout, conv1x1 |
                                             G ------------ / 8 ------'
                                             | out[3], at stride 4

All four outputs are logits at the image's size; out[0] is used for inference.

    variant          encoder    parameters    MACs of 224 x 224    heads
    colonformer      MiT-B3     52,944,528    9.50 G               4
    colonformer_s    MiT-B2     33,068,688    6.63 G               4

The authors' code may not be used commercially and was not used. The default is the L of
its script, with MiT-B3. Where paper and code differ in the refinement we take the
code's side (reverse_attention.py). One pooled map has a single value a channel:
batch normalisation cannot train on that in a batch of one, which is refused. Trained
with deep supervision, the loss is the sum of the loss of the four outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lesionkit.models.blocks import (
    Network,
    check_batch,
    check_sides,
    conv_bn_relu,
    resize,
)
from lesionkit.models.encoders import MixTransformer
from lesionkit.models.resampling import MeanPool
from lesionkit.models.reverse_attention import AxialReverseAttention, refined

ENCODERS = {"colonformer": "mit_b3", "colonformer_s": "mit_b2"}


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """ColonFormer with MiT-B3 (L) or MiT-B2 (S)."""
    name = ENCODERS[variant]
    return ColonFormer(MixTransformer(name, in_channels, pretrained=pretrained))


class ColonFormer(Network):
    """Encoder, pyramid head, three refinements.

    Args:
        encoder: image to four maps at strides 4, 8, 16, 32 with `channels` channels.

    Shape:
        image: (N, C, H, W) float, H and W multiples of 32
        returns: (N, 1, H, W) float, logits

    Raises:
        ValueError: a training batch of one image.

    Source: Duc et al. 2022.
    """

    def __init__(self, encoder: MixTransformer):
        super().__init__()
        self.encoder = encoder
        self.decoder = PyramidHead(encoder.channels)
        self.refine = nn.ModuleList(
            AxialReverseAttention(width, residual=True)
            for width in encoder.channels[1:]
        )

    def heads(self, image: Tensor) -> list[Tensor]:
        """Logits refined at strides 8, 16, 32, and the global map; the image's size."""
        check_sides(image, multiple_of=32)
        check_batch(image, training=self.training)
        features = self.encoder(image)
        global_map = self.decoder(features)  # (N, 1, H/4, W/4)
        plain, coarse = resize(global_map, scale=4), resize(global_map, scale=1 / 8)
        return [*refined(self.refine, features[1:], coarse), plain]


class PyramidHead(nn.Module):
    """UPerNet's head: pyramid pooling, a feature pyramid, one map at stride 4.

    Shape:
        features: four maps of `channels` at strides 4, 8, 16, 32
        returns: (N, 1, H/4, W/4) logits

    Source: Xiao et al. 2018 (UPerNet); Duc et al. 2022.
    """

    def __init__(self, channels: list[int]):
        super().__init__()
        width, deepest = 128, channels[-1]
        self.pooled = nn.ModuleList(
            nn.Sequential(MeanPool(side), *conv_bn_relu(deepest, width, 1))
            for side in (1, 2, 3, 6)
        )
        self.bottleneck = conv_bn_relu(deepest + 4 * width, width, 3)
        self.lateral = nn.ModuleList(conv_bn_relu(c, width, 1) for c in channels[:-1])
        self.smooth = nn.ModuleList(conv_bn_relu(width, width, 3) for _ in range(3))
        self.fuse = conv_bn_relu(4 * width, width, 3)
        self.dropout = nn.Dropout2d(0.1)
        self.output = nn.Conv2d(width, 1, 1)
        nn.init.normal_(self.output.weight, std=0.01)
        nn.init.zeros_(self.output.get_parameter("bias"))

    def forward(self, features: list[Tensor]) -> Tensor:
        *fine, deepest = features
        pyramid = [resize(pool(deepest), like=deepest) for pool in self.pooled]
        coarser = self.bottleneck(torch.cat([deepest, *pyramid], dim=1))
        levels = [coarser]
        for lateral, smooth, x in zip(
            reversed(self.lateral), reversed(self.smooth), reversed(fine), strict=True
        ):
            x = lateral(x)
            coarser = x + resize(coarser, like=x)
            levels.insert(0, smooth(coarser))
        same_size = [resize(level, like=levels[0]) for level in levels]
        return self.output(self.dropout(self.fuse(torch.cat(same_size, dim=1))))
