"""GPUs, their driver and the memory as doctor sees them."""

import pytest
from made_doctor import CARD, GIB, NO_CARD, TORCH, examined, findings, only

from lesionkit.doctor import device, probe


def test_without_a_gpu_nothing_is_wrong():
    section = examined(device.judge, *NO_CARD, TORCH)
    assert findings(section) == []
    assert section.facts["torch can use"] == "the CPU"
    assert "may be faster on this GPU" not in section.facts


def test_a_gpu_that_torch_uses_is_told_with_its_memory():
    gpu = {"name": "X", "bytes": 24 * GIB, "capability": "9.0"}
    torch = TORCH | {"available": True, "gpus": [gpu], "architectures": ["sm_75"]}
    section = examined(device.judge, *CARD, torch)
    assert findings(section) == []
    assert section.facts["torch can use"] == "X (24 GiB, capability 9.0)"
    assert section.facts["may be faster on this GPU"].startswith("-p graphed true: ")
    assert section.facts["GPUs"] == "NVIDIA X, 24576 MiB, 580.1"


def test_apples_gpu_is_told_with_the_parameter_that_takes_it():
    section = examined(device.judge, *NO_CARD, TORCH | {"mps": True})
    assert findings(section) == []
    told = "the GPU by Apple (MPS), with -p device mps; auto takes the CPU"
    assert section.facts["torch can use"] == told


def test_torch_without_cuda_beside_a_gpu_is_named():
    level, says = only(examined(device.judge, *CARD, TORCH | {"cuda": None}))
    assert level == "warning"
    assert says.startswith(
        "torch 2.15.0 cannot use the NVIDIA GPU, training uses the CPU: it is built"
        " without CUDA; "
    )


def test_what_torch_says_of_the_driver_is_told(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    torch = TORCH | {"said": ["The NVIDIA driver on your system is too old"]}
    level, says = only(examined(device.judge, *CARD, torch))
    assert level == "warning"
    assert says.endswith(
        "training uses the CPU: The NVIDIA driver on your system is too old"
    )


def test_a_variable_that_hides_the_gpus_is_named(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    _, says = only(examined(device.judge, *CARD, TORCH))
    assert says.endswith(": CUDA_VISIBLE_DEVICES='' hides the GPUs; unset it")


def test_a_gpu_too_old_for_torch_stops_the_demo():
    gpu = {"name": "K80", "bytes": 12 * GIB, "capability": "3.7"}
    torch = TORCH | {"available": True, "gpus": [gpu]}
    torch["architectures"] = ["sm_75", "sm_90a", "compute_120"]
    level, says = only(examined(device.judge, *CARD, torch))
    assert level == "stops"
    assert says.startswith(
        "K80 has capability 3.7, torch 2.15.0 is built for 7.5 and newer: train with"
        " -p device cpu"
    )


def test_a_driver_that_does_not_answer_is_named():
    failure = "Driver/library version mismatch"
    level, says = only(examined(device.judge, [], failure, TORCH))
    assert level == "warning"
    assert says.startswith("nvidia-smi: Driver/library version mismatch: ")


@pytest.mark.parametrize(
    ("printed", "status", "told", "found"),
    [
        ("NVIDIA X, 24576 MiB, 535.5", 0, "NVIDIA X, 24576 MiB, 535.5", []),
        ("version mismatch", 18, "none by NVIDIA", ["nvidia-smi: version mismatch"]),
        (None, 0, "none by NVIDIA", []),
    ],
)
def test_the_gpus_are_those_that_nvidia_smi_lists(
    monkeypatch, tmp_path, printed, status, told, found
):
    if printed:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\necho '{printed}'\nexit {status}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(device.software, "torch_facts", lambda: {"error": "none"})
    section = examined(device.gpus)
    assert section.facts == {"GPUs": told}
    assert [says.partition(": the ")[0] for _, says in findings(section)] == found


def test_little_free_memory_is_a_warning(monkeypatch):
    import psutil

    class Memory:
        total, available = 8 * GIB, GIB

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    level, says = only(examined(device.processor))
    assert (level, says[:31]) == ("warning", "1.0 GiB of memory are free: a t")


WAYS = ("float32 contiguous", "float32 channels_last", "bfloat16 contiguous")


def test_a_faster_number_format_is_told_with_its_parameters():
    seconds = dict(zip(WAYS, (0.3, 0.25, 0.1), strict=True))
    seconds["bfloat16 channels_last"] = 0.12
    facts = examined(device.compare, seconds).facts
    assert facts["training steps, as many times as fast"] == (
        "float32 contiguous 1.00, float32 channels_last 1.20, bfloat16 contiguous"
        " 3.00, bfloat16 channels_last 2.50"
    )
    says = facts["faster on this CPU"]
    assert says.startswith("-p dtype bfloat16, 3.0 times by two convolutions")
    assert "another run id" in says


@pytest.mark.parametrize(
    ("way", "given"),
    [
        ("float32 channels_last", "-p memory_format channels_last, 2.0"),
        ("bfloat16 channels_last", "-p dtype bfloat16 -p memory_format channels_last,"),
    ],
)
def test_both_parameters_are_named_where_both_are_faster(way, given):
    facts = examined(device.compare, {"float32 contiguous": 0.2, way: 0.1}).facts
    assert facts["faster on this CPU"].startswith(given)


def test_where_nothing_is_faster_nothing_is_advised():
    seconds = dict(zip(WAYS, (0.1, 0.09, 0.2), strict=True))
    facts = examined(device.compare, seconds).facts
    assert "faster on this CPU" not in facts
    assert "bfloat16 contiguous 0.50" in facts["training steps, as many times as fast"]
    assert examined(device.compare, {}).facts == {}


def test_a_step_is_timed_in_every_way():
    seconds = probe.step_seconds()
    assert set(seconds) == {*WAYS, "bfloat16 channels_last"}
    assert all(taken > 0 for taken in seconds.values())
