"""DUCK-Net: a U-shaped network of six-branch blocks, beside a plain downsampled stream.

Paper: Dumitru, Peteleaza and Craciun, "Using DUCK-Net for polyp image segmentation",
Scientific Reports 13, 2023. It adds the DUCK block (six ways through convolutions, with
growing fields of view, summed), a second stream that only downsamples the image, and
skips that are summed.

    image - DUCK - t0 --------------------------- + - DUCK - conv1x1 - logits
      |            | conv2x2 / 2                  | nearest x 2
     p1 ---------- + - DUCK - t1 -------------- + - DUCK
      |                       | conv2x2 / 2     | nearest x 2
     p2 --------------------- + - DUCK - t2 - + - DUCK             t2: 4 f channels
      |                                 |     | nearest x 2
      :                                 :     :
     p5 ------------------------------- + - four residual blocks   32 f, then 16 f

    variant       f     parameters     MACs of 224 x 224
    ducknet       17     38,867,668    18.49 G
    ducknet_34    34    155,303,507    73.66 G

The authors' Keras code (CC BY 4.0) sets the conventions: a bias in each convolution,
convolution then ReLU then norm, batch normalisation with eps 1e-3 and momentum 0.99
(PyTorch writes 0.01), He-uniform weights. Their sigmoid inside the network is left out:
`forward` gives logits. A known port to PyTorch is another network (it shares norms and
drops a block). The study's public code runs 34 filters (`ducknet_34`).
"""

from __future__ import annotations

from torch import Tensor, nn

from lesionkit.models.blocks import Network, check_sides

FILTERS = {"ducknet": 17, "ducknet_34": 34}
BATCH_NORM = {"eps": 1e-3, "momentum": 0.01}


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """DUCK-Net with 17 or 34 filters; there is nothing pretrained."""
    return DUCKNet(in_channels, filters=FILTERS[variant])


class DUCKNet(Network):
    """Five levels of DUCK blocks down and up, and the image's own stream.

    Args:
        filters: f, the width at full size.

    Shape:
        image: (N, in_channels, H, W) float, H and W multiples of 32
        returns: (N, 1, H, W) float, logits

    Source: Dumitru et al. 2023. Weights as Keras starts them in the authors'
    code: He-uniform in the blocks, Glorot-uniform in the stride-2 convolutions and the
    last one; biases zero.
    """

    def __init__(self, in_channels: int = 3, *, filters: int = 17):
        super().__init__()
        widths = [filters * 2**level for level in range(6)]
        deeper = list(zip(widths, widths[1:], strict=False))
        self.image_down = nn.ModuleList(
            nn.Conv2d(wide, width, 2, stride=2)
            for wide, width in ((in_channels, widths[1]), *deeper[1:])
        )
        self.down = nn.ModuleList(nn.Conv2d(*pair, 2, stride=2) for pair in deeper)
        self.contracting = nn.ModuleList(
            DUCK(in_channels if width == filters else width, width)
            for width in widths[:5]
        )
        *_, above, deepest = widths
        self.bottom = nn.Sequential(
            Residual(deepest, deepest),
            Residual(deepest, deepest),
            Residual(deepest, above),
            Residual(above, above),
        )
        self.up = nn.Upsample(scale_factor=2)  # nearest
        # what comes up has the channels of its level and leaves with those above it
        self.expanding = nn.ModuleList(
            DUCK(width, width // 2 if level else width)
            for level, width in reversed(list(enumerate(widths[:5])))
        )
        self.output = nn.Conv2d(filters, 1, 1)
        for layer in self.modules():  # as Keras starts them
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.get_parameter("bias"))
        for layer in (*self.image_down, *self.down, self.output):
            nn.init.xavier_uniform_(layer.get_parameter("weight"))

    def forward(self, image: Tensor) -> Tensor:
        check_sides(image, multiple_of=32)
        plain = image
        features = self.contracting[0](image)
        skips = []
        for level in range(5):
            skips.append(features)
            plain = self.image_down[level](plain)
            features = self.down[level](features) + plain
            block = self.contracting[level + 1] if level < 4 else self.bottom
            features = block(features)
        for block in self.expanding:
            features = block(self.up(features) + skips.pop())
        return self.output(features)


class DUCK(nn.Module):
    """Deep understanding convolutional kernel: the sum of six ways, normalised."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        ends = (in_channels, out_channels)
        inner = (out_channels, out_channels)
        self.norm_in = nn.BatchNorm2d(in_channels, **BATCH_NORM)
        self.ways = nn.ModuleDict(
            {
                "wide_scope": nn.Sequential(
                    conv_relu_norm(*ends, 3),
                    conv_relu_norm(*inner, 3, dilation=2),
                    conv_relu_norm(*inner, 3, dilation=3),
                ),
                "mid_scope": nn.Sequential(
                    conv_relu_norm(*ends, 3), conv_relu_norm(*inner, 3, dilation=2)
                ),
                "residual1": Residual(*ends),
                "residual2": nn.Sequential(Residual(*ends), Residual(*inner)),
                "residual3": nn.Sequential(
                    Residual(*ends), Residual(*inner), Residual(*inner)
                ),
                "separated": nn.Sequential(
                    conv_relu_norm(*ends, 1, 6), conv_relu_norm(*inner, 6, 1)
                ),
            }
        )
        self.norm_out = nn.BatchNorm2d(out_channels, **BATCH_NORM)

    def forward(self, features: Tensor) -> Tensor:
        features = self.norm_in(features)
        return self.norm_out(sum(way(features) for way in self.ways.values()))


class Residual(nn.Module):
    """norm(two convolutions + ReLU(conv1x1)); the size stays."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.skip = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1), nn.ReLU(inplace=True)
        )
        self.convs = nn.Sequential(
            conv_relu_norm(in_channels, out_channels, 3),
            conv_relu_norm(out_channels, out_channels, 3),
        )
        self.norm = nn.BatchNorm2d(out_channels, **BATCH_NORM)

    def forward(self, features: Tensor) -> Tensor:
        return self.norm(self.convs(features) + self.skip(features))


def conv_relu_norm(
    in_channels: int, out_channels: int, *kernel: int, dilation: int = 1
) -> nn.Sequential:
    """Convolution of the same size, ReLU, batch normalisation, in Keras' order.

    For an even side of the kernel Keras pads one zero more after than before.
    """
    height, width = kernel if len(kernel) == 2 else kernel * 2
    spare_y, spare_x = dilation * (height - 1), dilation * (width - 1)
    pad = (spare_x // 2, spare_x - spare_x // 2, spare_y // 2, spare_y - spare_y // 2)
    return nn.Sequential(
        nn.ZeroPad2d(pad),
        nn.Conv2d(in_channels, out_channels, (height, width), dilation=dilation),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(out_channels, **BATCH_NORM),
    )
