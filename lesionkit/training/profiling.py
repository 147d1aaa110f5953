"""How fast a training goes, and where the time of an epoch goes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch.profiler import record_function

from lesionkit.config import RunConfig
from lesionkit.training.building import (
    Setting,
    build,
    build_step,
    build_validation,
)
from lesionkit.training.execution import execution, memory_told
from lesionkit.training.graphs import GraphedStep

PARTS = ("data", "forward", "backward", "optimiser", "evaluation")
TRACED = 2  # steps in the trace: one of a large network has 40,000 operators

# Dense peak of one GPU in FLOP/s by a part of its name, from the makers' data sheets.
PEAKS = {
    "H200": {"bfloat16": 989e12, "tf32": 494e12, "float32": 67e12},
    "H100 PCIe": {"bfloat16": 756e12, "tf32": 378e12, "float32": 51e12},
    "H100": {"bfloat16": 989e12, "tf32": 494e12, "float32": 67e12},
    "A100": {"bfloat16": 312e12, "tf32": 156e12, "float32": 19.5e12},
    "L40S": {"bfloat16": 362e12, "tf32": 183e12, "float32": 91.6e12},
    "RTX 4090": {"bfloat16": 165e12, "tf32": 82.6e12, "float32": 82.6e12},
    "RTX 3090": {"bfloat16": 71e12, "tf32": 35.6e12, "float32": 35.6e12},
    "V100": {"float32": 15.7e12},
    "T4": {"float32": 8.1e12},
}


class Watch:
    """Seconds by part; the device is waited for at the end of each."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = dict.fromkeys(PARTS, 0.0)

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        began = time.perf_counter()
        with record_function(part):
            yield
        wait(self.device)
        self.seconds[part] += time.perf_counter() - began


def wait(device: torch.device) -> None:
    """Until the device has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    if device.type == "mps":
        torch.mps.synchronize()


def profile(config: RunConfig, folder: Path) -> pd.DataFrame:
    """Time the parts of one epoch of a run; nothing of it is kept as a record.

    An epoch is trained first, so that kernels are loaded and compiled. Waiting for the
    device after each part makes the epoch slower than one that is not watched; the
    shares are what to read. A CUDA graph cannot be watched inside, so the step runs
    plainly.

    Args:
        folder: gets trace.json.gz, of two steps and a validation, for chrome://tracing
            or Perfetto.

    Returns:
        a row a part: part, seconds, share of the epoch. Errors as of lesionkit.run.
    """
    # what torch's profiler prints is about itself, such as that there is no GPU
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    folder.mkdir(parents=True, exist_ok=True)  # before the work
    with execution(config), memory_told(config):
        setting = build(config)
        watch = Watch(setting.device)
        _epoch(setting, Watch(setting.device), 1, None)
        _epoch(setting, watch, 2, None)
        with torch.profiler.profile() as traced:
            _epoch(setting, Watch(setting.device), 3, TRACED)
    traced.export_chrome_trace(str(folder / "trace.json.gz"))
    table = pd.DataFrame(watch.seconds.items(), columns=["part", "seconds"])
    return table.assign(share=table["seconds"] / table["seconds"].sum())


def _epoch(setting: Setting, watch: Watch, epoch: int, steps: int | None) -> None:
    """One epoch, or its first steps, with each part watched."""
    step = build_step(setting)
    if isinstance(step, GraphedStep):
        step = step.step
    step.mark = watch
    batches = setting.batches["train"]
    setting.model.train()
    order = batches.order(setting.config.init_seed, epoch)
    for place, chosen in enumerate(order[:steps]):
        with watch("data"):
            batch = setting.augment(*batches.store.take(chosen), epoch, place)
        step(*batch)
    with watch("evaluation"):
        build_validation(setting, step)(setting.model).cpu()


def peak_flops(device: torch.device, dtype: str) -> float | None:
    """The most that the device can do, or None where no data sheet is at hand."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    found = (peaks.get(dtype) for part, peaks in PEAKS.items() if part in name)
    return next(found, None)


@dataclass
class Meter:
    """The speed of the epochs of one session.

    An image costs 2 FLOP a MAC to look at and three times that to train on. The MACs
    are those of the catalogue at 224 x 224, by area at another size.
    """

    trained: int  # images of an epoch
    validated: int
    gmacs: float  # forward, of one image at the size that is trained
    device: torch.device
    peak: float | None  # FLOP/s that the device can do, None where it is unknown
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        self.last = time.perf_counter()

    def epoch(self) -> None:
        """Note the end of an epoch; the device has been waited for."""
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.last = now

    def facts(self) -> dict[str, Any]:
        """For the run record; the first epoch, which loads and compiles, is left out.

        Returns:
            epoch_seconds (median), images_per_second (trained images over the whole
            epoch, its validation included), mfu (model FLOP utilisation, None where
            the peak is unknown), peak_memory_bytes (of the GPU, else of the process).
        """
        later = sorted(self.seconds[1:] or self.seconds)
        facts: dict[str, Any] = {"peak_memory_bytes": peak_memory(self.device)}
        if not later:
            return facts
        seconds = later[len(later) // 2]
        flop = 2e9 * self.gmacs * (3 * self.trained + self.validated)
        return facts | {
            "epoch_seconds": round(seconds, 4),
            "images_per_second": round(self.trained / seconds, 2),
            "mfu": round(flop / seconds / self.peak, 4) if self.peak else None,
        }


def peak_memory(device: torch.device) -> int | None:
    """The most memory in use so far: of the GPU, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows does not tell it
        return None
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * (1 if sys.platform == "darwin" else 1024)
