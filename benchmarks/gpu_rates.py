"""How fast a network steps: alone in every way, or several times at once.

What benchmarks/gpu.py measures with.
"""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import multiprocessing

from lesionkit.config import RunConfig
from lesionkit.losses import build_loss
from lesionkit.models import build_model
from lesionkit.prepared.loading import FORMATS
from lesionkit.training.execution import execution
from lesionkit.training.graphs import WARM_UP, Graph, GraphedStep
from lesionkit.training.step import Step, autocast

BATCH = 8
AHEAD = 8  # calls that may be queued: a device that waits for the host is slower
FAST = {"protocol": "paper_a_fast"}
HALF = {"dtype": "bfloat16", "memory_format": "channels_last"}
# The parameters of a run: kernels are chosen as that run would have them chosen.
WAYS: dict[str, dict[str, Any]] = {
    "paper_a": {},
    "paper_a_fast": FAST,
    "fp32": {"deterministic": False},
    "tf32": {"deterministic": False, "dtype": "tf32"},
    "bf16": {"deterministic": False, **HALF},
    "fast, any kernel": FAST | {"deterministic": False},
    "fast, compiled": FAST | {"deterministic": False, "compile": True},
}


def config_of(name: str, way: str) -> Any:
    """The run that a way stands for, on one network."""
    return RunConfig(model=name, **({"protocol": "paper_a"} | WAYS[way])).resolved()


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


def captures(config: Any, device: torch.device, asked: bool | None) -> bool:
    """Whether a step is captured: as asked, else as the run says; on CUDA alone."""
    return device.type == "cuda" and (config.graphed if asked is None else asked)


@cache
def built(name: str, variant: str) -> torch.nn.Module:
    """A network with its first weights: on one core they take seconds to draw."""
    torch.manual_seed(0)
    return build_model(name, variant=variant)


def ready(
    name: str,
    way: str,
    *,
    size: int,
    device: torch.device,
    graphed: bool | None = None,
) -> Bench:
    """A network with its step, for use inside `execution(config_of(name, way))`.

    Args:
        graphed: capture the step or not, in place of what the way says.
    """
    config = config_of(name, way)
    network = copy.deepcopy(built(name, config.variant))
    torch.manual_seed(0)  # of what follows, whether or not it was built just now
    model = network.to(device).to(memory_format=FORMATS[config.memory_format]).train()
    graphed = captures(config, device, graphed)
    step = Step(
        model,
        build_loss("ioufocal"),
        torch.optim.Adam(model.parameters(), fused=True, capturable=graphed),
        dtype=config.dtype,
        memory_format=config.memory_format,
        compile=config.compile,
    )
    images = torch.randint(256, (32, size, size, 3), dtype=torch.uint8, device=device)
    masks = (images[..., 0] > 200).to(torch.uint8)
    return Bench(GraphedStep(step) if graphed else step, model, images, masks)


def wait(device: torch.device) -> None:
    """Until the device has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def warm(bench: Bench, steps: int, device: torch.device) -> None:
    """Steps that load, compile and capture: all of it is over when this returns.

    Raises:
        RuntimeError: the step was to be captured and could not be.
    """
    graphed = isinstance(bench.step, GraphedStep)
    for turn in range(WARM_UP + 2 if graphed else max(2, min(4, steps))):
        bench.step(*bench.batch(turn))
    wait(device)
    if graphed and bench.step.failed:
        raise RuntimeError("the step could not be captured")


def timed(
    work: Callable[[int], Any], limits: tuple, device: torch.device, stream: Any = None
) -> float:
    """Calls a second; until so many are done, or so many seconds are over.

    Args:
        work: is given the number of the call.
        limits: calls, and seconds or None.
        stream: where the work is queued; None: on the current one.
    """
    steps, seconds = limits
    marks: deque[torch.cuda.Event] = deque()
    began, done = time.perf_counter(), 0
    while done < steps and not (seconds and time.perf_counter() - began > seconds):
        work(done)
        done += 1
        if device.type == "cuda":  # the host stays ahead, as in a training, but not far
            marks.append(torch.cuda.Event())
            marks[-1].record(stream)
            if len(marks) > AHEAD:
                marks.popleft().synchronize()
    wait(device)
    return done / (time.perf_counter() - began)


def steps_rate(bench: Bench, limits: tuple, device: torch.device) -> float:
    """Images a second of whole steps, once the bench is warm."""
    return BATCH * timed(lambda i: bench.step(*bench.batch(i)), limits, device)


@torch.no_grad()
def validation_rate(
    bench: Bench, config: Any, limits: tuple, *, device: torch.device
) -> float:
    """Images a second of the forward pass in eval mode, captured if the step is."""
    bench.model.eval()

    @torch.no_grad()
    def forward(images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        with autocast(device, config.dtype):
            return bench.model(images.permute(0, 3, 1, 2).float() / 255)

    graphed = isinstance(bench.step, GraphedStep)
    work = Graph(forward, what="validation") if graphed else forward
    for turn in range(WARM_UP + 2 if graphed else 1):
        work(*bench.batch(turn))
    wait(device)
    rate = BATCH * timed(lambda i: work(*bench.batch(i)), limits, device)
    bench.model.train()
    return rate


def one_of_several(settings: tuple, number: int, *, barrier: Any, rates: Any) -> None:
    """The work of one process among several: ready, all together, its rate."""
    name, way, size, limits, kind = settings
    device = torch.device(kind)
    torch.set_num_threads(1)
    with execution(config_of(name, way)):
        bench = ready(name, way, size=size, device=device)
        warm(bench, limits[0], device)
        barrier.wait()  # none captures while another one is timed
        rates[number] = steps_rate(bench, limits, device)


def processes_rate(settings: tuple, count: int) -> float:
    """Images a second of several processes together."""
    context = multiprocessing.get_context("spawn")
    barrier, rates = context.Barrier(count, timeout=300), context.Array("d", count)
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
    name, way, size, limits, kind = settings
    device = torch.device(kind)
    with execution(config_of(name, way)):
        benches = [ready(name, way, size=size, device=device) for _ in range(count)]
        for bench in benches:  # one after the other: a capture is alone
            warm(bench, limits[0], device)
        streams = [torch.cuda.Stream() for _ in benches]

        def turn(number: int) -> None:
            for bench, stream in zip(benches, streams, strict=True):
                with torch.cuda.stream(stream):
                    bench.step(*bench.batch(number))

        return count * BATCH * timed(turn, limits, device, streams[-1])
