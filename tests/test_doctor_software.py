"""Packages, torch and its partner, GPUs and kernels, each as made for the test."""

import importlib
import json
import sys
import tomllib
from importlib import metadata

import pytest

from lesionkit.config import CHECKOUT
from lesionkit.doctor import device, kernel, software
from lesionkit.doctor.section import Section, answer

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
GIB = 1 << 30
TORCH = {
    "torch": "2.15.0",
    "cuda": "13.2",
    "hip": None,
    "threads": 2,
    "available": False,
    "gpus": [],
    "architectures": [],
    "said": [],
    "torchvision": "0.29.2",
}
CARD = {"gpus": ["NVIDIA X, 24 GiB"], "failure": "", "Driver": "580.1", "CUDA": "13.4"}
NO_CARD = {"gpus": [], "failure": ""}


def examined(check, *given):
    """The section that a check fills."""
    section = Section("made")
    check(section, *given)
    return section


def findings(section):
    """Level and line of each finding."""
    return [(finding.level, finding.says) for finding in section.findings]


def only(section):
    """The only finding there is."""
    ((level, says),) = findings(section)
    return level, says


def test_the_extras_that_are_explained_are_those_of_the_project():
    assert set(software.EXTRAS) == set(PROJECT["project"]["optional-dependencies"])


def test_the_wheel_carries_the_tested_versions():
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"]["constraints.txt"] == "lesionkit/constraints.txt"


def test_tested_versions_are_those_of_the_constraints_without_their_markers():
    pins = [
        line.split("==") for line in PROJECT["tool"]["uv"]["constraint-dependencies"]
    ]
    tested = software.tested_versions()
    assert {name: tested.get(name) for name, _ in pins if name != "kornia"} == {
        name: version for name, version in pins if name != "kornia"
    }
    assert [version for version in tested.values() if ";" in version] == []


def test_an_installed_kit_reads_its_own_metadata(monkeypatch):
    monkeypatch.setattr(software, "in_checkout", lambda: False)
    lines = ["torch>=2.10", "monai>=1.5; extra == 'boundary'", 'ray; extra == "ray"']
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    assert software.requirements() == ["torch>=2.10"]
    assert software.requirements("boundary") == ["monai>=1.5"]
    assert software.requirements("ray") == ["ray"]


@pytest.fixture
def installed(monkeypatch):
    """Says which packages are wanted, installed and tested."""

    def as_given(wanted, there, tested):
        monkeypatch.setattr(software, "requirements", lambda extra="": wanted)
        monkeypatch.setattr(software, "_version", there.get)
        monkeypatch.setattr(software, "tested_versions", lambda: tested)

    return as_given


def test_a_package_that_is_missing_or_too_old_stops_the_demo(installed):
    installed(["a>=2", "b>=2", "c>=2"], {"a": "1.9", "c": "2.0"}, {"c": "2.0"})
    section = examined(software.packages)
    assert findings(section) == [
        ("stops", f"a 1.9 is not >=2: {software.AGAIN}"),
        ("stops", f"b is not installed: {software.AGAIN}"),
    ]
    assert section.facts["b"] == "missing (tested -)"
    assert section.facts["c"] == "2.0 (tested 2.0)"


def test_another_version_than_the_tested_one_is_a_warning(installed):
    installed(["a", "b"], {"a": "2.1", "b": "2.0+cpu"}, {"a": "2.0", "b": "2.0"})
    level, says = only(examined(software.packages))
    assert level == "warning"
    assert says.startswith("other versions than the tested ones (a 2.1 for 2.0): ")


def test_an_old_python_stops_the_demo(monkeypatch):
    monkeypatch.setattr(software.platform, "python_version", lambda: "3.11.2")
    level, says = only(examined(software.python))
    assert level == "stops"
    assert says.startswith("Python 3.11.2 is not >=3.11.4: uv python install")


def test_a_kit_without_notebooks_stops_the_demo(monkeypatch, tmp_path):
    monkeypatch.setattr(software, "notebook_folder", lambda: tmp_path)
    assert only(examined(software.python)) == (
        "stops",
        f"no notebooks in {tmp_path}: install the kit again",
    )


def test_torch_and_torchvision_that_do_not_fit_stop_the_demo(monkeypatch):
    facts = TORCH | {"torchvision_error": "RuntimeError: operator\nnms"}
    del facts["torchvision"]
    monkeypatch.setattr(software, "torch_facts", lambda: facts)
    monkeypatch.setattr(software, "_version", lambda name: "0.20.0")
    level, says = only(examined(software.torch_pair))
    assert level == "stops"
    assert says.startswith(
        "torch 2.15.0 and torchvision 0.20.0 are not a pair (RuntimeError: operator"
    )


def test_a_torch_that_cannot_be_imported_stops_the_demo_and_only_once(monkeypatch):
    monkeypatch.setattr(software, "torch_facts", lambda: {"error": "no libcudart"})
    level, says = only(examined(software.torch_pair))
    assert level == "stops"
    assert says.startswith("import torch failed: no libcudart; ")
    assert findings(examined(device.judge, NO_CARD, {"error": "no libcudart"})) == []


def test_the_probe_ends_in_one_line_when_torch_is_broken(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no libcudart')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    software.torch_facts.cache_clear()
    try:
        assert software.torch_facts() == {"error": "ImportError: no libcudart"}
    finally:
        software.torch_facts.cache_clear()


FAKE_TORCH = """
from types import SimpleNamespace
import warnings
__version__, version = "2.15.0", SimpleNamespace(cuda="13.2", hip=None)
def get_num_threads():
    return 3
def _available():
    warnings.warn("The NVIDIA driver is too old")
    return False
cuda = SimpleNamespace(is_available=_available)
"""


def test_the_probe_tells_what_torch_warned_of_and_why_its_partner_fails(
    monkeypatch, tmp_path
):
    (tmp_path / "torch.py").write_text(FAKE_TORCH)
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('nms')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    software.torch_facts.cache_clear()
    facts = software.torch_facts()
    software.torch_facts.cache_clear()
    assert facts["said"] == ["The NVIDIA driver is too old"]
    assert facts["torchvision_error"] == "RuntimeError: nms"
    assert (facts["cuda"], facts["threads"], facts["available"]) == ("13.2", 3, False)


def test_a_program_that_dies_hangs_or_is_not_there_is_a_reason_not_an_error():
    python = [sys.executable, "-S", "-c"]
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    assert answer([*python, kill], seconds=20) == ("", "ended by signal 11")
    assert answer([*python, "input(); print(1)"], seconds=20)[1].startswith("EOFError")
    wait = "import time; time.sleep(60)"
    assert answer([*python, wait], seconds=0.2)[1] == "no answer within 0.2 seconds"
    assert answer(["no-such-program"], seconds=1) == ("", "No such file or directory")


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


# Kernels


@pytest.fixture
def spec(monkeypatch, tmp_path):
    """Puts a user-level kernelspec `python3` before all others."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.delenv("JUPYTER_PREFER_ENV_PATH", raising=False)

    def write(text):
        folder = tmp_path / "kernels" / "python3"
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(text)
        return folder

    return write


def argv(interpreter):
    """A kernel.json that starts this interpreter."""
    return json.dumps({"argv": [str(interpreter), "-m", "ipykernel_launcher"]})


def test_a_kernel_with_a_bare_python_is_this_interpreter(spec):
    folder = spec(argv("python"))
    section = examined(kernel.kernelspec)
    assert findings(section) == []
    assert section.facts["python3"] == str(folder)
    assert section.facts["interpreter"] == sys.executable


def test_a_kernel_that_shadows_ours_and_lacks_lesionkit_stops_the_demo(spec, tmp_path):
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho False\n")
    other.chmod(0o755)
    folder = spec(argv(other))
    level, says = only(examined(kernel.kernelspec))
    assert level == "stops"
    assert says == (
        f"the kernel python3 of {folder} runs {other}, which has no lesionkit;"
        f" {kernel.OWN}, and remove {folder} or export JUPYTER_PREFER_ENV_PATH=1"
    )


def test_a_kernel_of_another_environment_with_lesionkit_is_a_warning(spec, tmp_path):
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho True\n")
    other.chmod(0o755)
    spec(argv(other))
    level, says = only(examined(kernel.kernelspec))
    assert level == "warning"
    assert f"is another interpreter, {other}: notebooks run there" in says


def test_a_kernel_whose_interpreter_is_gone_stops_the_demo(spec, tmp_path):
    spec(argv(tmp_path / "gone" / "python"))
    level, says = only(examined(kernel.kernelspec))
    assert level == "stops"
    assert "which does not start (No such file or directory); " in says


@pytest.mark.parametrize("text", ["{", "[]", '{"argv": []}', "{}"])
def test_a_kernelspec_that_cannot_be_read_stops_the_demo(spec, text):
    folder = spec(text)
    level, says = only(examined(kernel.kernelspec))
    assert level == "stops"
    assert says.startswith(f"{folder / 'kernel.json'} cannot be read: ")


def test_no_kernelspec_on_disk_is_this_interpreter(monkeypatch):
    monkeypatch.setattr(kernel, "found_specs", list)
    section = examined(kernel.kernelspec)
    assert (findings(section), section.facts["python3"][:12]) == ([], "none on disk")


def test_python_beside_ours_in_one_folder_is_ours_and_a_link_elsewhere_is_not(
    monkeypatch,
):
    monkeypatch.setattr(sys, "executable", "/env/bin/python")
    assert kernel._same("/env/bin/python3.11")
    assert not kernel._same("/env/bin/pypy")
    assert not kernel._same("/other/bin/python")


def test_a_missing_ipykernel_stops_the_demo(monkeypatch):
    monkeypatch.setattr(kernel, "find_spec", lambda name: None)
    level, says = only(examined(kernel.ipykernel))
    assert (level, says[:28]) == ("stops", "ipykernel cannot be imported")


def test_a_runtime_folder_that_cannot_be_made_stops_the_demo(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "runtime"))
    level, says = only(examined(kernel.ipykernel))
    assert level == "stops"
    assert "no kernel can start; name a folder that can be written: export" in says


def test_extras_say_what_they_give_and_how_to_get_them(installed):
    installed(["one", "two>=1"], {"one": "1"}, {})
    said = examined(software.extras).facts["ct"]
    assert said.endswith("uv sync --extra ct, or pip install --editable '.[ct]'")
    installed(["one"], {"one": "1"}, {})
    assert examined(software.extras).facts["ct"].endswith(": installed")


def test_a_tool_that_is_not_there_is_a_dash(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    section = examined(software.tools)
    assert (section.facts, findings(section)) == ({"git": "-", "uv": "-"}, [])


def test_the_modules_of_doctor_import_no_library_that_may_be_broken(monkeypatch):
    for name in ("torch", "pandas", "numpy", "packaging", "psutil", "jupyter_client"):
        monkeypatch.setitem(sys.modules, name, None)
    for module in (software, device, kernel):
        importlib.reload(module)
