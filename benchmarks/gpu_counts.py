"""What a training step costs on a GPU by counting, and the study's price by a model.

uv run python benchmarks/gpu_counts.py

Nothing is computed: networks, loss and images lie on torch's meta device, which has
shapes and no numbers. Counted are the operators of a step of batch 8 (forward,
ioufocal, backward) that start a kernel, the bytes that go in and out of them, the
questions to the host, and the operators that torch calls not repeatable on CUDA: with
bilinear resizing and adaptive pooling as torch has them when it is to be
deterministic, and as the kit's two matrix products.

The hours are a model, not a measurement. Kernels run one after the other, and each
takes the longest of its arithmetic (at a share of the data sheet's peak), its traffic
and its launch; the shares are assumed and stand above the table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import measurements
import torch
from gpu import IMAGES, RUNS, TRAINED, VALIDATED
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lesionkit.catalogue import MODELS
from lesionkit.losses import build_loss
from lesionkit.models import build_model, resampling
from lesionkit.training.profiling import PEAKS
from lesionkit.training.step import Step

BATCH, SIDE, EPOCHS = 8, 224, 104
PAPERS = [name for name in MODELS if name not in ("segnet", "enet")]
NO_KERNEL = ("detach", "empty", "empty_like", "lift_fresh")
HOST = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique", "item")
NOT_REPEATABLE = (
    *("upsample_bilinear2d_backward", "_adaptive_avg_pool2d_backward"),
    *("adaptive_max_pool2d_backward", "grid_sampler_2d_backward", "_cdist_backward"),
    *("reflection_pad2d_backward", "replication_pad2d_backward", "cumsum"),
)
# Assumed: seconds of an eager launch and of one in a graph, shares of the data sheet.
EAGER, GRAPHED = 6e-6, 2.2e-6
SHARES = {"float32": 0.6, "tf32": 0.4, "bfloat16": 0.4}
CARD, BANDWIDTH, ITS_SHARE = "H100", 3.35e12, 0.85


@dataclass
class Counted(TorchDispatchMode):
    """Operators that start a kernel, bytes through them, and names of note."""

    kernels: list[tuple[float, int]] = field(default_factory=list)  # FLOP and bytes
    host: list[str] = field(default_factory=list)
    irregular: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name.startswith(HOST):
            self.host.append(name)
        if name in NOT_REPEATABLE:
            self.irregular.append(name)
        if not (func.is_view or name in NO_KERNEL):
            every = tree_leaves((args, kwargs, out))
            moved = sum(x.nbytes for x in every if torch.is_tensor(x))
            self.kernels.append((flop_of(name, args, out), moved))
        return out

    @property
    def traffic(self) -> int:
        return sum(moved for _, moved in self.kernels)

    def seconds(self, dtype: str, launch: float, fused: bool) -> float:
        """One kernel after the other, by the model."""
        peak, band = PEAKS[CARD][dtype] * SHARES[dtype], BANDWIDTH * ITS_SHARE
        narrow = (0.5 if dtype == "bfloat16" else 1) * (0.5 if fused else 1)
        return sum(
            max(launch, flop / peak, narrow * moved / band)
            for flop, moved in self.kernels
        )


def flop_of(name: str, args: tuple, out: Any) -> float:
    """FLOP of the operators that multiply; a backward pass is two of them."""
    if name in ("mm", "bmm"):
        return 2.0 * out.numel() * args[0].shape[-1]
    if name == "addmm":
        return 2.0 * out.numel() * args[1].shape[-1]
    if name == "convolution":
        many = args[0] if args[6] else out
        return 2.0 * many.numel() * args[1][0].numel()
    if name == "convolution_backward":
        gradient, image, weight = args[:3]
        many = image if args[7] else gradient
        wanted = sum(args[10][:2])  # of the image, of the weight
        return wanted * 2.0 * many.numel() * weight[0].numel()
    return 0.0


@contextmanager
def deterministic(by_products: bool) -> Iterator[None]:
    """As a run has it on a GPU, with the kit's products or with torch's own way."""
    plain = resampling.by_products
    if not by_products:
        resampling.by_products = lambda maps: False
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
        resampling.by_products = plain


def on_meta(name: str) -> torch.nn.Module:
    """A network that has shapes alone."""
    with torch.device("meta"):
        try:
            return build_model(name).train()
        except RuntimeError:  # a library reads numbers while it builds
            with torch.device("cpu"):
                model = build_model(name)
    return model.to("meta").train()


def step_of(model: torch.nn.Module, side: int) -> Counted:
    """What one step counts, but for the optimiser."""
    adam = torch.optim.SGD(model.parameters(), lr=0.0)
    step = Step(model, build_loss("ioufocal"), adam)
    images = torch.empty(BATCH, side, side, 3, dtype=torch.uint8, device="meta")
    model.zero_grad(set_to_none=True)  # a second gradient is added, by more operators
    with Counted() as counted:
        step._gradient(images, images[..., 0])
    return counted


def validation_of(model: torch.nn.Module, side: int) -> Counted:
    """What the forward pass of a batch counts in eval mode."""
    image = torch.empty(BATCH, 3, side, side, device="meta")
    with torch.no_grad(), Counted() as counted:
        model.eval()(image)
    model.train()
    return counted


def measure(name: str) -> dict[str, Any]:
    """Both ways of one network."""
    variant = MODELS[name].variants[MODELS[name].default]
    side, model = variant.nearest(SIDE), on_meta(name)
    found: dict[str, Any] = {"weights": sum(p.numel() for p in model.parameters())}
    for way, by_products in (("torch", False), ("products", True)):
        with deterministic(by_products):
            found[way] = step_of(model, side)
            found[f"{way} validation"] = validation_of(model, side)
    return found


def hours(found: dict, *how: Any) -> float:
    """All runs of one network on the six data sets."""
    way, dtype, launch, fused = how
    step = found[way].seconds(dtype, launch, fused)
    # Adam reads four values of a weight and writes three
    step += 28 * found["weights"] / (BANDWIDTH * ITS_SHARE)
    batch = found[f"{way} validation"].seconds(dtype, launch, fused)
    images = sum(IMAGES.values())
    epoch = images / BATCH * (TRAINED * step + VALIDATED * batch)
    return RUNS * EPOCHS * epoch / 3600


WAYS = {
    "float32, torch's own resizing": ("torch", "float32", EAGER, False),
    "`paper_a`": ("products", "float32", EAGER, False),
    "tf32": ("products", "tf32", EAGER, False),
    "bfloat16": ("products", "bfloat16", EAGER, False),
    "`paper_a_fast`": ("products", "bfloat16", GRAPHED, False),
    "and fused, packed": ("products", "bfloat16", 0.0, True),
}


def counts_table(measured: dict[str, dict]) -> list[str]:
    """A row a network: before and after."""
    heads = ["network", "operators, before", "after", "GB, before", "after"]
    heads += ["not repeatable, before", "after", "questions to the host"]
    lines = measurements.head(heads)
    for name, found in measured.items():
        both = found["torch"], found["products"]
        cells = [name, *(f"{len(each.kernels):,}" for each in both)]
        cells += [f"{each.traffic / 1e9:.1f}" for each in both]
        cells += [str(len(each.irregular)) for each in both]
        asked = sum(len(found[w].host) for w in ("torch", "products"))
        lines.append(measurements.row([*cells, str(asked)]))
    return lines


def hours_table(measured: dict[str, dict]) -> list[str]:
    """A row a network, and the sum."""
    lines = measurements.head(["hours of 300 trainings", *WAYS])
    sums = dict.fromkeys(WAYS, 0.0)
    for name in PAPERS:
        found = [hours(measured[name], *how) for how in WAYS.values()]
        for way, value in zip(WAYS, found, strict=True):
            sums[way] += value
        lines.append(measurements.row([name, *(f"{value:.1f}" for value in found)]))
    total = [f"**{value:.0f}**" for value in sums.values()]
    return [*lines, measurements.row(["**all twelve**", *total])]


def main() -> None:
    """Two tables: counts, and the price of the study by the model."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    measured: dict[str, dict] = {}
    for name in MODELS:
        began = time.perf_counter()
        measured[name] = measure(name)
        print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)
    lines = [
        f"A step of batch {BATCH} at {SIDE} px on the meta device: forward, ioufocal,"
        " backward, without the optimiser. Before: bilinear resizing and adaptive"
        " pooling as torch has them with deterministic algorithms; after: as two matrix"
        " products.",
        "",
        *counts_table(measured),
        "",
        f"Hours of {len(PAPERS)} x 300 trainings of {EPOCHS} epochs on one {CARD},"
        " **by a model, not measured**: one kernel after the other, each as long as the"
        " longest of launch, arithmetic and traffic;"
        f" {EAGER * 1e6:g} us an eager launch, {GRAPHED * 1e6:g} us one in a graph,"
        f" {SHARES['float32']:.0%} of the peak in float32 and {SHARES['tf32']:.0%} in"
        f" tf32 and bfloat16, {ITS_SHARE:.0%} of"
        f" {BANDWIDTH / 1e12:g} TB/s; fused halves the traffic, packed hides launches.",
        "",
        *hours_table(measured),
    ]
    measurements.append("Operators of a step on a GPU, and the price of paper A", lines)


if __name__ == "__main__":
    main()
