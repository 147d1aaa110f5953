"""Resampling by matrix products, against torch's own kernels."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lesionkit.models import resampling
from lesionkit.models.resampling import Bilinear, bilinear, mean_pool, repeatable

SIDES = [(7, 7), (5, 9), (14, 13), (1, 1), (2, 1)]
ASKED = [{"scale": 2}, {"scale": 8}, {"scale": 1 / 2}, {"size": (17, 31)}]
ASKED += [{"size": (3, 2)}, {"size": (1, 1)}]
# but those of which nothing is left
PAIRS = [(s, a) for s in SIDES for a in ASKED if min(s) * a.get("scale", 1) >= 1]
# positions are computed in the dtype of the maps by torch, in float64 by the kit
CLOSE = {torch.float64: 1e-12, torch.float32: 2e-4}


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a CPU take the way of a GPU that is to be repeatable."""
    monkeypatch.setattr(resampling, "by_products", lambda maps: True)


def both_ways(ours, theirs, maps: torch.Tensor) -> list[tuple]:
    """Values and gradients of two functions on copies of the same maps."""
    mine, other = (maps.clone().requires_grad_() for _ in range(2))
    one, two = ours(mine), theirs(other)
    gradient = torch.randn(two.shape, generator=torch.Generator().manual_seed(2))
    for out in (one, two):
        out.backward(gradient.to(out.dtype))
    return [(one.detach(), two.detach()), (mine.grad, other.grad)]


def maps_of(side: tuple[int, int], dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(2, 3, *side, generator=torch.Generator().manual_seed(1)).to(
        dtype
    )


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize(("side", "how"), PAIRS, ids=str)
def test_products_are_bilinear_interpolation(
    products, dtype, corners, side, how
) -> None:
    pairs = both_ways(
        lambda x: bilinear(x, how.get("size"), how.get("scale"), align_corners=corners),
        lambda x: F.interpolate(
            x, how.get("size"), how.get("scale"), "bilinear", align_corners=corners
        ),
        maps_of(side, dtype),
    )
    for one, two in pairs:
        torch.testing.assert_close(one, two, rtol=0, atol=CLOSE[dtype])


@pytest.mark.parametrize("side", [1, 2, 3, 6])
@pytest.mark.parametrize("shape", [(7, 7), (5, 9), (14, 13)], ids=str)
def test_products_are_adaptive_means(products, side, shape) -> None:
    for one, two in both_ways(
        lambda x: mean_pool(x, side),
        lambda x: F.adaptive_avg_pool2d(x, side),
        maps_of(shape, torch.float64),
    ):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


def test_the_order_of_memory_stays(products) -> None:
    maps = maps_of((6, 5), torch.float64)
    last = maps.to(memory_format=torch.channels_last)
    one, other = bilinear(maps, scale=2), bilinear(last, scale=2)
    assert one.is_contiguous()
    assert other.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


@pytest.mark.parametrize("corners", [False, True])
def test_in_half_precision_a_flat_map_stays_flat(products, corners) -> None:
    flat = torch.full((1, 1, 7, 7), 3.0).bfloat16()
    assert (bilinear(flat, scale=8, align_corners=corners) == 3).all()
    # shares that half precision does not hold, as it does those of a factor of 8
    lines = resampling._matrix("line", (7, 10, None, corners), flat.device, flat.dtype)
    assert (lines.double().sum(1) == 1).all()
    maps = maps_of((7, 7), torch.float32).bfloat16()
    exact = F.interpolate(
        maps.double(), scale_factor=8, mode="bilinear", align_corners=corners
    )
    found = bilinear(maps, scale=8, align_corners=corners)
    assert found.dtype is torch.bfloat16
    # two roundings of bfloat16, and places that are off by 1/512 of a pixel
    assert (found.double() - exact).abs().max() < 3 * 2**-8 * maps.abs().max()


def test_autocast_does_not_round_a_map_in_float32(products) -> None:
    maps = maps_of((5, 5), torch.float32)
    plain = bilinear(maps, scale=2)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(bilinear(maps, scale=2), plain)


def test_nothing_of_a_map_is_kept_for_the_backward_pass(products) -> None:
    maps, kept = maps_of((5, 5), torch.float32).requires_grad_(), []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda x: x):
        bilinear(maps, scale=2)
    assert max((tensor.numel() for tensor in kept), default=0) <= 50 * 2 * 3


def test_on_a_cpu_torchs_own_kernel_runs() -> None:
    maps = maps_of((5, 9), torch.float32)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        found = bilinear(maps, scale=2), mean_pool(maps, 3)
    finally:
        torch.use_deterministic_algorithms(False)
    expected = F.interpolate(maps, None, 2, "bilinear"), F.adaptive_avg_pool2d(maps, 3)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_only_a_device_that_is_to_be_repeatable_takes_products() -> None:
    there = torch.empty(1, 1, 2, 2, device="meta")
    assert not resampling.by_products(there)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        assert resampling.by_products(there)
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_matrix_is_made_once_for_a_device_and_a_dtype(products) -> None:
    maps = maps_of((11, 11), torch.float32)
    bilinear(maps, scale=2)
    before = dict(resampling._kept)
    bilinear(maps + 1, scale=2)
    assert resampling._kept.keys() == before.keys()
    bilinear(maps.double(), scale=2)
    assert len(resampling._kept) == len(before) + 1


def test_a_librarys_upsampling_layers_are_replaced() -> None:
    layers = [nn.Upsample(scale_factor=4, mode="bilinear", align_corners=True)]
    layers += [
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Upsample(scale_factor=2),
    ]
    network, maps = nn.Sequential(*layers), maps_of((4, 4), torch.float32)
    expected = network(maps)
    repeatable(network)
    assert [type(layer) for layer in network] == [Bilinear, Bilinear, nn.Upsample]
    assert torch.equal(network(maps), expected)
