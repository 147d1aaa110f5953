"""The speed of a session, from stated epochs."""

from __future__ import annotations

import pytest
import torch

from lesionkit.training import profiling as meter
from lesionkit.training.profiling import Meter, peak_flops


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The readings of the clock, in order."""
    readings = [0.0]
    monkeypatch.setattr(meter.time, "perf_counter", lambda: readings.pop(0))
    return readings


def measured(readings: list[float], peak: float | None = None) -> dict:
    """The facts of a session whose epochs ended at these times."""
    count = len(readings) - 1
    cpu = torch.device("cpu")
    made = Meter(trained=100, validated=40, gmacs=2.0, device=cpu, peak=peak)
    for _ in range(count):
        made.epoch()
    return made.facts()


def test_images_per_second_leave_the_first_epoch_out(seconds: list[float]) -> None:
    seconds += [50.0, 52.0, 54.0]
    facts = measured(seconds)
    assert (facts["epoch_seconds"], facts["images_per_second"]) == (2.0, 50.0)


def test_a_single_epoch_is_all_there_is(seconds: list[float]) -> None:
    seconds += [4.0]
    assert measured(seconds)["images_per_second"] == 25.0


def test_mfu_counts_three_forward_passes_an_image_trained_and_one_validated(
    seconds: list[float],
) -> None:
    seconds += [9.0, 10.0]
    # 2 GMAC are 4 GFLOP; (3 * 100 + 40) * 4e9 in one second
    assert measured(seconds, peak=13.6e12)["mfu"] == 0.1


def test_without_a_known_peak_there_is_no_mfu(seconds: list[float]) -> None:
    seconds += [9.0, 10.0]
    assert measured(seconds)["mfu"] is None
    assert peak_flops(torch.device("cpu"), "float32") is None


@pytest.mark.parametrize(
    ("name", "dtype", "peak"),
    [
        ("NVIDIA H200", "bfloat16", 989e12),
        ("NVIDIA H100 PCIe", "bfloat16", 756e12),
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989e12),
        ("NVIDIA A100-SXM4-40GB", "tf32", 156e12),
        ("Tesla T4", "bfloat16", None),
        ("Some other card", "float32", None),
    ],
)
def test_the_peak_is_that_of_the_card_and_the_dtype(
    name: str, dtype: str, peak: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert peak_flops(torch.device("cuda"), dtype) == peak


def test_memory_is_that_of_the_process_on_a_cpu() -> None:
    before = meter.peak_memory(torch.device("cpu"))
    held = bytearray(200_000_000)
    held[::4096] = b"x" * len(held[::4096])
    assert meter.peak_memory(torch.device("cpu")) >= max(before, 200_000_000)
