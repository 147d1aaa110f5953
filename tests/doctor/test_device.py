"""GPUs, their driver and the memory as doctor sees them."""

from made_doctor import CARD, GIB, NO_CARD, TORCH, examined, findings, only

from lesionkit.doctor import device


def test_without_a_gpu_nothing_is_wrong():
    section = examined(device.judge, NO_CARD, TORCH)
    assert findings(section) == []
    assert section.facts["torch can use"] == "the CPU"


def test_a_gpu_that_torch_uses_is_told_with_its_memory():
    gpu = {"name": "X", "bytes": 24 * GIB, "capability": [9, 0]}
    torch = TORCH | {"available": True, "gpus": [gpu], "architectures": ["sm_75"]}
    section = examined(device.judge, CARD, torch)
    assert findings(section) == []
    assert section.facts["torch can use"] == "X (24 GiB, capability 9.0)"
    assert section.facts["driver"] == "580.1, CUDA up to 13.4"


def test_torch_without_cuda_beside_a_gpu_is_named():
    level, says = only(examined(device.judge, CARD, TORCH | {"cuda": None}))
    assert level == "warning"
    assert says.startswith("torch 2.15.0 is built without CUDA beside an NVIDIA GPU: ")


def test_a_driver_older_than_the_cuda_of_torch_is_named():
    old = CARD | {"Driver": "535.5", "CUDA": "12.2"}
    level, says = only(examined(device.judge, old, TORCH))
    assert level == "warning"
    assert says.startswith(
        "the NVIDIA driver 535.5 is too old: it runs CUDA up to 12.2, torch 2.15.0 is"
        " built for CUDA 13.2; "
    )
    assert "or torch is one for CUDA 12 (" in says


def test_a_driver_of_the_same_cuda_major_is_not_called_old(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    torch = TORCH | {"said": ["something else"]}
    _, says = only(examined(device.judge, CARD | {"CUDA": "13.0"}, torch))
    assert says.endswith("training uses the CPU: something else")


def test_a_variable_that_hides_the_gpus_is_named(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    _, says = only(examined(device.judge, CARD, TORCH))
    assert says.startswith("CUDA_VISIBLE_DEVICES='' hides the GPUs: ")


def test_a_gpu_too_old_for_torch_stops_the_demo():
    gpu = {"name": "K80", "bytes": 12 * GIB, "capability": [3, 7]}
    torch = TORCH | {"available": True, "gpus": [gpu]}
    torch["architectures"] = ["sm_75", "sm_90a", "compute_120"]
    level, says = only(examined(device.judge, CARD, torch))
    assert level == "stops"
    assert says.startswith(
        "K80 has capability 3.7, torch 2.15.0 is built for 7.5 and newer: train with"
        " -p device cpu"
    )


def test_a_driver_that_does_not_answer_is_named():
    failed = {"gpus": [], "failure": "Driver/library version mismatch"}
    level, says = only(examined(device.judge, failed, TORCH))
    assert level == "warning"
    assert says.startswith("nvidia-smi: Driver/library version mismatch: ")


NVIDIA_SMI = """#!/bin/sh
case "$1" in
  --query*) echo "NVIDIA X, 24576 MiB" ;;
  *) echo "| NVIDIA-SMI 535.5   Driver Version: 535.54.03    CUDA Version: 12.2  |" ;;
esac
"""


def test_driver_and_its_cuda_are_read_from_nvidia_smi(monkeypatch, tmp_path):
    (tmp_path / "nvidia-smi").write_text(NVIDIA_SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert device.driver_facts() == {
        "gpus": ["NVIDIA X, 24576 MiB"],
        "failure": "",
        "Driver": "535.54.03",
        "CUDA": "12.2",
    }


def test_little_free_memory_is_a_warning(monkeypatch):
    import psutil

    class Memory:
        total, available = 8 * GIB, GIB

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    level, says = only(examined(device.processor))
    assert (level, says[:31]) == ("warning", "1.0 GiB of memory are free: a t")
