"""DeepLab-V3+: atrous spatial pyramid pooling and a small decoder on a ResNet.

Paper: Chen, Zhu, Papandreou, Schroff and Adam, "Encoder-Decoder with Atrous Separable
Convolution for Semantic Image Segmentation", ECCV 2018. It adds to DeepLab-V3 a decoder
that joins the pyramid with a low-level map, and separable atrous convolutions.

    image
      | ResNet, output stride 16           low-level map, stride 4
      |------------------------------------------.
    ASPP: 1x1 | rate 6 | rate 12 | rate 18 | pool |
      | concat, 1x1, dropout 0.5            conv1x1 to 48
      | separable 3x3                             |
      | bilinear x 4                              |
      '---------------- concat -------------------'
                          | separable 3x3
                        conv1x1
                          | bilinear x 4
                        logits

    variant                        parameters    MACs of 224 x 224
    smp_resnet101_rates_6_12_18    45,669,713    10.71 G
    smp_resnet50_rates_6_12_18     26,677,585     7.00 G

The graph is segmentation-models-pytorch's. It differs from the paper: all three blocks
of the last ResNet stage are dilated by 2; there is a separable 3x3 after the pyramid
and only one, not two, after the concat; no norm stands between depthwise and
pointwise. The library's default rates 12, 24, 36 belong to output stride 8: we pass the
paper's 6, 12, 18 for output stride 16. The paper's best encoder is Xception; the
study's is a ResNet.
"""

from __future__ import annotations

from typing import Any

import segmentation_models_pytorch as smp
from torch import Tensor, nn

from lesionkit.models.blocks import check_batch, check_sides, resize
from lesionkit.models.encoders import LibraryNetwork, downloading
from lesionkit.models.resampling import repeatable

ENCODERS = {
    "smp_resnet101_rates_6_12_18": "resnet101",
    "smp_resnet50_rates_6_12_18": "resnet50",
}


def build(variant: str, *, in_channels: int, pretrained: bool) -> LibraryNetwork:
    """DeepLab-V3+ on ResNet-101 or ResNet-50."""
    encoder = ENCODERS[variant]
    with downloading(f"{encoder}.tv_in1k", pretrained):
        network = smp.DeepLabV3Plus(
            encoder,
            encoder_weights="imagenet" if pretrained else None,
            encoder_output_stride=16,
            decoder_atrous_rates=(6, 12, 18),
            in_channels=in_channels,
            classes=1,
        )
    pyramid: Any = network.decoder.aspp[0]
    pyramid.convs[-1] = Pooled(*pyramid.convs[-1])
    repeatable(network)
    return DeepLabV3Plus(network)


class Pooled(nn.Sequential):
    """The pyramid's last branch: the whole map to one value, and back to its size."""

    def forward(self, input: Tensor) -> Tensor:
        return resize(super().forward(input), like=input)


class DeepLabV3Plus(LibraryNetwork):
    """Encoder, decoder with the pyramid, segmentation head; the library's graph.

    Shape:
        image: (N, C, H, W) float, H and W multiples of 16
        returns: (N, 1, H, W) float, logits

    Raises:
        ValueError: a training batch of one image.

    Source: Chen et al. 2018, Fig. 2; segmentation-models-pytorch's DeepLabV3Plus.
    """

    def forward(self, image: Tensor) -> Tensor:
        check_sides(image, multiple_of=16)
        check_batch(image, training=self.training)  # the pyramid pools to 1 x 1
        return super().forward(image)
