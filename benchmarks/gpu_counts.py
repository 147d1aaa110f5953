"""What a training step costs on a GPU by counting, and the price of the study by a model.

uv run python benchmarks/gpu_counts.py

Nothing is computed: networks, loss and images lie on torch's meta device, which has
shapes and no numbers. Counted are the operators of a step of batch 8 (forward,
ioufocal, backward) that start a kernel, the bytes that go in and out of them, the
questions to the host, and the operators that torch calls not repeatable on CUDA: with
bilinear resizing and adaptive pooling as torch has them when it is to be
deterministic, and as the kit's two matrix products.

The hours are a model, not a measurement. A step takes the longest of its arithmetic
(6 FLOP a MAC, at a share of the data sheet's peak), its traffic and its launches; the
shares are assumed and stand in the table's head.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import measurements
import torch
from gpu import IMAGES, RUNS, TRAINED, VALIDATED
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from lesionkit.catalogue import MODELS
from lesionkit.losses import build_loss
from lesionkit.models import build_model, resampling
from lesionkit.training.profiling import PEAKS
from lesionkit.training.step import Step

BATCH, SIDE, EPOCHS = 8, 224, 104
PAPERS = [name for name in MODELS if name not in ("segnet", "enet")]
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

    operators: int = 0
    traffic: int = 0
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
        if not (func.is_view or name in ("detach", "empty", "empty_like", "lift_fresh")):
            every = tree_leaves((args, kwargs, out))
            self.operators += 1
            self.traffic += sum(x.nbytes for x in every if torch.is_tensor(x))
        return out


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


def product_flop(model: torch.nn.Module, side: int) -> float:
    """FLOP of a forward pass that the products add to an image."""
    found = []
    image = torch.empty(BATCH, 3, side, side, device="meta")
    for by_products in (True, False):
        with deterministic(by_products), FlopCounterMode(display=False) as counter:
            with torch.no_grad():
                model(image)
        found.append(counter.get_total_flops() / BATCH)
    return found[0] - found[1]


def measure(name: str) -> dict[str, Any]:
    """Both ways of one network."""
    variant = MODELS[name].variants[MODELS[name].default]
    side, model = variant.nearest(SIDE), on_meta(name)
    found: dict[str, Any] = {"macs": variant.gmacs * 1e9 * (side / 224) ** 2}
    found["weights"] = sum(p.numel() for p in model.parameters())
    found["added"] = product_flop(model, side)
    for way, by_products in (("torch", False), ("products", True)):
        with deterministic(by_products):
            found[way] = step_of(model, side)
            found[f"{way} validation"] = validation_of(model, side)
    return found


def seconds(
    found: dict, way: str, dtype: str, launch: float, fused: bool = False
) -> tuple[float, float]:
    """Of a training step and of a validation batch, by the model."""
    peak = PEAKS[CARD][dtype] * SHARES[dtype]
    narrow = (0.5 if dtype == "bfloat16" else 1) * (0.5 if fused else 1)
    added = found["added"] * (way == "products")
    times = []
    for kind, passes, more in ((way, 3, 2), (f"{way} validation", 1, 1)):
        flop = BATCH * (2 * found["macs"] * passes + added * more)
        moved = found[kind].traffic * narrow
        if passes == 3:
            moved += 28 * found["weights"]  # Adam reads four and writes three
        traffic = moved / (BANDWIDTH * ITS_SHARE)
        times.append(max(flop / peak, traffic, found[kind].operators * launch))
    return times[0], times[1]


def hours(found: dict, *how: Any) -> float:
    """All runs of one network on the six data sets."""
    step, batch = seconds(found, *how)
    images = sum(IMAGES.values())
    epoch = images / BATCH * (TRAINED * step + VALIDATED * batch)
    return RUNS * EPOCHS * epoch / 3600


WAYS = {
    "float32, torch's own resizing": ("torch", "float32", EAGER),
    "`paper_a`": ("products", "float32", EAGER),
    "tf32": ("products", "tf32", EAGER),
    "bfloat16": ("products", "bfloat16", EAGER),
    "`paper_a_fast`": ("products", "bfloat16", GRAPHED),
    "and fused, packed": ("products", "bfloat16", 0.0, True),
}


def counts_table(measured: dict[str, dict]) -> list[str]:
    """A row a network: before and after."""
    heads = ["network", "operators, before", "after", "GB, before", "after"]
    heads += ["not repeatable, before", "after", "questions to the host"]
    lines = measurements.head(heads)
    for name, found in measured.items():
        both = found["torch"], found["products"]
        cells = [name, *(f"{each.operators:,}" for each in both)]
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
    measured = {name: measure(name) for name in MODELS}
    lines = [
        f"A step of batch {BATCH} at {SIDE} px on the meta device: forward, ioufocal,"
        " backward, without the optimiser. Before: bilinear resizing and adaptive"
        " pooling as torch has them with deterministic algorithms; after: as two matrix"
        " products.",
        "",
        *counts_table(measured),
        "",
        f"Hours of {len(PAPERS)} x 300 trainings of {EPOCHS} epochs on one {CARD}, **by a"
        f" model, not measured**: {EAGER * 1e6:g} us an eager launch,"
        f" {GRAPHED * 1e6:g} us one in a graph, {SHARES['float32']:.0%} of the peak in"
        f" float32 and {SHARES['tf32']:.0%} in tf32 and bfloat16, {ITS_SHARE:.0%} of"
        f" {BANDWIDTH / 1e12:g} TB/s; fused halves the traffic, packed hides launches.",
        "",
        *hours_table(measured),
    ]
    measurements.append("Operators of a step on a GPU, and the price of paper A", lines)


if __name__ == "__main__":
    main()
