"""The kernel that a notebook gets, and whether it has lesionkit."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

from lesionkit.doctor.section import Section, answer, refused

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
    made = next(p for p in (folder, *folder.parents) if p.exists())
    if wrong := refused(made):
        section.stops(
            f"{wrong}: no kernel can start; name a folder that can be written: export"
            " JUPYTER_RUNTIME_DIR=/tmp/jupyter-$USER"
        )


def kernelspec(section: Section) -> None:
    """Which interpreter the kernel `python3` is."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import KernelManager
    from traitlets import TraitError

    spec = KernelSpecManager().find_kernel_specs()[NAME]
    section.facts[NAME] = spec
    way = f"{OWN}, and remove {spec} or export JUPYTER_PREFER_ENV_PATH=1"
    try:
        interpreter = KernelManager(kernel_name=NAME).format_kernel_cmd()[0]
    except (OSError, ValueError, TypeError, IndexError, TraitError):
        section.stops(f"{spec}: kernel.json cannot be read: {way}")
        return
    section.facts["interpreter"] = interpreter
    if is_this(interpreter):
        return
    said, failure = answer([interpreter, "-c", QUESTION])
    kernel = f"the kernel {NAME} of {spec} is another interpreter, {interpreter}"
    if failure:
        section.stops(f"{kernel}, which does not start ({failure}): {way}")
    elif said.strip() != "True":
        section.stops(f"{kernel}, which has no lesionkit: {way}")
    else:
        section.warn(f"{kernel}: notebooks run there, commands here; {way}")


def is_this(interpreter: str) -> bool:
    """Whether it is this interpreter, by any name it has in its environment."""
    # not resolved: every environment's python links to the same file
    mine, other = Path(sys.executable), Path(interpreter)
    alike = re.fullmatch(r"python[\d.]*(\.exe)?", other.name) is not None
    return other == mine or (alike and other.parent == mine.parent)
