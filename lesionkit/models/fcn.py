"""FCN: a classification network made convolutional, its scores brought to full size.

Paper: Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic
Segmentation", CVPR 2015. It adds to a classifier: 1 x 1 score layers in place of the
last linear ones, transposed convolutions that learn to upsample, and skips that add the
scores of finer, earlier layers.

    fcn8s_vgg16                               tv_fcn_resnet50, tv_fcn_resnet101
    image                                     image
      | VGG-16, first padding 100               | ResNet, output stride 8
    pool3 ---------- score_pool3 --------+      | (dilation 2 and 4 in the last two)
      |                                  |    conv3x3, BN, ReLU, dropout 0.1
    pool4 - score_pool4 -+               |      |
      |                  |               |    conv1x1
    pool5, fc6, fc7      |               |      | bilinear x 8
      |                  |               |    logits
    score_fr - upscore2 - + - upscore_pool4 - + - upscore8 - logits

    variant             parameters    MACs of 224 x 224
    tv_fcn_resnet101    51,938,881    41.33 G
    tv_fcn_resnet50     32,946,753    26.48 G
    fcn8s_vgg16        134,265,699    62.67 G

The two torchvision variants have no skips: they are called FCN by that library, and are
not the network of 2015. fcn8s_vgg16 is. The default follows the study's public code,
which runs torchvision's fcn_resnet101 without its auxiliary head.

In fcn8s_vgg16 the padding of 100 makes 422 x 422 out of 224 x 224 before the first
convolution, hence its cost. Where the published network starts from VGG-16 and zero
scores, ours starts from He-normal weights (see FCN8s).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import get_model

from lesionkit.models.blocks import Network, init_he_normal, resize
from lesionkit.models.encoders import downloading, first_conv

VGG16 = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """One of the three networks called FCN."""
    if variant == "fcn8s_vgg16":
        return FCN8s(in_channels)
    resnet = variant.removeprefix("tv_fcn_")
    with downloading(f"{resnet}.tv_in1k", pretrained):
        network: Any = get_model(
            f"fcn_{resnet}",
            weights=None,
            weights_backbone="IMAGENET1K_V1" if pretrained else None,
            num_classes=1,
            aux_loss=False,
        )
    backbone = network.backbone
    if in_channels != 3:
        backbone.conv1 = first_conv(backbone.conv1, in_channels, keep=pretrained)
    return FCNResNet(backbone, network.classifier)


class FCNResNet(Network):
    """Dilated ResNet, one convolutional head, bilinear resize; torchvision's graph.

    Its state dict has torchvision's names.

    Shape:
        image: (N, C, H, W) float, any size
        returns: (N, 1, H, W) float, logits

    Source: torchvision's fcn_resnet50 and fcn_resnet101, after Long et al. 2015.
    """

    def __init__(self, backbone: nn.Module, classifier: nn.Module):
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier

    def forward(self, image: Tensor) -> Tensor:
        features = self.backbone(image)["out"]  # (N, 2048, H/8, W/8)
        return resize(self.classifier(features), like=image)


class FCN8s(Network):
    """VGG-16 whose scores at strides 32, 16 and 8 are upsampled and added.

    The maps are larger than the image by the first padding of 100; each addition crops
    the finer one at the offset where the two lie over each other.

    Shape:
        image: (N, C, H, W) float, any size
        returns: (N, 1, H, W) float, logits

    Source: Long et al. 2015, 4.2 and Fig. 3.
    Chosen: He-normal convolutions. The published network takes VGG-16's weights and
    zero scores; without them it gives zeros everywhere, and PyTorch's default weights
    let the signal die out over 15 layers without normalisation. The upsampling filters
    start bilinear, as published, and are all trained (the paper fixes the last).
    """

    def __init__(self, in_channels: int = 3):
        super().__init__()
        self.stages = nn.ModuleList()
        wide, padding = in_channels, 100
        for widths in VGG16:
            layers: list[nn.Module] = []
            for width in widths:
                layers.append(nn.Conv2d(wide, width, 3, padding=padding))
                layers.append(nn.ReLU(inplace=True))
                wide, padding = width, 1
            self.stages.append(
                nn.Sequential(*layers, nn.MaxPool2d(2, 2, ceil_mode=True))
            )
        self.fc6, self.fc7 = (
            nn.Sequential(conv, nn.ReLU(inplace=True), nn.Dropout2d(0.5))
            for conv in (nn.Conv2d(512, 4096, 7), nn.Conv2d(4096, 4096, 1))
        )
        self.score_fr = nn.Conv2d(4096, 1, 1)
        self.score_pool4 = nn.Conv2d(512, 1, 1)
        self.score_pool3 = nn.Conv2d(256, 1, 1)
        self.upscore2 = nn.ConvTranspose2d(1, 1, 4, 2, bias=False)
        self.upscore_pool4 = nn.ConvTranspose2d(1, 1, 4, 2, bias=False)
        self.upscore8 = nn.ConvTranspose2d(1, 1, 16, 8, bias=False)
        init_he_normal(self)
        for layer in (self.upscore2, self.upscore_pool4, self.upscore8):
            _init_bilinear(layer)

    def forward(self, image: Tensor) -> Tensor:
        pools = []
        features = image
        for stage in self.stages:
            features = stage(features)
            pools.append(features)
        _, _, pool3, pool4, pool5 = pools
        logits = self.upscore2(self.score_fr(self.fc7(self.fc6(pool5))))
        logits = logits + _crop(self.score_pool4(pool4), 5, logits)
        logits = self.upscore_pool4(logits)
        logits = logits + _crop(self.score_pool3(pool3), 9, logits)
        return _crop(self.upscore8(logits), 31, image)


def _crop(scores: Tensor, offset: int, like: Tensor) -> Tensor:
    """The part of `scores` from the offset on that has the size of `like`."""
    height, width = like.shape[-2:]
    return scores[..., offset : offset + height, offset : offset + width]


@torch.no_grad()
def _init_bilinear(layer: nn.ConvTranspose2d) -> None:
    """Weights with which a transposed convolution upsamples bilinearly."""
    size, factor = layer.kernel_size[0], layer.stride[0]
    distance = (torch.arange(size, dtype=layer.weight.dtype) - (size - 1) / 2).abs()
    line = 1 - distance / factor
    layer.weight.copy_(line[:, None] * line[None, :])
