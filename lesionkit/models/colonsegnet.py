"""ColonSegNet: two encoder blocks, residual blocks with squeeze-excite, four skips.

Paper: Jha et al., "Real-Time Polyp Detection, Localization and Segmentation in
Colonoscopy Using Deep Learning", IEEE Access 9, 2021. It adds to a U-Net: squeeze and
excitation on the shortcut of each residual block, and only two encoder blocks, so that
few parameters suffice.

    image                                                        logits
      | residual                                                   | conv1x1
    s11 (64)  -------------------------- t3 - + - residual - + - residual
      | strided, residual                     |              |
    s12 (64)  ------ + - residual - + - residual             t4 (from s12)
      | pool         |              |
    s21 (256) ------ | ------------ t2
      | strided,     |
      | residual     t1             t1: x 4, t2, t3, t4: x 2, transposed convolutions
    s22 (256) -------'              each + joins channels: what comes up first for t1
                                    and t3, last for t2 and t4

    variant        parameters    MACs of 224 x 224
    colonsegnet    5,014,049     30.16 G

Few parameters, but not a light network: its last stages work at full size. The authors'
code carries no licence and was not used. The paper ends in a sigmoid; the authors' code
gives logits, and so does ours. Squeeze and excitation stand on the shortcut, after its
norm, as in that code, and the shortcut has a convolution even where it would need none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lesionkit.models.blocks import Network, SqueezeExcite, check_sides, conv_bn_relu


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """ColonSegNet; there is one variant and nothing pretrained."""
    return ColonSegNet(in_channels)


class ColonSegNet(Network):
    """Encoder blocks of 64 and 256 channels, a decoder of two stages.

    Shape:
        image: (N, in_channels, H, W) float, H and W multiples of 8
        returns: (N, 1, H, W) float, logits

    Source: Jha et al. 2021.
    """

    def __init__(self, in_channels: int = 3):
        super().__init__()
        self.encoder1 = EncoderBlock(in_channels, 64)
        self.pool = nn.MaxPool2d(2)
        self.encoder2 = EncoderBlock(64, 256)
        self.up1 = nn.ConvTranspose2d(256, 128, 4, stride=4)
        self.residual1 = ResidualBlock(128 + 64, 128)
        self.up2 = nn.ConvTranspose2d(256, 128, 4, stride=2, padding=1)
        self.residual2 = ResidualBlock(128 + 128, 128)
        self.up3 = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1)
        self.residual3 = ResidualBlock(64 + 64, 64)
        self.up4 = nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1)
        self.residual4 = ResidualBlock(64 + 32, 32)
        self.output = nn.Conv2d(32, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        check_sides(image, multiple_of=8)
        s11, s12 = self.encoder1(image)  # (N, 64, H, W), (N, 64, H/2, W/2)
        s21, s22 = self.encoder2(self.pool(s12))  # 256 channels at strides 4 and 8
        features = self.residual1(torch.cat([self.up1(s22), s12], dim=1))
        features = self.residual2(torch.cat([features, self.up2(s21)], dim=1))
        features = self.residual3(torch.cat([self.up3(features), s11], dim=1))
        features = self.residual4(torch.cat([features, self.up4(s12)], dim=1))
        return self.output(features)


class EncoderBlock(nn.Module):
    """A residual block; a strided convolution and a second residual block.

    Shape:
        features: (N, in_channels, H, W), H and W even
        returns: (N, out_channels, H, W) and (N, out_channels, H/2, W/2)
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.residual1 = ResidualBlock(in_channels, out_channels)
        self.strided = conv_bn_relu(out_channels, out_channels, 3, stride=2, bias=True)
        self.residual2 = ResidualBlock(out_channels, out_channels)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.residual1(features)
        return fine, self.residual2(self.strided(fine))


class ResidualBlock(nn.Module):
    """ReLU(two convolutions + squeeze-excite(norm(conv1x1))).

    Shape:
        features: (N, in_channels, H, W)
        returns: (N, out_channels, H, W)

    Source: Jha et al. 2021; the place of squeeze and excitation as in the code.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.convs = nn.Sequential(
            *conv_bn_relu(in_channels, out_channels, 3, bias=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1),
            nn.BatchNorm2d(out_channels),
            SqueezeExcite(out_channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.convs(features) + self.shortcut(features))
