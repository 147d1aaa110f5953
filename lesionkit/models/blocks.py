"""Blocks and checks that more than one network uses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class DoubleConv(nn.Sequential):
    """Two times conv3x3, batch normalisation where wanted, ReLU; the size stays.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        middle: channels between the two convolutions; None is `out_channels`.
        norm: batch normalisation after each convolution.
        bias: a bias in each convolution.

    Shape:
        in: (N, in_channels, H, W)
        returns: (N, out_channels, H, W)

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
        layers = []
        for wide, narrow in ((in_channels, middle), (middle, out_channels)):
            layers.append(nn.Conv2d(wide, narrow, 3, padding=1, bias=bias))
            layers.append(nn.BatchNorm2d(narrow) if norm else nn.Identity())
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


def check_sides(image: Tensor, *, multiple_of: int = 1, at_least: int = 1) -> None:
    """Nothing when the network takes an image of that height and width.

    Raises:
        ValueError: a side is too short or not a multiple; the text says what may be.
    """
    height, width = image.shape[-2:]
    came = f"got {height} x {width}"
    if height % multiple_of or width % multiple_of:
        raise ValueError(f"both sides must be a multiple of {multiple_of}, {came}")
    if min(height, width) < at_least:
        raise ValueError(f"both sides must be at least {at_least}, {came}")


@contextmanager
def downloading(weights_id: str) -> Iterator[None]:
    """Any failure inside is told as one line that names the weights.

    Put nothing but the library's own call inside: what fails there is the network,
    the cache or the file that came, whatever class of error the library raises.

    Raises:
        RuntimeError: the weights could not be downloaded.
    """
    try:
        yield
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise RuntimeError(
            f"the encoder weights {weights_id!r} could not be downloaded"
            f" ({type(error).__name__}: {reason})."
            " pretrained may also be False or the path of a weights file."
        ) from error


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
