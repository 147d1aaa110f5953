"""What executes a run: device, threads, precision and kernels; set, put back, told."""

from __future__ import annotations

import errno
import inspect
import os
import platform
import re
import shutil
import socket
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib.metadata import distributions
from typing import Any

import torch
from torch.optim.adam import adam

from lesionkit.config import RunConfig
from lesionkit.extras import CHECKOUT
from lesionkit.lookup import shown_in_a_line

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
WRAPPED = "step zero_grad add_param_group state_dict load_state_dict".split()
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


@cache
def optimizer_class(name: str) -> Any:
    """Adam or AdamW of torch, without importing torch's compiler; the same bits.

    torch wraps methods and arithmetic of its optimisers so that torch.compile leaves
    them alone, and imports the compiler to do so: seconds of processor time in every
    process that trains. Nothing here compiles an optimiser.
    """
    kind = OPTIMIZERS[name]
    arithmetic: Any = inspect.unwrap(adam)
    if not hasattr(arithmetic, "__dynamo_disable"):
        arithmetic.__dynamo_disable = arithmetic  # as torch marks it at a first step
    methods = {each: inspect.unwrap(getattr(kind, each)) for each in WRAPPED}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(kind.__name__, (kind,), methods)


@contextmanager
def execution(config: RunConfig) -> Iterator[None]:
    """Threads, precision and deterministic kernels as the config says.

    "float32" is exact: torch itself lets convolutions round to TF32 on a GPU.
    """
    config = config.resolved()
    threads = torch.get_num_threads()
    kernels = torch.get_deterministic_debug_mode()
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
    _kernels("warn" if config.deterministic else "default", config.compile)
    for owner, name, value in wanted:
        setattr(owner, name, value)
    try:
        with warnings.catch_warnings(), _attention(config):
            # PyTorch counts it as not repeatable since two values may meet at one
            # place; those of a pooling without overlap never do
            warnings.filterwarnings("ignore", "max_unpooling2d")
            yield
    finally:
        torch.set_num_threads(threads)
        _kernels(kernels, config.compile)
        for (owner, name, _), value in zip(wanted, before, strict=True):
            setattr(owner, name, value)


def _attention(config: RunConfig) -> Any:
    """The one attention on a GPU whose gradient repeats, where it must.

    torch's faster ones repeat only where every operator without a repeatable form is an
    error (`warn_only=False`); max_unpooling2d of SegNet and ENet has none.
    """
    if config.deterministic and device_of(config).type == "cuda":
        from torch.nn.attention import SDPBackend, sdpa_kernel

        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()


def _kernels(mode: str | int, compiled: bool) -> None:
    """Repeatable kernels or any, as torch's debug mode names or numbers them.

    The function by which torch sets the same for its compiler imports that compiler,
    so it is called only where a step is compiled.
    """
    torch.set_deterministic_debug_mode(mode)
    if compiled:
        torch.use_deterministic_algorithms(
            torch.are_deterministic_algorithms_enabled(),
            warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
        )


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
