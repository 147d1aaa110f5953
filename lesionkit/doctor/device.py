"""GPUs as the driver and as torch see them, cores and memory."""

from __future__ import annotations

import os
import re
from typing import Any

from lesionkit.doctor import software
from lesionkit.doctor.section import Section, answer

GIB = 1 << 30
LEAST_MEMORY = 2 * GIB
OTHER_TORCH = "https://pytorch.org/get-started/locally"
WORTH = 1.2  # times as fast, from which on another number format is advised
QUERY = "--query-gpu=name,memory.total,driver_version"


def gpus(section: Section) -> None:
    """The GPUs that the driver sees and those that torch can use."""
    listed, failure = answer(["nvidia-smi", QUERY, "--format=csv,noheader"])
    if failure == "No such file or directory":  # no driver, for there is no GPU
        failure = ""
    judge(section, listed.splitlines(), failure, software.torch_facts())


def judge(
    section: Section, cards: list[str], failure: str, torch: dict[str, Any]
) -> None:
    """Hold the driver's cards, or why it does not work, against what torch says."""
    if failure:
        cards = []
        section.warn(
            f"nvidia-smi: {failure}: the driver does not work, training uses"
            " the CPU; restart the machine or install the driver again"
        )
    section.facts["GPUs"] = "; ".join(cards) or "none by NVIDIA"
    if "error" in torch:
        return
    built = torch["cuda"]
    section.facts["torch built for"] = f"CUDA {built}" if built else "the CPU"
    usable = [
        f"{gpu['name']} ({gpu['bytes'] / GIB:.0f} GiB, capability {gpu['capability']})"
        for gpu in torch["gpus"]
    ]
    if torch.get("mps"):
        usable.append("the GPU by Apple (MPS), with -p device mps; auto takes the CPU")
    section.facts["torch can use"] = "; ".join(usable) or "the CPU"
    section.facts["threads of torch"] = str(torch["threads"])
    if cards and not torch["available"]:
        section.warn(
            f"torch {torch['torch']} cannot use the NVIDIA GPU, training uses the CPU:"
            f" {_why_not(torch)}"
        )
    if torch["available"]:
        section.facts["may be faster on this GPU"] = (
            "-p graphed true: the host starts one graph a step in place of thousands of"
            " operators; another run id, so give it to all runs of a comparison"
        )
    names = [re.fullmatch(r"sm_(\d+)[a-z]?", a) for a in torch["architectures"]]
    oldest = min((int(match[1]) for match in names if match), default=0) / 10
    for gpu in torch["gpus"]:
        if float(gpu["capability"]) < oldest:
            section.stops(
                f"{gpu['name']} has capability {gpu['capability']}, torch"
                f" {torch['torch']} is built for {oldest} and newer: train"
                f" with -p device cpu, or install another torch ({OTHER_TORCH})"
            )


def _why_not(torch: dict[str, Any]) -> str:
    """Why torch cannot use a GPU that the driver sees, and the way out."""
    if torch["cuda"] is None:
        return f"it is built without CUDA; install one with CUDA ({OTHER_TORCH})"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        return f"CUDA_VISIBLE_DEVICES={hidden!r} hides the GPUs; unset it"
    return ("; ".join(torch["said"]) or "it does not say why")[:300]


def number_formats(section: Section) -> None:
    """How fast a training step is on this CPU by number format and order in memory."""
    compare(section, software.torch_facts().get("step_seconds", {}))


def compare(section: Section, seconds: dict[str, float]) -> None:
    """Tell what is faster here than what protocols take, and what that means.

    Args:
        seconds: "float32 contiguous" and other ways to the seconds of a step.
    """
    if not seconds:
        return
    usual = seconds["float32 contiguous"]
    times = {way: usual / took for way, took in seconds.items()}
    told = ", ".join(f"{way} {ratio:.2f}" for way, ratio in times.items())
    section.facts["training steps, as many times as fast"] = told
    best = max(times, key=lambda way: times[way])
    if times[best] >= WORTH:
        dtype, order = best.split()
        given = f"-p dtype {dtype} " * (dtype != "float32")
        given += f"-p memory_format {order}" * (order != "contiguous")
        section.facts["faster on this CPU"] = (
            f"{given.strip()}, {times[best]:.1f} times by two convolutions; another run"
            " id and other last digits, so give it to all runs of a comparison"
        )


def processor(section: Section) -> None:
    """Cores and memory of this process and its container."""
    from lesionkit.engines import local
    from lesionkit.prepared.memory import memory

    section.facts["cores"] = f"{local.cores()} of {os.cpu_count()}"
    here = memory()
    free = f"{here.free / GIB:.1f} GiB"
    section.facts["memory"] = f"{here.total / GIB:.1f} GiB, {free} free"
    if here.free < LEAST_MEMORY:
        section.warn(
            f"{free} of memory are free: a training may be killed; close"
            " other programs and kernels (the demo wants 2 GiB)"
        )
