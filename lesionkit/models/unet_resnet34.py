"""U-Net on a ResNet-34, as segmentation-models-pytorch has it, without that library.

The graph, the names of its tensors and the order in which random numbers are drawn are
those of the library's `Unet("resnet34")`, and so is every bit of a training. To import
the library, with timm and torchvision, takes more processor time than torch itself.

Source: segmentation-models-pytorch (MIT), decoders/unet; torchvision (BSD-3),
resnet.py; He et al. 2015, "Deep Residual Learning for Image Recognition", Table 1,
34 layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesionkit.models.blocks import Network, conv_bn_relu

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))  # channels and blocks
DECODER = (256, 128, 64, 32, 16)  # channels on the way up


class ResNet34UNet(Network):
    """ResNet-34 down, five levels up by the nearest pixel, with a skip at four.

    Shape:
        image: (N, in_channels, H, W) float, of any sides
        returns: (N, 1, H, W) float, logits
    """

    def __init__(self, in_channels: int = 3):
        super().__init__()
        self.encoder = Encoder(in_channels)
        self.decoder = Decoder()
        head = nn.Conv2d(DECODER[-1], 1, 3, padding=1)
        self.segmentation_head = nn.Sequential(head)
        for module in self.decoder.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        nn.init.xavier_uniform_(head.weight)
        nn.init.zeros_(head.get_parameter("bias"))

    def forward(self, image: Tensor) -> Tensor:
        return self.segmentation_head(self.decoder(self.encoder(image)))


class Encoder(nn.Module):
    """The image and the maps at strides 2, 4, 8, 16 and 32."""

    def __init__(self, in_channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        wide = 64
        for number, (channels, blocks) in enumerate(STAGES, 1):
            first = Block(wide, channels, stride=1 if number == 1 else 2)
            rest = (Block(channels, channels) for _ in range(blocks - 1))
            self.add_module(f"layer{number}", nn.Sequential(first, *rest))
            wide = channels
        nn.Linear(wide, 1000)  # draws the numbers that the classifier would have had
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        if in_channels != 3:
            self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = [image, self.relu(self.bn1(self.conv1(image)))]
        features = self.maxpool(maps[-1])
        for number in range(1, len(STAGES) + 1):
            features = self.get_submodule(f"layer{number}")(features)
            maps.append(features)
        return maps


class Block(nn.Module):
    """Two conv3x3 beside the input, which a conv1x1 fits where the shape changes."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1):
        super().__init__()
        downsample = None
        if stride != 1 or in_channels != channels:  # drawn first, as the library does
            conv = nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)
            downsample = nn.Sequential(conv, nn.BatchNorm2d(channels))
        self.conv1 = nn.Conv2d(
            in_channels, channels, 3, stride=stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = downsample

    def forward(self, features: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(features)))
        out = self.bn2(self.conv2(out))
        out += features if self.downsample is None else self.downsample(features)
        return self.relu(out)


class Decoder(nn.Module):
    """The maps of the encoder to one of 16 channels at the image's size."""

    def __init__(self) -> None:
        super().__init__()
        wide = (512, *DECODER[:-1])
        skips = (256, 128, 64, 64, 0)
        self.blocks = nn.ModuleList(
            Up(below + skip, out)
            for below, skip, out in zip(wide, skips, DECODER, strict=True)
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        features = maps[-1]
        skips = [*maps[-2:0:-1], None]  # the image itself is no skip
        for block, skip, like in zip(self.blocks, skips, maps[-2::-1], strict=True):
            features = block(features, skip, like)
        return features


class Up(nn.Module):
    """Nearest pixels to the size of a finer map, its channels beside, two conv3x3."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv1 = conv_bn_relu(in_channels, out_channels, 3)
        self.conv2 = conv_bn_relu(out_channels, out_channels, 3)

    def forward(self, features: Tensor, skip: Tensor | None, like: Tensor) -> Tensor:
        features = F.interpolate(features, size=like.shape[2:], mode="nearest")
        if skip is not None:
            features = torch.cat([features, skip], dim=1)
        return self.conv2(self.conv1(features))
