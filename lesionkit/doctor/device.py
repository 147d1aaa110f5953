"""GPUs, their driver against torch's CUDA, cores and memory."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from lesionkit.doctor import software
from lesionkit.doctor.section import Section, answer

ANSWER_SECONDS = 60.0  # nvidia-smi wakes every GPU first
GIB = 1 << 30
LEAST_MEMORY = 2 * GIB
OTHER_TORCH = "https://pytorch.org/get-started/locally"


def gpus(section: Section) -> None:
    """The GPUs that the driver sees and those that torch can use."""
    judge(section, driver_facts(), software.torch_facts())


def driver_facts() -> dict[str, Any]:
    """What nvidia-smi says: GPUs, driver, and the newest CUDA it can run."""
    query = ["--query-gpu=name,memory.total", "--format=csv,noheader"]
    listed, failure = answer(["nvidia-smi", *query], seconds=ANSWER_SECONDS)
    if failure:
        absent = failure == "No such file or directory"
        there = Path("/proc/driver/nvidia/version").exists()
        return {"gpus": [], "failure": "" if absent and not there else failure}
    head, _ = answer(["nvidia-smi"], seconds=ANSWER_SECONDS)
    versions = re.findall(r"(Driver|CUDA) Version: *([\d.]+)", head)
    return {"gpus": listed.strip().splitlines(), "failure": "", **dict(versions)}


def judge(section: Section, driver: dict[str, Any], torch: dict[str, Any]) -> None:
    """Hold what the driver says against what torch says."""
    newest, cards = driver.get("CUDA"), driver["gpus"]
    section.facts["GPUs"] = "; ".join(cards) or "none by NVIDIA"
    if cards:
        version = driver.get("Driver", "of unknown version")
        section.facts["driver"] = f"{version}, CUDA up to {newest or '?'}"
    if driver["failure"]:
        section.warn(
            f"nvidia-smi: {driver['failure']}: the driver does not work, training uses"
            " the CPU; restart the machine or install the driver again"
        )
    if "error" in torch:
        return
    built = torch["cuda"] or torch["hip"]
    kind = "CUDA" if torch["cuda"] else "ROCm"
    section.facts["torch built for"] = f"{kind} {built}" if built else "the CPU"
    usable = [_card(gpu) for gpu in torch["gpus"]]
    section.facts["torch can use"] = "; ".join(usable) or "the CPU"
    section.facts["threads of torch"] = str(torch["threads"])
    if cards and not torch["available"]:
        section.warn(_why_not(driver, torch))
    _refuse_old_cards(section, torch)


def _card(gpu: dict[str, Any]) -> str:
    """A GPU with its memory and capability."""
    capability = ".".join(map(str, gpu["capability"]))
    return f"{gpu['name']} ({gpu['bytes'] / GIB:.0f} GiB, capability {capability})"


def _why_not(driver: dict[str, Any], torch: dict[str, Any]) -> str:
    """Why torch cannot use a GPU that the driver sees, and the way out."""
    newest, built = driver.get("CUDA"), torch["cuda"]
    if built is None:
        return (
            f"torch {torch['torch']} is built without CUDA beside an NVIDIA GPU:"
            f" training uses the CPU; install one with CUDA ({OTHER_TORCH})"
        )
    major = newest and newest.partition(".")[0]
    if major and int(major) < int(built.partition(".")[0]):
        return (
            f"the NVIDIA driver {driver.get('Driver', '')} is too old: it runs CUDA up"
            f" to {newest}, torch {torch['torch']} is built for CUDA {built}; training"
            f" uses the CPU until the driver is updated, or torch is one for CUDA"
            f" {major} ({OTHER_TORCH})"
        )
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        return (
            f"CUDA_VISIBLE_DEVICES={hidden!r} hides the GPUs: training uses the CPU;"
            " unset it"
        )
    said = "; ".join(torch["said"]) or "torch does not say why"
    return f"torch cannot use the NVIDIA GPU, training uses the CPU: {said[:300]}"


def _refuse_old_cards(section: Section, torch: dict[str, Any]) -> None:
    """A GPU older than everything that torch was built for stops the training."""
    names = [re.fullmatch(r"sm_(\d+)[a-z]?", a) for a in torch["architectures"]]
    oldest = min((int(match[1]) for match in names if match), default=0)
    for gpu in torch["gpus"]:
        major, minor = gpu["capability"]
        if 10 * major + minor < oldest:
            section.stops(
                f"{gpu['name']} has capability {major}.{minor}, torch"
                f" {torch['torch']} is built for {oldest / 10:.1f} and newer: train"
                f" with -p device cpu, or install another torch ({OTHER_TORCH})"
            )


def processor(section: Section) -> None:
    """Cores, memory, and what limits them."""
    import psutil

    mine = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    usable = len(mine(0)) if mine else os.cpu_count()
    section.facts["cores"] = f"{usable} of {os.cpu_count()}"
    if limit := os.environ.get("OMP_NUM_THREADS"):
        section.facts["OMP_NUM_THREADS"] = limit
    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    if (limit := _memory_limit()) and limit < total:
        total, free = limit, min(free, limit)
    section.facts["memory"] = f"{total / GIB:.1f} GiB, {free / GIB:.1f} GiB free"
    if free < LEAST_MEMORY:
        section.warn(
            f"{free / GIB:.1f} GiB of memory are free: a training may be killed; close"
            " other programs and kernels (the demo wants 2 GiB)"
        )
    if sys.platform == "darwin":
        section.facts["Apple's GPU"] = "not used: device is cpu or cuda"


def _memory_limit() -> int | None:
    """The limit of the container, in bytes."""
    try:
        text = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
