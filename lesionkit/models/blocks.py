"""Blocks and checks that more than one network uses."""

from __future__ import annotations

import math

from torch import Tensor, nn

from lesionkit.models.resampling import bilinear


class Network(nn.Module):
    """What `build_model` gives: a network writes `forward`, or `heads` if it has more.

    Shape:
        image: (N, C, H, W) float
        returns: (N, 1, H, W) float, logits
    """

    def __call__(self, image: Tensor) -> Tensor:
        return super().__call__(image)

    def forward(self, image: Tensor) -> Tensor:
        return self.heads(image)[0]

    def heads(self, image: Tensor) -> list[Tensor]:
        """Logits of every head, the one used for inference first."""
        return [self.forward(image)]

    def supervised(self, image: Tensor) -> list[tuple[float, Tensor]]:
        """Every head with its weight in the loss of deep supervision."""
        return [(1.0, head) for head in self.heads(image)]


class DoubleConv(nn.Sequential):
    """Two times conv3x3, batch normalisation where wanted, ReLU; the size stays.

    Args:
        middle: channels between the two convolutions; None is `out_channels`.
        norm: batch normalisation after each convolution.
        bias: a bias in each convolution.

    Source: Ronneberger et al. 2015, Fig. 1 (there without norm and padding).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        middle: int | None = None,
        norm: bool = True,
        bias: bool = False,
    ):
        middle = middle or out_channels
        layers: list[nn.Module] = []
        for wide, narrow in ((in_channels, middle), (middle, out_channels)):
            layers.append(nn.Conv2d(wide, narrow, 3, padding=1, bias=bias))
            layers.append(nn.BatchNorm2d(narrow) if norm else nn.Identity())
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class SqueezeExcite(nn.Module):
    """Each channel times a weight in (0, 1) that is computed from all channels' means.

    Source: Hu et al. 2018, (2) to (4), with a reduction of 16.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.excite = nn.Sequential(
            nn.Linear(channels, channels // 16, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channels // 16, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        weight = self.excite(features.mean((2, 3)))  # (N, C)
        return features * weight[:, :, None, None]


def conv_bn_relu(
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
    relu: type[nn.ReLU] | type[nn.ReLU6] = nn.ReLU,
) -> nn.Sequential:
    """Convolution padded by half the kernel, batch normalisation, ReLU."""
    conv = nn.Conv2d(
        in_channels,
        out_channels,
        kernel,
        stride=stride,
        padding=kernel // 2,
        groups=groups,
        bias=bias,
    )
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), relu(inplace=True))


def resize(
    features: Tensor, *, scale: float | None = None, like: Tensor | None = None
) -> Tensor:
    """Bilinear, by a factor or to the height and width of another map.

    Pixel centres are kept apart from the corners (align_corners False).
    """
    size = None if like is None else (like.shape[-2], like.shape[-1])
    return bilinear(features, size, scale)


def check_sides(
    image: Tensor, *, multiple_of: int = 1, at_least: int = 1, only: int | None = None
) -> None:
    """Nothing when the network takes an image of that height and width.

    Raises:
        ValueError: a side that the network does not take; the text says what may be.
    """
    height, width = image.shape[-2:]
    came = f"got {height} x {width}"
    if only and (height, width) != (only, only):
        raise ValueError(f"both sides must be {only}, {came}")
    if height % multiple_of or width % multiple_of:
        raise ValueError(f"both sides must be a multiple of {multiple_of}, {came}")
    if min(height, width) < at_least:
        raise ValueError(f"both sides must be at least {at_least}, {came}")


def check_batch(image: Tensor, *, training: bool) -> None:
    """Nothing when a network that normalises 1 x 1 maps can train on the batch.

    Raises:
        ValueError: a batch of one image in training.
    """
    if training and len(image) < 2:
        raise ValueError(
            "a training batch must have at least two images, got one: the pooled map"
            " has one value a channel, and batch normalisation cannot train on that"
        )


def init_he_normal(module: nn.Module) -> None:
    """Convolutions with normal weights of variance 2 / N and zero biases, in place.

    N is the number of inputs one output value sums over; for a transposed
    convolution the kernel counts once per stride.

    Source: Ronneberger et al. 2015, section 3, after He et al. 2015.
    """
    for layer in module.modules():
        if not isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            continue
        taps = math.prod(layer.kernel_size)
        if isinstance(layer, nn.ConvTranspose2d):
            taps = taps / math.prod(layer.stride)
        fan_in = layer.in_channels // layer.groups * taps
        nn.init.normal_(layer.weight, std=math.sqrt(2.0 / fan_in))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
