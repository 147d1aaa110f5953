r"""U-Net++: U-Nets of every depth in one, with dense skips between their nodes.

Paper: Zhou, Siddiquee, Tajbakhsh and Liang, "UNet++: A Nested U-Net Architecture for
Medical Image Segmentation", DLMIA 2018. It adds nodes on each skip, so that the maps
joined are alike in meaning, and heads on all nodes of full size (deep supervision).

    X(0,0) - X(0,1) - X(0,2) - X(0,3) - X(0,4) - logits     32 channels
        \   /    \   /    \   /    \   /
        X(1,0) - X(1,1) - X(1,2) - X(1,3)                   64
            \   /    \   /    \   /
            X(2,0) - X(2,1) - X(2,2)                       128
                \   /    \   /
                X(3,0) - X(3,1)       \ max pooling        256
                    \   /             / bilinear x 2
                    X(4,0)                                 512

Each X(i,j) also gets every X(i,0) to X(i,j-1) of its row: those first, what comes up
from X(i+1,j-1) last.

    variant                      parameters   MACs of 224 x 224   heads
    unetpp_bn_bilinear           9,163,329    26.40 G             1, on X(0,4)
    unetpp_bn_bilinear_4heads    9,163,428    26.41 G             4, on X(0,1) to X(0,4)

The authors' code is non-commercial and was not used. This is the graph of a public
port, which differs from the authors': batch normalisation after each convolution, no
dropout, bilinear upsampling in place of transposed convolutions, the row's nodes before
what comes up, logits without a final sigmoid. The paper averages the four heads or
prunes to one; here, as in the port, X(0,4) is the one used for inference. Trained with
deep supervision, the loss is the mean of the loss of the four heads, as in the port.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lesionkit.models.blocks import DoubleConv, Network, check_sides
from lesionkit.models.resampling import Bilinear

WIDTHS = (32, 64, 128, 256, 512)
# variant -> the j of the nodes X(0,j) that have a head, the one for inference first
HEADS = {"unetpp_bn_bilinear": (4,), "unetpp_bn_bilinear_4heads": (4, 3, 2, 1)}


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """U-Net++ with one head or four; there is nothing pretrained."""
    return UNetPlusPlus(in_channels, heads=HEADS[variant])


class UNetPlusPlus(Network):
    """Fifteen nodes X(i,j), i the level and j the place on the skip.

        X(i,0) = double_conv(pool(X(i-1,0)))
        X(i,j) = double_conv(concat(X(i,0), ..., X(i,j-1), up(X(i+1,j-1))))

    Args:
        heads: the j of each X(0,j) with a head, the one used for inference first.

    Shape:
        image: (N, in_channels, H, W) float, H and W multiples of 16
        returns: (N, 1, H, W) float, logits

    Source: Zhou et al. 2018, (1) and Fig. 1.
    """

    def __init__(self, in_channels: int = 3, *, heads: tuple[int, ...] = (4,)):
        super().__init__()
        self.nodes = nn.ModuleDict()
        for i, j in _order():
            wide = (
                (in_channels, *WIDTHS)[i] if j == 0 else j * WIDTHS[i] + WIDTHS[i + 1]
            )
            self.nodes[f"{i}_{j}"] = DoubleConv(wide, WIDTHS[i], bias=True)
        self.pool = nn.MaxPool2d(2)
        self.up = Bilinear(2, align_corners=True)
        self.outputs = nn.ModuleDict({f"0_{j}": nn.Conv2d(32, 1, 1) for j in heads})

    def heads(self, image: Tensor) -> list[Tensor]:
        """Logits on X(0,4) and, with four heads, X(0,3), X(0,2), X(0,1); full size."""
        check_sides(image, multiple_of=16)
        x = {}
        for i, j in _order():
            if j:
                row = [x[i, k] for k in range(j)]
                features = torch.cat([*row, self.up(x[i + 1, j - 1])], dim=1)
            else:
                features = self.pool(x[i - 1, 0]) if i else image
            x[i, j] = self.nodes[f"{i}_{j}"](features)
        return [self.outputs[key](x[0, int(key[2:])]) for key in self.outputs]

    def supervised(self, image: Tensor) -> list[tuple[float, Tensor]]:
        """Each head with its weight in the training loss: one over their number."""
        heads = self.heads(image)
        return [(1 / len(heads), head) for head in heads]


def _order() -> list[tuple[int, int]]:
    """All (i, j), each after the nodes it takes from."""
    return [(depth - j, j) for depth in range(5) for j in range(depth + 1)]
