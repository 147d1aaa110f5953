"""What a step of a loss takes, in time and memory, beside another loss."""

from __future__ import annotations

import os
import time
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from lesionkit.losses.cases import Loss, loss_and_gradient

SHAPE = (8, 1, 224, 224)


def batch(shape: tuple[int, ...] = SHAPE) -> tuple[Tensor, Tensor]:
    """Logits and mask of a fifth lesion, both float32."""
    random = torch.Generator().manual_seed(0)
    mask = (torch.rand(shape, generator=random) < 0.2).float()
    return torch.randn(shape, generator=random) + 2 * mask - 1, mask


def peak_units(loss: Loss, logits: Tensor, mask: Tensor) -> float:
    """Peak of the memory allocated in a step, in units of the logits."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it speaks of missing GPUs
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        loss_and_gradient(loss, logits, mask)
    profiler: Any = found.profiler
    events = [e for e in profiler.kineto_results.events() if e.nbytes()]
    now = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak / (logits.numel() * logits.element_size())


def processor_seconds(losses: dict[str, Loss], rounds: int = 5) -> dict[str, float]:
    """Median processor seconds of value and gradient, the losses in turn.

    Seconds of the processor, so that others on this machine count little.
    """
    logits, mask = batch()
    for loss in losses.values():  # warms the caches
        loss_and_gradient(loss, logits, mask)
    times: dict[str, list[float]] = {name: [] for name in losses}
    for _ in range(rounds):
        for name, loss in losses.items():
            began = time.process_time()
            loss_and_gradient(loss, logits, mask)
            times[name].append(time.process_time() - began)
    return {name: median(each) for name, each in times.items()}
