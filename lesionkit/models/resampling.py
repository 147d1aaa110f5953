"""Bilinear resizing and adaptive pooling, repeatable on every device.

On a GPU torch has no repeatable kernel for either: with deterministic algorithms it
takes bilinear interpolation apart into many operators, and warns about the backward
pass of adaptive pooling. Both are linear in rows and columns, so here they are two
small matrix products there: repeatable, few operators, and nothing is kept for the
backward pass. On a CPU, and without deterministic algorithms, torch's own kernels run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_kept: dict[tuple, Tensor] = {}  # matrices on a device: a graph needs them to stay


def by_products(maps: Tensor) -> bool:
    """Whether maps are resampled by matrix products: a GPU that is to be repeatable."""
    return not maps.is_cpu and torch.are_deterministic_algorithms_enabled()


def bilinear(
    maps: Tensor,
    size: tuple[int, int] | None = None,
    scale: float | None = None,
    *,
    align_corners: bool = False,
) -> Tensor:
    """Maps of another height and width, as torch's interpolate gives them.

    Args:
        size: height and width, or None for a `scale`.
        scale: of both sides; what does not come out whole is cut.
        align_corners: whether the corner pixels keep their values.

    Shape:
        maps: (N, C, H, W) float
        returns: (N, C, size) of the same dtype and memory format
    """
    if not by_products(maps):
        return F.interpolate(
            maps, size, scale, mode="bilinear", align_corners=align_corners
        )
    wanted = size or [int(side * (scale or 1)) for side in maps.shape[-2:]]
    sides = zip(maps.shape[-2:], wanted, strict=True)
    return _product(maps, "line", [(*pair, scale, align_corners) for pair in sides])


def mean_pool(maps: Tensor, side: int) -> Tensor:
    """Means over `side` x `side` areas, as torch's adaptive_avg_pool2d gives them.

    Shape:
        maps: (N, C, H, W) float
        returns: (N, C, side, side) of the same dtype and memory format
    """
    if not by_products(maps) or side == 1:  # one area is a plain mean, repeatable
        return F.adaptive_avg_pool2d(maps, side)
    return _product(maps, "mean", [(length, side) for length in maps.shape[-2:]])


class Bilinear(nn.Module):
    """`bilinear` by a factor, as a layer without parameters."""

    def __init__(self, scale: float, *, align_corners: bool = False):
        super().__init__()
        self.scale, self.align_corners = scale, align_corners

    def forward(self, maps: Tensor) -> Tensor:
        return bilinear(maps, scale=self.scale, align_corners=self.align_corners)


class MeanPool(nn.Module):
    """`mean_pool` as a layer without parameters."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side

    def forward(self, maps: Tensor) -> Tensor:
        return mean_pool(maps, self.side)


def repeatable(network: nn.Module) -> None:
    """Put `Bilinear` in place of a library's bilinear nn.Upsample, by a factor."""
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.Upsample) and layer.mode == "bilinear":
                scale: Any = layer.scale_factor  # of both sides
                corners = bool(layer.align_corners)
                setattr(parent, name, Bilinear(scale, align_corners=corners))


def _line(length: int, wanted: int, scale: float | None, corners: bool) -> Tensor:
    """The matrix (wanted, length) of linear interpolation along one axis."""
    places = torch.arange(wanted, dtype=torch.float64)
    if corners:
        places = places * ((length - 1) / max(wanted - 1, 1))
    else:
        places = (places + 0.5) * (1 / scale if scale else length / wanted) - 0.5
    places = places.clamp(0, length - 1)
    # a hat of width 1 around each place: at most two neighbours have a share
    apart = (places[:, None] - torch.arange(length, dtype=torch.float64)).abs()
    return (1 - apart).clamp(min=0)


def _mean(length: int, wanted: int) -> Tensor:
    """The matrix (wanted, length) of adaptive average pooling along one axis."""
    matrix = torch.zeros(wanted, length, dtype=torch.float64)
    for i in range(wanted):
        begin, end = i * length // wanted, -(-(i + 1) * length // wanted)
        matrix[i, begin:end] = 1 / (end - begin)
    return matrix


KINDS: dict[str, Callable[..., Tensor]] = {"line": _line, "mean": _mean}


def _matrix(kind: str, how: tuple, device: torch.device, dtype: torch.dtype) -> Tensor:
    """A matrix on a device, made once: a CUDA graph needs it to stay where it is."""
    key = (kind, how, device, dtype)
    if key in _kept:
        return _kept[key]
    exact = KINDS[kind](*how)
    matrix = exact.to(dtype)
    if kind == "line" and torch.finfo(dtype).bits == 16:
        matrix = _whole(exact, dtype)
    matrix = matrix.to(device)
    # a fake tensor is of a trace, not of a device
    return _kept.setdefault(key, matrix) if type(matrix) is Tensor else matrix


# as torch.compiler.assume_constant_result does, which imports the whole compiler
_matrix._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _whole(exact: Tensor, dtype: torch.dtype) -> Tensor:
    """Lines in half precision that sum to 1, so that a flat map stays flat.

    The larger of the two entries is rounded, and the other one is the rest to 1, which
    half precision holds.
    """
    largest = exact.argmax(1, keepdim=True)
    kept = exact.gather(1, largest).to(dtype).double()
    rest = torch.where(exact != 0, 1 - kept, 0.0)
    return rest.scatter(1, largest, kept).to(dtype)


def _product(maps: Tensor, kind: str, sides: list[tuple]) -> Tensor:
    """Rows times each map times the columns' transpose; the order of memory stays.

    Args:
        kind: one of KINDS.
        sides: what is asked of it for the rows, and for the columns.
    """
    (n, c, h, w), device = maps.shape, maps.device
    down, across = (_matrix(kind, how, device, maps.dtype) for how in sides)
    tall, wide = len(down), len(across)
    last = maps.is_contiguous(memory_format=torch.channels_last)
    with _exact(device):
        if last and not maps.is_contiguous():
            flat = maps.permute(0, 2, 3, 1).reshape(n, h, w * c)
            flat = torch.bmm(down.expand(n, tall, h), flat)  # (N, tall, W*C)
            flat = flat.reshape(n * tall, w, c)
            flat = torch.bmm(across.expand(n * tall, wide, w), flat)
            return flat.reshape(n, tall, wide, c).permute(0, 3, 1, 2)
        flat = torch.bmm(down.expand(n * c, tall, h), maps.reshape(n * c, h, w))
        return (flat.reshape(-1, w) @ across.mT).reshape(n, c, tall, wide)


def _exact(device: torch.device) -> Any:
    """The maps' own dtype: autocast would round a float32 map."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()
