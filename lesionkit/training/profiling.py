"""Where the time of an epoch goes: data, forward, backward, optimiser, evaluation."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from torch.profiler import ProfilerActivity, record_function

from lesionkit.config import RunConfig
from lesionkit.training import evaluation
from lesionkit.training.building import Setting, build, build_step
from lesionkit.training.execution import execution, memory_told
from lesionkit.training.step import GraphedStep

PARTS = ("data", "forward", "backward", "optimiser", "evaluation")
TRACED = 2  # steps in the trace: one of a large network has 40,000 operators


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
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds[part] += time.perf_counter() - began


def profile(config: RunConfig, folder: Path) -> pd.DataFrame:
    """Time the parts of one epoch of a run; nothing of it is kept as a record.

    An epoch is trained first, so that kernels are loaded and compiled. Waiting for the
    device after each part makes the epoch slower than one that is not watched; the
    shares are what to read. A CUDA graph cannot be watched inside, so the step runs
    plainly.

    Args:
        config: the run.
        folder: gets trace.json.gz, of two steps and a validation, for chrome://tracing
            or Perfetto.

    Returns:
        a row a part: part, seconds, share of the epoch.

    Raises:
        as lesionkit.run
    """
    # what torch's profiler prints is about itself, such as that there is no GPU
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    folder.mkdir(parents=True, exist_ok=True)  # before the work
    with execution(config), memory_told(config):
        setting = build(config)
        watch = Watch(setting.device)
        _epoch(setting, Watch(setting.device), 1, None)
        _epoch(setting, watch, 2, None)
        activities = [ProfilerActivity.CPU]
        if setting.device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        with torch.profiler.profile(activities=activities) as traced:
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
    for chosen in batches.order(setting.config.init_seed, epoch)[:steps]:
        with watch("data"):
            batch = batches.store.take(chosen)
        step(*batch)
    with watch("evaluation"):
        evaluation.validation_counts(
            setting.model, setting.batches["validation"], **setting.scoring
        ).cpu()
