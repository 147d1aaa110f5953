"""Device, threads, precision and kernels of a run, set for it and put back."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lesionkit.config import RunConfig
from lesionkit.lookup import shown_in_a_line


@shown_in_a_line(ValueError)
def device_of(config: RunConfig) -> torch.device:
    """The device that "auto" stands for.

    Raises:
        ValueError: CUDA is asked for where there is none.
    """
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device cuda: no CUDA device is here (lesionkit doctor says"
            " why); take -p device auto"
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
    benchmark = torch.backends.cudnn.benchmark
    deterministic: Any = torch.utils.deterministic  # its one setting is in no stub
    filling = deterministic.fill_uninitialized_memory
    precision = [backend.fp32_precision for backend in _backends()]
    # cuBLAS reads this before its first call
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(config.threads or threads)
    torch.use_deterministic_algorithms(config.deterministic, warn_only=True)
    deterministic.fill_uninitialized_memory = False  # only for debugging
    torch.backends.cudnn.benchmark = not config.deterministic
    for backend in _backends():
        backend.fp32_precision = "tf32" if config.dtype == "tf32" else "ieee"
    try:
        with warnings.catch_warnings():
            # PyTorch counts it as not repeatable since two values may meet at one
            # place; those of a pooling without overlap never do
            warnings.filterwarnings("ignore", "max_unpooling2d")
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict, warn_only=warns)
        deterministic.fill_uninitialized_memory = filling
        torch.backends.cudnn.benchmark = benchmark
        for backend, before in zip(_backends(), precision, strict=True):
            backend.fp32_precision = before


def _backends() -> tuple[Any, Any]:
    """Who multiplies on a GPU, each with its own precision."""
    cudnn: Any = torch.backends.cudnn  # makes `conv` when it is imported
    return torch.backends.cuda.matmul, cudnn.conv


@contextmanager
def memory_told(config: RunConfig) -> Iterator[None]:
    """Turn running out of memory into one line with what to change.

    Raises:
        MemoryError: in place of torch's error.
    """
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        full = isinstance(error, torch.OutOfMemoryError)
        if not full and "not enough memory" not in str(error):
            raise
        config = config.resolved()
        raise MemoryError(
            f"out of memory with {config.model} at size {config.size} and batch_size"
            f" {config.batch_size}: try -p activation_checkpointing True (the same"
            " result, slower), -p dtype bfloat16, -p loader streamed, or fewer runs on"
            " one GPU; another batch_size or size is another experiment"
        ) from error
