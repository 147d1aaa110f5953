"""CaraNet: Res2Net, a partial decoder, and axial reverse attention, coarse to fine.

Paper: Lou, Guan and Loew, "CaraNet: Context Axial Reverse Attention Network for
Segmentation of Small Medical Objects", SPIE Medical Imaging 12032, 2022. It adds to
PraNet's reverse attention a channel-wise feature pyramid and axial attention.

    image
      | Res2Net-101, stages at strides 4, 8, 16, 32 (the first one feeds nothing)
      |
    stage 2 - 32 channels - X2 ---.------------------------------ refine - out[0]
    stage 3 - 32 channels - X3 ---+---------------- refine - x2 -'
    stage 4 - 32 channels - X4 ---+--- refine - x2 -'   | out[1]
                                  |      |   | out[2]
                         partial decoder |
                                  '- G - / 4
                                     | out[3], at stride 8

Each refine is axial reverse attention (reverse_attention.py). All four outputs are
logits at the image's size; out[0] is used for inference.

    variant    parameters    MACs of 224 x 224    heads
    caranet    44,593,560    8.73 G               4

The authors' code carries no licence and was not used. It builds the encoder's
classifier and never uses it: their 46,642,560 parameters are ours and its 2,049,000.
Where paper and code differ we take the code's side: dilations of the pyramid, the
height step of axial attention. Its receptive field block is one convolution.
Trained with deep supervision, the loss is the sum of the loss of the four outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lesionkit.models.blocks import Network, check_sides, resize
from lesionkit.models.encoders import timm_stages
from lesionkit.models.resampling import Bilinear
from lesionkit.models.reverse_attention import (
    AxialReverseAttention,
    conv_prelu,
    refined,
)

WIDTHS = (512, 1024, 2048)  # of stages 2, 3 and 4


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """CaraNet on Res2Net-101 v1b."""
    options = {"in_channels": in_channels, "pretrained": pretrained}
    return CaraNet(timm_stages("res2net101d.in1k", stages=(2, 3, 4), **options))


class CaraNet(Network):
    """Encoder, partial decoder, three refinements.

    Args:
        encoder: image to the maps of stages 2, 3 and 4.

    Shape:
        image: (N, C, H, W) float, H and W multiples of 32
        returns: (N, 1, H, W) float, logits

    Source: Lou et al. 2022.
    """

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder
        self.reduce = nn.ModuleList(conv_prelu(width, 32) for width in WIDTHS)
        self.partial_decoder = PartialDecoder(32)
        self.refine = nn.ModuleList(
            AxialReverseAttention(32, residual=False) for _ in WIDTHS
        )

    def heads(self, image: Tensor) -> list[Tensor]:
        """Logits refined at strides 8, 16, 32, and the decoder's; the image's size."""
        check_sides(image, multiple_of=32)
        maps = self.encoder(image)
        features = [conv(x) for conv, x in zip(self.reduce, maps, strict=True)]
        decoded = self.partial_decoder(*features)  # (N, 1, H/8, W/8)
        plain, coarse = resize(decoded, scale=8), resize(decoded, scale=1 / 4)
        return [*refined(self.refine, features, coarse), plain]


class PartialDecoder(nn.Module):
    """Three maps to one: finer ones multiplied by, then joined with, what comes up.

    Its convolutions have no norm and no activation, and upsampling keeps the corners.

    Shape:
        x2, x3, x4: (N, channels, h, w), and a half and a quarter of these sides
        returns: (N, 1, h, w) logits

    Source: Wu et al. 2019 (cascaded partial decoder); Lou et al. 2022.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.up = Bilinear(2, align_corners=True)
        self.times3 = conv(channels)
        self.times2 = nn.ModuleList([conv(channels), conv(channels)])
        self.join3, self.up3 = conv(2 * channels), conv(channels)
        self.join2, self.up2 = conv(3 * channels), conv(2 * channels)
        self.output = nn.Sequential(conv(3 * channels), nn.Conv2d(3 * channels, 1, 1))

    def forward(self, x2: Tensor, x3: Tensor, x4: Tensor) -> Tensor:
        x4_up, x3_up = self.up(x4), self.up(x3)
        u3 = self.times3(x4_up) * x3
        u2 = self.times2[0](self.up(x4_up)) * self.times2[1](x3_up) * x2
        v3 = self.join3(torch.cat([u3, self.up3(x4_up)], dim=1))
        v2 = self.join2(torch.cat([u2, self.up2(self.up(v3))], dim=1))
        return self.output(v2)


def conv(channels: int) -> nn.Conv2d:
    """A convolution that keeps channels and size."""
    return nn.Conv2d(channels, channels, 3, padding=1, bias=False)
