"""How fast a network steps: alone in every way, or several times at once.

What benchmarks/gpu.py measures with.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import multiprocessing

from lesionkit.losses import build_loss
from lesionkit.models import build_model
from lesionkit.training.step import GraphedStep, Step, autocast

BATCH = 8
WAYS = {
    "fp32": {},
    "tf32": {"dtype": "tf32"},
    "bf16": {"dtype": "bfloat16"},
    "bf16 channels_last": {"dtype": "bfloat16", "memory_format": "channels_last"},
    "graphed": {"dtype": "bfloat16", "graphed": True},
    "compiled": {"dtype": "bfloat16", "compile": True},
    "compiled graphed": {"dtype": "bfloat16", "compile": True, "graphed": True},
}


@dataclass
class Bench:
    """A network ready to step on random images."""

    step: Callable
    model: torch.nn.Module
    images: torch.Tensor
    masks: torch.Tensor

    def batch(self, turn: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Eight images, taken from the resident ones."""
        where = torch.arange(
            turn * BATCH, (turn + 1) * BATCH, device=self.images.device
        )
        where %= len(self.images)
        return self.images.index_select(0, where), self.masks.index_select(0, where)


def ready(name: str, way: str, *, size: int, device: torch.device) -> Bench:
    """A network with its step, executed in one of WAYS."""
    how = dict(WAYS[way])
    graphed = how.pop("graphed", False)
    precision = "tf32" if how.get("dtype") == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = precision
    torch.backends.cudnn.conv.fp32_precision = precision
    torch.manual_seed(0)
    layout = how.get("memory_format", "contiguous_format")
    model = build_model(name).to(device, memory_format=getattr(torch, layout)).train()
    capturable = graphed and device.type == "cuda"
    adam = torch.optim.Adam(model.parameters(), fused=True, capturable=capturable)
    step = Step(model, build_loss("ioufocal"), adam, **how)
    images = torch.randint(256, (32, size, size, 3), dtype=torch.uint8, device=device)
    masks = (images[..., 0] > 200).to(torch.uint8)
    return Bench(GraphedStep(step) if graphed else step, model, images, masks)


def wait(device: torch.device) -> None:
    """Until the device has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def steps_rate(bench: Bench, steps: int, device: torch.device) -> float:
    """Images a second, after steps that load, compile and capture."""
    for turn in range(max(2, min(6, steps))):
        bench.step(*bench.batch(turn))
    wait(device)
    began = time.perf_counter()
    for turn in range(steps):
        bench.step(*bench.batch(turn))
    wait(device)
    return steps * BATCH / (time.perf_counter() - began)


@torch.no_grad()
def validation_rate(
    bench: Bench, way: str, steps: int, *, device: torch.device
) -> float:
    """Images a second of the forward pass in eval mode."""
    bench.model.eval()
    dtype = WAYS[way].get("dtype", "float32")
    for turn in range(steps + 1):
        if turn == 1:
            wait(device)
            began = time.perf_counter()
        with autocast(device, dtype):
            bench.model(bench.batch(turn)[0].permute(0, 3, 1, 2).float() / 255)
    wait(device)
    bench.model.train()
    return steps * BATCH / (time.perf_counter() - began)


def one_of_several(settings: tuple, number: int, *, barrier: Any, rates: Any) -> None:
    """The work of one process among several: ready, all together, its rate."""
    name, way, size, steps, kind = settings
    device = torch.device(kind)
    torch.set_num_threads(1)
    bench = ready(name, way, size=size, device=device)
    steps_rate(bench, 1, device)
    barrier.wait()
    rates[number] = steps_rate(bench, steps, device)


def processes_rate(settings: tuple, count: int) -> float:
    """Images a second of several processes together."""
    context = multiprocessing.get_context("spawn")
    barrier, rates = context.Barrier(count), context.Array("d", count)
    shared = {"barrier": barrier, "rates": rates}
    started = [
        context.Process(target=one_of_several, args=(settings, i), kwargs=shared)
        for i in range(count)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    if any(process.exitcode for process in started):
        raise RuntimeError("a process of several ended badly (out of memory?)")
    return sum(rates)


def streams_rate(settings: tuple, count: int) -> float:
    """Images a second of several models, each on a stream of this process."""
    name, way, size, steps, kind = settings
    device = torch.device(kind)
    benches = [ready(name, way, size=size, device=device) for _ in range(count)]
    streams = [torch.cuda.Stream() for _ in benches]
    began = 0.0
    for turn in range(steps + 6):
        if turn == 6:
            wait(device)
            began = time.perf_counter()
        for bench, stream in zip(benches, streams, strict=True):
            with torch.cuda.stream(stream):
                bench.step(*bench.batch(turn))
    wait(device)
    return count * steps * BATCH / (time.perf_counter() - began)
