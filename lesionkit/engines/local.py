"""This machine: warm workers on its GPUs or its CPU, or notebooks through papermill."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Generator, Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

from lesionkit import lookup
from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import HOWS, Outcome
from lesionkit.engines.pool import Pool
from lesionkit.engines.process import Process
from lesionkit.extras import notebook_folder

ANSWER_SECONDS = 60  # nvidia-smi wakes every GPU first


def run_all(
    configs: Sequence[RunConfig],
    *,
    how: str = "worker",
    slots: int | None = None,
    slots_per_gpu: int = 1,
    retries: int = 1,
    timeout_seconds: float | None = None,
) -> Generator[Outcome]:
    """The outcome of every run, as soon as it has ended; several run at once.

    Args:
        configs: the runs.
        how: one of HOWS; both leave the same record.
        slots: runs at once; None: slots_per_gpu on each GPU, or one on the CPU.
        slots_per_gpu: runs that share a GPU.
        retries: how often a run is tried again whose worker died or took too long.
        timeout_seconds: the longest that a run may take; None: any time.

    Raises:
        ValueError: an unknown `how`, or fewer than one slot.
        RuntimeError: no worker can be started.
    """
    lookup.find("how", how, HOWS)
    places = environments(
        gpus_for(configs),
        at_most=len(configs),
        slots=slots,
        slots_per_gpu=slots_per_gpu,
    )
    start = partial(Process, module_command("worker", "--how", how))
    again = {"retries": retries, "timeout_seconds": timeout_seconds}
    return Pool(places, start, **again).run_all(configs)


def module_command(name: str, *arguments: str) -> list[str]:
    """What starts a module of `engines` in a process of its own.

    A crash in compiled code leaves its place in the log, and a file in the working
    directory is never taken for a library (-P).
    """
    python = [sys.executable, "-P", "-X", "faulthandler"]
    return [*python, "-m", f"lesionkit.engines.{name}", *arguments]


def gpus_for(configs: Sequence[RunConfig]) -> list[str]:
    """What CUDA_VISIBLE_DEVICES is to be for each GPU that these runs may take.

    None for runs that are all on the CPU. Where the variable is set, by the user or a
    scheduler, it says which GPUs there are. No torch is loaded.
    """
    if all(config.device == "cpu" for config in configs):
        return []
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        names = [name.strip() for name in allowed.split(",")]
        return [name for name in names if name not in ("", "-1")]
    try:
        told = subprocess.run(
            ["nvidia-smi", "-L"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):  # no driver, or it does not work
        return []
    return listed(told.stdout)


def listed(text: str) -> list[str]:
    """The GPUs of `nvidia-smi -L` by UUID; one that is cut up is its MIG parts.

    By UUID, because CUDA counts the fastest GPU as 0 and nvidia-smi the first one.
    """
    found: list[list[str]] = []
    for whole, uuid in re.findall(r"^(GPU)?.*\(UUID: (\S+)\)", text, re.MULTILINE):
        if whole:
            found.append([])
        found[-1].append(uuid)
    return [name for gpu in found for name in gpu[1:] or gpu]


def environments(
    gpus: Sequence[str], *, at_most: int, slots: int | None, slots_per_gpu: int
) -> list[dict[str, str]]:
    """What the environment of each slot has besides that of this process.

    Args:
        gpus: as `gpus_for` gives them; without any, slots are on the CPU.
        at_most: the number of runs; more slots have no use.
        slots: how many; None: slots_per_gpu on each GPU, or one on the CPU.
        slots_per_gpu: runs that share a GPU.

    Raises:
        ValueError: fewer than one.
    """
    check_counts(slots, slots_per_gpu)
    count = max(1, min(slots or len(gpus) * slots_per_gpu, at_most))
    threads = {}
    if count > 1 and "OMP_NUM_THREADS" not in os.environ:
        # each would take every core, and threads that share one wait for each other
        threads = {"OMP_NUM_THREADS": str(max(1, cores() // count))}
    if not gpus:
        return [threads] * count
    return [
        threads | {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} for i in range(count)
    ]


def check_counts(slots: int | None, slots_per_gpu: int) -> None:
    """Refuse to run in no slot at all.

    Raises:
        ValueError: one of the two is below 1.
    """
    for name, value in (("slots", slots), ("slots_per_gpu", slots_per_gpu)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be 1 or more, got {value}")


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def execute(config: RunConfig) -> None:
    """Train one run through papermill; the executed notebook lies beside the record.

    Raises:
        Exception: the notebook stopped; `ename` and `evalue` are of the error in it.
    """
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this interpreter's kernel, no other
    os.environ["LESIONKIT_DATA"] = str(data_folder())  # the kernel starts elsewhere
    import papermill

    # It warns of every parameter that the notebook's cell does not list; the notebook
    # itself knows them all and refuses what is misspelt.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    output = executed_notebook(config)
    output.parent.mkdir(parents=True, exist_ok=True)
    defaults = {rule.name: rule.default for rule in fields(config)}
    papermill.execute_notebook(
        notebook_folder() / "03_train.ipynb",
        output,
        parameters={n: v for n, v in asdict(config).items() if v != defaults[n]},
        kernel_name="python3",
        progress_bar=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # it warns of loopback TCP
        cwd=None,
    )


def executed_notebook(config: RunConfig) -> Path:
    """Where the executed notebook of a run is."""
    return config.folder.with_name(config.folder.name + ".ipynb")
