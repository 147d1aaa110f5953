"""What executes a run: device, threads, precision and kernels; set, put back, told."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import socket
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from typing import Any

import torch

from lesionkit.config import RunConfig
from lesionkit.extras import CHECKOUT
from lesionkit.lookup import shown_in_a_line

PACKAGES = "lesionkit torch torchvision timm segmentation-models-pytorch numpy".split()


@shown_in_a_line(ValueError)
def device_of(config: RunConfig) -> torch.device:
    """The device of a run; "auto" is CUDA where it is, else the CPU.

    Apple's GPU is taken where it is asked for alone: nobody has compared its results.

    Raises:
        ValueError: a GPU is asked for where there is none.
    """
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    here = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if not here.get(config.device, lambda: True)():
        kind = {"cuda": "CUDA device", "mps": "GPU by Apple (MPS)"}[config.device]
        raise ValueError(
            f"device {config.device}: no {kind} is here (lesionkit doctor says why);"
            " take -p device auto"
        )
    return torch.device(config.device)


@contextmanager
def execution(config: RunConfig) -> Iterator[None]:
    """Threads, precision and deterministic kernels as the config says.

    "float32" is exact: torch itself lets convolutions round to TF32 on a GPU.
    """
    config = config.resolved()
    threads = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn: Any = torch.backends.cudnn  # makes `conv` when it is imported
    precision = "tf32" if config.dtype == "tf32" else "ieee"
    wanted: list[tuple[Any, str, Any]] = [
        (torch.utils.deterministic, "fill_uninitialized_memory", False),  # to debug
        (cudnn, "benchmark", not config.deterministic),
        (torch.backends.cuda.matmul, "fp32_precision", precision),
        (cudnn.conv, "fp32_precision", precision),
    ]
    before = [getattr(owner, name) for owner, name, _ in wanted]
    # cuBLAS reads this before its first call
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(config.threads or threads)
    torch.use_deterministic_algorithms(config.deterministic, warn_only=True)
    for owner, name, value in wanted:
        setattr(owner, name, value)
    try:
        with warnings.catch_warnings():
            # PyTorch counts it as not repeatable since two values may meet at one
            # place; those of a pooling without overlap never do
            warnings.filterwarnings("ignore", "max_unpooling2d")
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict, warn_only=warns)
        for (owner, name, _), value in zip(wanted, before, strict=True):
            setattr(owner, name, value)


# What the allocators of torch, the libraries below it and the system say when memory is
# out. cuDNN finds no engine where none fits into what is left.
FULL = re.compile(
    r"out of memory|not enough memory|can't allocate memory|cannot allocate memory"
    r"|unable to allocate|bad_alloc|STATUS_ALLOC_FAILED"
    r"|CUBLAS_STATUS_NOT_INITIALIZED when calling `cublas(Lt)?Create"
    r"|unable to find (an engine to execute this computation|a valid cudnn algorithm)",
    re.IGNORECASE,
)


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory is out: of a GPU, or of the computer."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return FULL.search(str(error)) is not None


@contextmanager
def memory_told(config: RunConfig) -> Iterator[None]:
    """Turn running out of memory into one line with what to change.

    Raises:
        MemoryError: in place of torch's error.
    """
    try:
        yield
    except (RuntimeError, OSError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        config = config.resolved()
        raise MemoryError(
            f"out of memory with {config.model} at size {config.size} and batch_size"
            f" {config.batch_size}: try -p activation_checkpointing True (the same"
            " result, slower), -p dtype bfloat16, -p loader streamed, or fewer runs on"
            " one GPU; another batch_size or size is another experiment"
        ) from error


def describe(device: torch.device) -> dict[str, Any]:
    """Everything about this process that may move the last bits of a result."""
    cudnn: Any = torch.backends.cudnn  # makes `conv` when it is imported
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        # None for a package that is used from its source
        **{n: next((d.version for d in distributions(name=n)), None) for n in PACKAGES},
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cores": os.cpu_count(),
        "device": str(device),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "tf32": cudnn.conv.fp32_precision == "tf32",
        "workers": 0,
    }


def _commit() -> str | None:
    """The commit of the checkout this package lies in, if it is one and git is here."""
    if not (CHECKOUT / ".git").exists() or not shutil.which("git"):
        return None
    command = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
