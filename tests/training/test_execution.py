"""Precision, threads and memory of a run, set for it and put back."""

from __future__ import annotations

import errno
import importlib

import pytest
import torch

from lesionkit.config import RunConfig
from lesionkit.training.execution import device_of, execution, memory_told


def precisions() -> tuple[str, str]:
    """What multiplications and convolutions round to on a GPU."""
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    return matmul.fp32_precision, conv.fp32_precision


@pytest.mark.parametrize(
    ("dtype", "kind"), [("float32", "ieee"), ("bfloat16", "ieee"), ("tf32", "tf32")]
)
def test_float32_is_exact_and_tf32_must_be_asked_for(dtype: str, kind: str) -> None:
    before = precisions()
    with execution(RunConfig(dtype=dtype)):
        assert precisions() == (kind, kind)
    assert precisions() == before


def test_threads_and_determinism_are_put_back_after_an_error() -> None:
    threads = torch.get_num_threads()
    with pytest.raises(KeyError), execution(RunConfig(threads=threads + 1)):
        assert torch.get_num_threads() == threads + 1
        assert torch.are_deterministic_algorithms_enabled()
        raise KeyError
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_run_that_may_be_irregular_lets_the_kernels_be_chosen_by_speed() -> None:
    with execution(RunConfig(deterministic=False)):
        assert torch.backends.cudnn.benchmark
    with execution(RunConfig(deterministic=True)):
        assert not torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.benchmark


def test_what_the_user_set_before_a_run_is_set_after_it(monkeypatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with execution(RunConfig()):
            pass
        assert torch.backends.cudnn.benchmark
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("kind", ["cuda", "cpu"])
def test_on_a_gpu_attention_repeats_where_a_run_must(
    monkeypatch, kind: str, deterministic: bool
) -> None:
    module = importlib.import_module("lesionkit.training.execution")
    monkeypatch.setattr(module, "device_of", lambda config: torch.device(kind))
    cuda = torch.backends.cuda
    faster = (
        cuda.flash_sdp_enabled,
        cuda.mem_efficient_sdp_enabled,
        cuda.cudnn_sdp_enabled,
    )
    before = [enabled() for enabled in faster]
    with execution(RunConfig(deterministic=deterministic)):
        only = kind == "cuda" and deterministic
        wanted = [False] * 3 if only else before
        assert [enabled() for enabled in faster] == wanted
        assert cuda.math_sdp_enabled()
    assert [enabled() for enabled in faster] == before


# As users of torch have met them.
OUT_OF_MEMORY = [
    "[enforce fail at alloc_cpu.cpp:75] err == 0. DefaultCPUAllocator: can't allocate"
    " memory: you tried to allocate 132426121216 bytes. Error code 12 (Cannot allocate"
    " memory)",
    "[enforce fail at CPUAllocator.cpp:64] . DefaultCPUAllocator: can't allocate"
    " memory: you tried to allocate 1178729664 bytes. Error code 12 (Cannot allocate"
    " memory)",
    r"[enforce fail at ..\c10\core\impl\alloc_cpu.cpp:72] data. DefaultCPUAllocator:"
    " not enough memory: you tried to allocate 26214400 bytes.",
    "unable to mmap 1073741824 bytes from file <state>: Cannot allocate memory (12)",
    "std::bad_alloc",
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
    "cuda runtime error (2) : out of memory at /opt/conda/THC/generic/THCStorage.cu:66",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasLtCreate(&handle)`",
    "GET was unable to find an engine to execute this computation",
    "FIND was unable to find an engine to execute this computation",
    "Unable to find a valid cuDNN algorithm to run convolution",
    "MPS backend out of memory (MPS allocated: 8.89 GB, other allocations: 172.98 MB,"
    " max allowed: 9.07 GB). Tried to allocate 6.25 MB on private pool.",
]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        *map(RuntimeError, OUT_OF_MEMORY),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        MemoryError(),
        MemoryError("Unable to allocate 2.0 GiB for an array with shape (9, 9)"),
    ],
)
def test_no_memory_is_one_line_with_what_to_change(error: Exception) -> None:
    with pytest.raises(MemoryError) as told, memory_told(RunConfig(size=96)):
        raise error
    text = str(told.value)
    assert "unet at size 96 and batch_size 8" in text
    assert "-p activation_checkpointing True" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes differ"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublas"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("CUDA error: device-side assert triggered"),
        OSError(errno.ENOSPC, "No space left on device"),
        ValueError("out of memory is a name"),
    ],
    ids=str,
)
def test_another_error_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as told, memory_told(RunConfig()):
        raise error
    assert told.value is error


def test_cuda_is_refused_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(RunConfig()) == torch.device("cpu")
    with pytest.raises(ValueError, match="no CUDA device is here") as caught:
        device_of(RunConfig(device="cuda"))
    assert caught.value._render_traceback_() == [f"ValueError: {caught.value}"]


@pytest.mark.parametrize("here", [True, False])
def test_apples_gpu_is_taken_where_it_is_asked_for_alone(monkeypatch, here) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: here)
    assert device_of(RunConfig()) == torch.device("cpu")
    if here:
        assert device_of(RunConfig(device="mps")) == torch.device("mps")
        return
    with pytest.raises(
        ValueError, match=r"device mps: no GPU by Apple \(MPS\) is here"
    ):
        device_of(RunConfig(device="mps"))
