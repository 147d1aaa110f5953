"""GPUs, their driver and the memory as doctor sees them."""

import pytest
from made_doctor import CARD, GIB, NO_CARD, TORCH, examined, findings, only

from lesionkit.doctor import device


def test_without_a_gpu_nothing_is_wrong():
    section = examined(device.judge, *NO_CARD, TORCH)
    assert findings(section) == []
    assert section.facts["torch can use"] == "the CPU"


def test_a_gpu_that_torch_uses_is_told_with_its_memory():
    gpu = {"name": "X", "bytes": 24 * GIB, "capability": "9.0"}
    torch = TORCH | {"available": True, "gpus": [gpu], "architectures": ["sm_75"]}
    section = examined(device.judge, *CARD, torch)
    assert findings(section) == []
    assert section.facts["torch can use"] == "X (24 GiB, capability 9.0)"
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
