"""Packages, torch and its partner as doctor sees them, each as made for the test."""

import importlib
import importlib.machinery
import shlex
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from made_doctor import NO_CARD, TORCH, examined, findings, only
from packaging.requirements import Requirement

from lesionkit.doctor import device, software
from lesionkit.doctor.section import answer
from lesionkit.extras import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())


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
    monkeypatch.setattr(metadata, "metadata", lambda name: {"Requires-Python": ""})
    found = {
        extra: [f"{wanted.name}{wanted.specifier}" for wanted in wants]
        for extra in ("", "boundary", "ray")
        if (wants := software.requirements(extra))
    }
    assert found == {"": ["torch>=2.10"], "boundary": ["monai>=1.5"], "ray": ["ray"]}


def test_a_checkout_reads_its_project_file():
    for extra, lines in PROJECT["project"]["optional-dependencies"].items():
        wanted = [Requirement(line) for line in lines]
        found = software.requirements(extra)
        assert [(r.name, r.specifier) for r in found] == [
            (r.name, r.specifier) for r in wanted
        ]
    named = [Requirement(line).name for line in PROJECT["project"]["dependencies"]]
    assert [wanted.name for wanted in software.requirements()] == named


@pytest.fixture
def installed(monkeypatch):
    """Says which packages are wanted, installed and tested."""

    def as_given(wanted, there, tested):
        required = [Requirement(line) for line in wanted]
        monkeypatch.setattr(software, "requirements", lambda extra="": required)
        monkeypatch.setattr(software, "_version", there.get)
        monkeypatch.setattr(software, "tested_versions", lambda: tested)

    return as_given


def test_a_package_that_is_missing_or_too_old_stops_the_demo(installed):
    installed(["a>=2", "b>=2", "c>=2"], {"a": "1.9", "c": "2.0"}, {"c": "2.0"})
    section = examined(software.packages)
    assert findings(section) == [
        ("stops", f"a 1.9, needed is a>=2: {software.again()}"),
        ("stops", f"b missing, needed is b>=2: {software.again()}"),
    ]
    assert section.facts["b"] == "missing (tested -)"
    assert section.facts["c"] == "2.0 (tested 2.0)"


def test_the_way_to_the_tested_versions_is_one_for_where_the_kit_is(monkeypatch):
    assert "--editable ." in software.again()
    monkeypatch.setattr(software, "in_checkout", lambda: False)
    words = shlex.split(software.again())
    assert words[:3] == ["pip", "install", "--constraint"]
    assert Path(words[3]) == Path(software.__file__).parents[1] / "constraints.txt"
    assert words[4:] == ["lesionkit"]


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


@pytest.mark.parametrize("kept", [False, True])
def test_a_python_that_keeps_no_compiled_code_is_told_of(monkeypatch, tmp_path, kept):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    cached = tmp_path / "torch.pyc"
    if kept:
        cached.touch()
    torch = importlib.machinery.ModuleSpec("torch", None)
    torch.cached = str(cached)
    monkeypatch.setattr(software, "find_spec", lambda name: torch)
    warned = findings(examined(software.python))
    says = "PYTHONDONTWRITEBYTECODE is set, so every command compiles torch anew"
    assert [says in line for _, line in warned] == [True] * (not kept)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert findings(examined(software.python)) == []


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
    assert findings(examined(device.judge, *NO_CARD, {"error": "no libcudart"})) == []


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
__version__, version = "2.15.0", SimpleNamespace(cuda="13.2")
def get_num_threads():
    return 3
def _available():
    warnings.warn("The NVIDIA driver is too old")
    return False
cuda = SimpleNamespace(is_available=_available)
backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False))
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
    assert facts["mps"] is False
    assert facts["torchvision_error"] == "RuntimeError: nms"
    assert (facts["cuda"], facts["threads"], facts["available"]) == ("13.2", 3, False)


def test_a_program_that_dies_hangs_or_is_not_there_is_a_reason_not_an_error():
    python = [sys.executable, "-S", "-c"]
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    assert answer([*python, kill], seconds=20) == ("", "exit status -11")
    assert answer([*python, "input(); print(1)"], seconds=20)[1].startswith("EOFError")
    wait = "import time; time.sleep(60)"
    assert answer([*python, wait], seconds=0.2)[1] == "no answer within 0.2 seconds"
    assert answer(["no-such-program"], seconds=1) == ("", "No such file or directory")


def test_extras_say_what_they_give_and_how_to_get_them(installed):
    installed(["one", "two>=1"], {"one": "1"}, {})
    said = examined(software.extras).facts["ct"]
    assert said.endswith("uv sync --extra ct, or pip install --editable '.[ct]'")
    installed(["one"], {"one": "1"}, {})
    assert examined(software.extras).facts["ct"].endswith(": installed")


def test_the_modules_of_doctor_import_no_library_that_may_be_broken(monkeypatch):
    for name in ("torch", "pandas", "numpy", "packaging", "psutil", "jupyter_client"):
        monkeypatch.setitem(sys.modules, name, None)
    for module in (software, device):
        importlib.reload(module)
