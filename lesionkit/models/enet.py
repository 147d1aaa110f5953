"""ENet: early downsampling, thin bottlenecks with dilated and asymmetric convolutions.

Paper: Paszke, Chaurasia, Kim and Culurciello, "ENet: A Deep Neural Network Architecture
for Real-Time Semantic Segmentation", arXiv:1606.02147, 2016. It adds bottlenecks of a
quarter of the channels, with dilated or asymmetric convolutions in the middle, and a
decoder much smaller than the encoder, which unpools with the encoder's indices.

    image
      | join(conv3x3 / 2, max pool / 2)                16 channels, 1/2
      | down, 4 bottlenecks                            64 channels, 1/4
      | down, 2 x (regular, dilated 2, asymmetric 5,  128 channels, 1/8
      |     dilated 4, regular, dilated 8, asymmetric 5, dilated 16)
      | up (unpool), 2 bottlenecks                     64 channels, 1/4
      | up (unpool), 1 bottleneck                      16 channels, 1/2
      | transposed conv
    logits

    variant         parameters    MACs of 224 x 224
    enet_port       349,068       0.35 G
    enet_authors    363,141       0.36 G

What is known as ENet in PyTorch is a port (MIT) that is not the authors' network; the
paper that compares does not say which it ran. Both are here, the port as the default.
They differ in what FORMS lists: slopes per layer or per channel, biases, inner widths,
norms, kernels of the upsampling, dropout in the decoder, eps. The authors' code is
non-commercial and was not used. An image of C channels leaves 16 - C maps to the first
convolution, so that 16 go on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lesionkit.models.blocks import Network, check_sides

# the middles of the eight bottlenecks at 1/8: kind and dilation (or kernel)
MIDDLES = (
    ("regular", 1),
    ("dilated", 2),
    ("asymmetric", 5),
    ("dilated", 4),
    ("regular", 1),
    ("dilated", 8),
    ("asymmetric", 5),
    ("dilated", 16),
)


@dataclass(frozen=True)
class Form:
    """What tells the port, whose numbers stand here, from the authors' network.

    Attributes:
        channel_slopes: a PReLU slope for each channel, else one for a layer.
        bias: of middle convolutions, the first one, upsampling ones and the last.
        eps: of batch normalisation.
        inner_from_input: a resizing bottleneck is a quarter of its input inside, else
            of its output.
        norm_everywhere: norm and activation also between asymmetric convolutions and,
            with the activation, after the last one of a bottleneck that does not
            upsample.
        wide_first: the asymmetric pair begins with 1 x 5 (high x wide), else 5 x 1.
        up_kernel: of the transposed convolution in an upsampling bottleneck.
        first_pool: kernel of the first max pooling.
        last_kernel: of the last transposed convolution.
        decoder_dropout: rate in the decoder's bottlenecks.
        multiple_of: what the sides of an image must be a multiple of.
    """

    channel_slopes: bool = False
    bias: bool = False
    eps: float = 1e-5
    inner_from_input: bool = True
    norm_everywhere: bool = True
    wide_first: bool = False
    up_kernel: int = 2
    first_pool: int = 3
    last_kernel: int = 3
    decoder_dropout: float = 0.1
    multiple_of: int = 1


FORMS = {
    "enet_port": Form(),
    "enet_authors": Form(
        channel_slopes=True,
        bias=True,
        eps=1e-3,
        inner_from_input=False,
        norm_everywhere=False,
        wide_first=True,
        up_kernel=3,
        first_pool=2,
        last_kernel=2,
        decoder_dropout=0.0,
        multiple_of=8,
    ),
}


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """ENet as the port or as the authors have it; there is nothing pretrained."""
    return ENet(in_channels, FORMS[variant])


class ENet(Network):
    """Initial block, encoder of 23 bottlenecks, decoder of 5, full convolution.

    Args:
        in_channels: channels of the image, fewer than 16.
        form: the port's or the authors'.

    Shape:
        image: (N, in_channels, H, W) float, H and W from 8 on; multiples of 8 in the
            authors' form
        returns: (N, 1, H, W) float, logits

    Raises:
        ValueError: too many channels.

    Source: Paszke et al. 2016, Table 1.
    """

    def __init__(self, in_channels: int, form: Form):
        super().__init__()
        if in_channels > 15:
            raise ValueError(f"ENet takes at most 15 channels, got {in_channels}")
        self.form = form
        self.initial = Initial(in_channels, form)
        self.down1 = Down(16, 64, form, dropout=0.01)
        self.encoder1 = nn.Sequential(
            *(Bottleneck(64, form, dropout=0.01) for _ in range(4))
        )
        self.down2 = Down(64, 128, form, dropout=0.1)
        self.encoder2 = nn.Sequential(
            *(Bottleneck(128, form, middle, dropout=0.1) for middle in 2 * MIDDLES)
        )
        rate = {"dropout": form.decoder_dropout, "decoder": True}
        self.up2 = Up(128, 64, form)
        self.decoder2 = nn.Sequential(*(Bottleneck(64, form, **rate) for _ in range(2)))
        self.up1 = Up(64, 16, form)
        self.decoder1 = Bottleneck(16, form, **rate)
        self.output = nn.ConvTranspose2d(
            16,
            1,
            form.last_kernel,
            stride=2,
            padding=(form.last_kernel - 1) // 2,
            bias=form.bias,
        )

    def forward(self, image: Tensor) -> Tensor:
        check_sides(image, multiple_of=self.form.multiple_of, at_least=8)
        half = self.initial(image)
        quarter, places1 = self.down1(half)
        quarter = self.encoder1(quarter)
        eighth, places2 = self.down2(quarter)
        features = self.encoder2(eighth)
        features = self.up2(features, places2, quarter.shape[-2:])
        features = self.decoder2(features)
        features = self.up1(features, places1, half.shape[-2:])
        features = self.decoder1(features)
        return self.output(features, output_size=image.shape[-2:])


class Initial(nn.Module):
    """A strided convolution and a max pooling of the image, joined: 16 channels.

    Source: Paszke et al. 2016, Fig. 2(a).
    """

    def __init__(self, in_channels: int, form: Form):
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, 16 - in_channels, 3, stride=2, padding=1, bias=form.bias
        )
        self.pool = nn.MaxPool2d(
            form.first_pool, stride=2, padding=form.first_pool // 3
        )
        self.activate = nn.Sequential(*norm_act(16, form))

    def forward(self, image: Tensor) -> Tensor:
        return self.activate(torch.cat([self.conv(image), self.pool(image)], dim=1))


class Bottleneck(nn.Module):
    """Features plus: 1x1 to a quarter, a middle, 1x1 back, dropout; then activated.

    Args:
        channels: in and out.
        form: the port's or the authors'.
        middle: kind and dilation (or kernel) of the convolution in the middle.
        dropout: rate of whole maps.
        decoder: ReLU in place of PReLU.

    Source: Paszke et al. 2016, Fig. 2(b).
    """

    def __init__(
        self,
        channels: int,
        form: Form,
        middle: tuple[str, int] = ("regular", 1),
        *,
        dropout: float,
        decoder: bool = False,
    ):
        super().__init__()
        inner = channels // 4
        self.convs = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            *norm_act(inner, form, decoder=decoder),
            *middle_convs(inner, middle, form),
            *norm_act(inner, form, decoder=decoder),
            *expansion(inner, channels, form, decoder=decoder),
            nn.Dropout2d(dropout),
        )
        self.activate = activation(channels, form, decoder=decoder)

    def forward(self, features: Tensor) -> Tensor:
        return self.activate(features + self.convs(features))


class Down(nn.Module):
    """A bottleneck that halves the sides; its other branch pools and adds zero maps.

    Shape:
        features: (N, in_channels, H, W)
        returns: (N, out_channels, H/2, W/2) and the places of the pooled values
    """

    def __init__(
        self, in_channels: int, out_channels: int, form: Form, *, dropout: float
    ):
        super().__init__()
        inner = (in_channels if form.inner_from_input else out_channels) // 4
        self.missing = out_channels - in_channels
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.convs = nn.Sequential(
            nn.Conv2d(in_channels, inner, 2, stride=2, bias=False),
            *norm_act(inner, form),
            *middle_convs(inner, ("regular", 1), form),
            *norm_act(inner, form),
            *expansion(inner, out_channels, form),
            nn.Dropout2d(dropout),
        )
        self.activate = activation(out_channels, form)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        pooled, places = self.pool(features)
        zeros = pooled.new_zeros(pooled.shape[0], self.missing, *pooled.shape[-2:])
        both = torch.cat([pooled, zeros], dim=1) + self.convs(features)
        return self.activate(both), places


class Up(nn.Module):
    """A bottleneck that doubles the sides; its other branch unpools.

    Shape:
        features: (N, in_channels, h, w)
        places: of the pooling that is undone, (N, out_channels, h, w)
        size: height and width before that pooling
        returns: (N, out_channels, *size)
    """

    def __init__(self, in_channels: int, out_channels: int, form: Form):
        super().__init__()
        inner = (in_channels if form.inner_from_input else out_channels) // 4
        self.reduce = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels, eps=form.eps),
        )
        self.unpool = nn.MaxUnpool2d(2)
        self.project = nn.Sequential(
            nn.Conv2d(in_channels, inner, 1, bias=False),
            *norm_act(inner, form, decoder=True),
        )
        padding = (form.up_kernel - 1) // 2
        self.upsample = nn.ConvTranspose2d(
            inner, inner, form.up_kernel, stride=2, padding=padding, bias=form.bias
        )
        self.expand = nn.Sequential(
            *norm_act(inner, form, decoder=True),
            nn.Conv2d(inner, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels, eps=form.eps),
            nn.Dropout2d(form.decoder_dropout),
        )

    def forward(self, features: Tensor, places: Tensor, size: torch.Size) -> Tensor:
        other = self.unpool(self.reduce(features), places, output_size=size)
        main = self.upsample(self.project(features), output_size=size)
        return torch.relu(other + self.expand(main))


def activation(channels: int, form: Form, *, decoder: bool = False) -> nn.Module:
    """PReLU with the form's slopes; ReLU in the decoder."""
    if decoder:
        return nn.ReLU()
    return nn.PReLU(channels if form.channel_slopes else 1)


def norm_act(
    channels: int, form: Form, *, decoder: bool = False
) -> tuple[nn.Module, nn.Module]:
    """Batch normalisation and activation."""
    norm = nn.BatchNorm2d(channels, eps=form.eps)
    return norm, activation(channels, form, decoder=decoder)


def middle_convs(channels: int, middle: tuple[str, int], form: Form) -> list[nn.Module]:
    """The convolution, or the asymmetric pair, in the middle of a bottleneck."""
    kind, number = middle
    ends = (channels, channels)
    if kind != "asymmetric":
        options = {"padding": number, "dilation": number, "bias": form.bias}
        return [nn.Conv2d(*ends, 3, **options)]
    tall = {"kernel_size": (number, 1), "padding": (number // 2, 0)}
    wide = {"kernel_size": (1, number), "padding": (0, number // 2)}
    first, second = (wide, tall) if form.wide_first else (tall, wide)
    return [
        nn.Conv2d(*ends, **first, bias=False),
        *(norm_act(channels, form) if form.norm_everywhere else ()),
        nn.Conv2d(*ends, **second, bias=form.bias),
    ]


def expansion(
    inner: int, channels: int, form: Form, *, decoder: bool = False
) -> list[nn.Module]:
    """The 1x1 convolution that ends a bottleneck, and what follows it."""
    conv = nn.Conv2d(inner, channels, 1, bias=False)
    norm, act = norm_act(channels, form, decoder=decoder)
    return [conv, norm, act] if form.norm_everywhere else [conv, norm]
