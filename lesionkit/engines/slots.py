"""Where on this machine a run may execute: one environment for each slot."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence

ANSWER_SECONDS = 60  # nvidia-smi wakes every GPU first


def find_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES is to be for each GPU here; no torch is loaded.

    Where the variable is set, by the user or a scheduler, it says which GPUs there are.
    """
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
    for line in text.splitlines():
        uuid = re.search(r"\(UUID: (\S+)\)", line)
        if uuid is None:
            continue
        if line.startswith("GPU"):
            found.append([])
        found[-1].append(uuid[1])
    return [name for gpu in found for name in gpu[1:] or gpu]


def environments(
    gpus: Sequence[str], *, at_most: int, slots: int | None, slots_per_gpu: int
) -> list[dict[str, str]]:
    """What the environment of each slot has besides that of this process.

    Args:
        gpus: as `find_gpus` gives them; without any, slots are on the CPU.
        at_most: the number of runs; more slots have no use.
        slots: how many; None: slots_per_gpu on each GPU, or one on the CPU.
        slots_per_gpu: runs that share a GPU.

    Raises:
        ValueError: fewer than one.
    """
    check_counts(slots, slots_per_gpu)
    count = slots or len(gpus) * slots_per_gpu
    count = max(1, min(count, at_most))
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
