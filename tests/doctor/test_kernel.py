"""Kernels of notebooks as doctor sees them."""

import json
import sys

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from made_doctor import examined, findings, only
from made_doctor import no_kernel as no_kernel

from lesionkit.doctor import software


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
    section = examined(software.kernelspec)
    assert findings(section) == []
    assert section.facts["python3"] == str(folder)
    assert section.facts["interpreter"] == sys.executable


def test_a_kernel_that_shadows_ours_and_lacks_lesionkit_stops_the_demo(spec, tmp_path):
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho False\n")
    other.chmod(0o755)
    folder = spec(argv(other))
    level, says = only(examined(software.kernelspec))
    assert level == "stops"
    assert says == (
        f"the kernel python3 of {folder} is another interpreter, {other}, which has no"
        f" lesionkit: {software.OWN}, and remove {folder} or export"
        " JUPYTER_PREFER_ENV_PATH=1"
    )


def test_a_kernel_of_another_environment_with_lesionkit_is_a_warning(spec, tmp_path):
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho True\n")
    other.chmod(0o755)
    spec(argv(other))
    level, says = only(examined(software.kernelspec))
    assert level == "warning"
    assert f"is another interpreter, {other}: notebooks run there" in says


def test_a_kernel_whose_interpreter_is_gone_stops_the_demo(spec, tmp_path):
    spec(argv(tmp_path / "gone" / "python"))
    level, says = only(examined(software.kernelspec))
    assert level == "stops"
    assert "which does not start (No such file or directory): " in says


@pytest.mark.parametrize("text", ["{", "[]", '{"argv": []}', "{}"])
def test_a_kernelspec_that_cannot_be_read_stops_the_demo(spec, text):
    folder = spec(text)
    level, says = only(examined(software.kernelspec))
    assert level == "stops"
    assert says.startswith(f"{folder}: kernel.json cannot be read: ")


def test_no_kernelspec_on_disk_is_this_interpreter(monkeypatch):
    monkeypatch.setattr(KernelSpecManager, "_kernel_dirs_default", lambda self: [])
    section = examined(software.kernelspec)
    assert (findings(section), section.facts["interpreter"]) == ([], sys.executable)


def test_python_beside_ours_in_one_folder_is_ours_and_a_link_elsewhere_is_not(
    monkeypatch,
):
    monkeypatch.setattr(sys, "executable", "/env/bin/python")
    assert software.is_this("/env/bin/python3.11")
    assert not software.is_this("/env/bin/pypy")
    assert not software.is_this("/other/bin/python")


def test_a_runtime_folder_that_cannot_be_made_stops_the_demo(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "runtime"))
    level, says = only(examined(software.runtime_folder))
    assert level == "stops"
    assert "no kernel can start; name a folder that can be written: export" in says
