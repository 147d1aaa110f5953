"""SegNet: VGG-16 up to its last pooling, and its mirror, joined by pooling indices.

Paper: Badrinarayanan, Kendall and Cipolla, "SegNet: A Deep Convolutional
Encoder-Decoder Architecture for Image Segmentation", TPAMI 2017. It adds an upsampling
without weights: each value goes back to the place it was pooled from.

    image                                                   logits
      | 64, 64                                                | 64, conv3x3 to 1
    pool - - - - - - - - - - - indices - - - - - - - - - - unpool
      | 128, 128                                              | 128, 64
    pool - - - - - - - - - - - indices - - - - - - - - unpool
      | 256, 256, 256                                     | 256, 256, 128
    pool - - - - - - - - - indices - - - - - - - - unpool
      | 512, 512, 512                                 | 512, 512, 256
    pool - - - - - - - indices - - - - - - - - unpool
      | 512, 512, 512                             | 512, 512, 512
    pool - - - - - indices - - - - - - - - - - unpool

Each number is a conv3x3 with bias, batch normalisation, ReLU.

    variant         parameters    MACs of 224 x 224
    segnet_vgg16    29,443,585    30.64 G

The authors' code is non-commercial and was not used; layers agree with their published
definition one to one (some ports change the channels elsewhere). The paper has a map
a class and a softmax, ours one logit. Dropout belongs to Bayesian SegNet, not here.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import VGG16_BN_Weights

from lesionkit.models.blocks import Network, check_sides, conv_bn_relu, init_he_normal
from lesionkit.models.encoders import downloading, first_weight

ENCODER = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
# after each unpooling; the last convolution of all is the head
DECODER = ((512,) * 3, (512, 512, 256), (256, 256, 128), (128, 64), (64,))


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """SegNet; pretrained puts VGG-16's weights into the encoder."""
    model = SegNet(in_channels)
    if pretrained:
        with downloading("vgg16_bn.tv_in1k"):
            weights = VGG16_BN_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True)
        names = [name for name in weights if name.startswith("features.")]
        weights = {name.removeprefix("features."): weights[name] for name in names}
        weights["0.weight"] = first_weight(weights["0.weight"], in_channels)
        model.encoder.load_state_dict(weights)
    return model


class SegNet(Network):
    """Thirteen convolutions down, thirteen up; pooling indices in place of skips.

    The encoder has the layout of torchvision's vgg16_bn.features, and its names.

    Shape:
        image: (N, in_channels, H, W) float, H and W multiples of 32
        returns: (N, 1, H, W) float, logits

    Source: Badrinarayanan et al. 2017, Fig. 2. He-normal convolutions and shifts of
    batch normalisation that start at 0.001 are those of the authors' solver.
    """

    def __init__(self, in_channels: int = 3):
        super().__init__()
        self.encoder = nn.Sequential()
        wide = in_channels
        for widths in ENCODER:
            for width in widths:
                self.encoder.extend(conv_bn_relu(wide, width, 3, bias=True))
                wide = width
            self.encoder.append(nn.MaxPool2d(2, return_indices=True))
        self.unpool = nn.MaxUnpool2d(2)
        self.decoder = nn.ModuleList()
        for widths in DECODER:
            stage = nn.Sequential()
            for width in widths:
                stage.extend(conv_bn_relu(wide, width, 3, bias=True))
                wide = width
            self.decoder.append(stage)
        self.output = nn.Conv2d(64, 1, 3, padding=1)
        init_he_normal(self)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.constant_(layer.bias, 0.001)

    def forward(self, image: Tensor) -> Tensor:
        check_sides(image, multiple_of=32)
        features, indices = image, []
        for layer in self.encoder:
            if isinstance(layer, nn.MaxPool2d):
                features, places = layer(features)
                indices.append(places)
            else:
                features = layer(features)
        for stage in self.decoder:
            features = stage(self.unpool(features, indices.pop()))
        return self.output(features)
