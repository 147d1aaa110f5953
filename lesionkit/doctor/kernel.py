"""The kernel that a notebook gets, and whether it has lesionkit."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from lesionkit.doctor.section import Section, answer

ANSWER_SECONDS = 60.0
NAME = "python3"  # what the notebooks ask for
OWN = "python -m ipykernel install --sys-prefix"
# Asked of another interpreter, which may be any version of Python.
QUESTION = "import importlib.util as u; print(u.find_spec('lesionkit') is not None)"


def ipykernel(section: Section) -> None:
    """Whether a kernel can run in this interpreter, and where Jupyter writes."""
    from jupyter_core.paths import jupyter_runtime_dir

    there = find_spec("ipykernel") is not None
    section.facts["ipykernel"] = "importable" if there else "missing"
    if not there:
        section.stops(f"ipykernel cannot be imported by {sys.executable}: uv sync")
    folder = Path(jupyter_runtime_dir())
    section.facts["runtime folder"] = str(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        section.stops(
            f"{folder}: {error.strerror}: no kernel can start; name a folder that can"
            " be written: export JUPYTER_RUNTIME_DIR=/tmp/jupyter-$USER"
        )


def kernelspec(section: Section) -> None:
    """Which interpreter the kernel `python3` is, and what lies behind it."""
    from jupyter_client.manager import KernelManager
    from traitlets import TraitError

    specs = found_specs()
    if not specs:
        section.facts[NAME] = "none on disk: Jupyter takes this interpreter"
        return
    first = specs[0]
    section.facts[NAME] = str(first)
    if hidden := [str(path) for path in specs[1:]]:
        section.facts["hidden by it"] = ", ".join(hidden)
    try:
        interpreter = KernelManager(kernel_name=NAME).format_kernel_cmd()[0]
    except (OSError, ValueError, TypeError, IndexError, TraitError):
        section.stops(f"{first / 'kernel.json'} cannot be read: {_remove(first)}")
        return
    section.facts["interpreter"] = interpreter
    if wrong := problem(interpreter):
        section.stops(f"the kernel {NAME} of {first} {wrong}; {_remove(first)}")
    elif _outside(first) and not _same(interpreter):
        section.warn(
            f"the kernel {NAME} of {first} is another interpreter, {interpreter}:"
            f" notebooks run there, commands here; {_remove(first)}"
        )


def found_specs() -> list[Path]:
    """Folders with a kernel of this name, in the order in which Jupyter looks."""
    from jupyter_client.kernelspec import KernelSpecManager

    folders = [Path(root) / NAME for root in KernelSpecManager().kernel_dirs]
    return [folder for folder in folders if (folder / "kernel.json").is_file()]


def problem(interpreter: str) -> str:
    """Why a kernel cannot run the notebooks; "" if it can."""
    if _same(interpreter):
        return ""
    # elsewhere than in a checkout, whose folder would count as installed
    said, failure = answer(
        [interpreter, "-c", QUESTION], seconds=ANSWER_SECONDS, cwd=tempfile.gettempdir()
    )
    if failure:
        return f"names {interpreter}, which does not start ({failure})"
    if said.strip() != "True":
        return f"runs {interpreter}, which has no lesionkit"
    return ""


def _same(interpreter: str) -> bool:
    """Whether it is this interpreter, by any name it has in its environment."""
    # not resolved: every environment's python links to the same file
    mine, other = Path(sys.executable), Path(interpreter)
    alike = re.fullmatch(r"python[\d.]*(\.exe)?", other.name) is not None
    return other == mine or (alike and other.parent == mine.parent)


def _outside(spec: Path) -> bool:
    """Whether a kernelspec lies outside this environment."""
    return not spec.is_relative_to(Path(sys.prefix))


def _remove(spec: Path) -> str:
    """The way out of a kernelspec that is wrong."""
    if not _outside(spec):
        return f"write it again: {OWN}"
    way = f"{OWN}, and remove {spec}"
    if os.environ.get("JUPYTER_PREFER_ENV_PATH") != "1":
        way += " or export JUPYTER_PREFER_ENV_PATH=1"
    return way
