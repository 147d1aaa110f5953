"""Precision, threads and memory of a run, set for it and put back."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"),
    ],
)
def test_no_memory_is_one_line_with_what_to_change(error: Exception) -> None:
    with pytest.raises(MemoryError) as told, memory_told(RunConfig(size=96)):
        raise error
    text = str(told.value)
    assert "unet at size 96 and batch_size 8" in text
    assert "-p activation_checkpointing True" in text
    assert "\n" not in text


def test_another_error_stays_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes differ"), memory_told(RunConfig()):
        raise RuntimeError("shapes differ")


def test_cuda_is_refused_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(RunConfig()) == torch.device("cpu")
    with pytest.raises(ValueError, match="no CUDA device is here") as caught:
        device_of(RunConfig(device="cuda"))
    assert caught.value._render_traceback_() == [f"ValueError: {caught.value}"]
