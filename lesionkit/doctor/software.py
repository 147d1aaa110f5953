"""Python, the packages beside the tested ones, torch, the kernel, and extras."""

from __future__ import annotations

import json
import platform
import re
import shlex
import sys
import sysconfig
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionkit.doctor.section import Section, answer, refused
from lesionkit.extras import CHECKOUT, PACKAGE, in_checkout, install, version
from lesionkit.lookup import one_line

if TYPE_CHECKING:
    from packaging.requirements import Requirement

IMPORT_SECONDS = 180.0  # torch from a cold network disk
KERNEL = "python3"  # what the notebooks ask for
OWN = "python -m ipykernel install --sys-prefix"
# Asked of another interpreter, which may be any version of Python.
QUESTION = "import importlib.util as u; print(u.find_spec('lesionkit') is not None)"
# What each extra gives, for a reader who does not know it.
EXTRAS = {
    "boundary": "Hausdorff 95 and normalised surface Dice",
    "ray": "sweeps on many machines: sweep --engine ray",
    "tensorboard": "curves of runs: -p track tensorboard",
    "mlflow": "a data base of runs: -p track mlflow",
    "bayes": "the Bayesian signed-rank test: rank --bayes",
    "ct": "masks of CT from DICOM SEG, RTSTRUCT, NIfTI; compressed DICOM",
    "hub": "a set of your own from Hugging Face's parquet files",
    "gs": "run records at gs://bucket/runs",
    "onnx": "models as ONNX: export --format onnx",
}


def python(section: Section) -> None:
    """The interpreter, the platform, and where the kit is."""
    from packaging.specifiers import SpecifierSet

    found, wanted = platform.python_version(), _stated()["requires-python"]
    section.facts["python"] = f"{found} ({sys.executable})"
    section.facts["platform"] = platform.platform()
    kit = "checkout" if in_checkout() else "installed"
    section.facts["lesionkit"] = f"{version()} ({kit}: {_home()})"
    if not SpecifierSet(wanted).contains(found, prereleases=True):
        section.stops(
            f"Python {found} is not {wanted}: uv python install 3.12, then uv sync"
        )
    if sys.dont_write_bytecode and not _compiled("torch"):
        section.warn(
            "PYTHONDONTWRITEBYTECODE is set, so every command compiles torch anew (some"
            " ten seconds): unset it, or once python -m compileall -q -j 0"
            f" {shlex.quote(sysconfig.get_path('purelib'))}"
        )


def _compiled(name: str) -> bool:
    """Whether a package was compiled before; true too if it is not here."""
    spec = find_spec(name)
    return spec is None or spec.cached is None or Path(spec.cached).is_file()


def packages(section: Section) -> None:
    """Each dependency beside its tested version; what is missing or too old."""
    from packaging.version import Version

    tested, other = tested_versions(), []
    for wanted in requirements():
        name, found = wanted.name, _version(wanted.name)
        pin = tested.get(name, "-")
        section.facts[name] = f"{found or 'missing'} (tested {pin})"
        if found is None or not wanted.specifier.contains(found, prereleases=True):
            section.stops(f"{name} {found or 'missing'}, needed is {wanted}: {again()}")
        elif pin != "-" and Version(found).public != pin:  # without +cpu
            other.append(f"{name} {found} for {pin}")
    if other:
        section.warn(
            f"other versions than the tested ones ({', '.join(other)}): results may"
            f" differ in their last bits; the tested ones: {again()}"
        )


def torch_pair(section: Section) -> None:
    """Whether torch and torchvision can be imported together."""
    facts = torch_facts()
    if "error" in facts:
        section.stops(f"import torch failed: {facts['error']}; {again()}")
        return
    vision = facts.get("torchvision") or _version("torchvision") or "-"
    pair = f"torch {facts['torch']} and torchvision {vision}"
    section.facts["pair"] = pair
    if error := facts.get("torchvision_error"):
        section.stops(
            f"{pair} are not a pair ({one_line(error, longest=120)}):"
            f" install both at once: {again()}"
        )


@cache
def torch_facts() -> dict[str, Any]:
    """What `probe` found in a process of its own, or the "error" that ended it."""
    probe = Path(__file__).with_name("probe.py")
    said, failure = answer([sys.executable, "-P", str(probe)], seconds=IMPORT_SECONDS)
    if failure:
        return {"error": one_line(failure, longest=200)}
    return json.loads(said.splitlines()[-1])


def runtime_folder(section: Section) -> None:
    """Whether Jupyter can write what a kernel needs to start."""
    from jupyter_core.paths import jupyter_runtime_dir

    folder = Path(jupyter_runtime_dir())
    section.facts["runtime folder"] = str(folder)
    if wrong := refused(next(p for p in (folder, *folder.parents) if p.exists())):
        section.stops(
            f"{wrong}: no kernel can start; name a folder that can be written: export"
            " JUPYTER_RUNTIME_DIR=/tmp/jupyter-$USER"
        )


def kernelspec(section: Section) -> None:
    """Which interpreter the kernel `python3` is."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import KernelManager
    from traitlets import TraitError

    spec = KernelSpecManager().find_kernel_specs()[KERNEL]
    section.facts[KERNEL] = spec
    way = f"{OWN}, and remove {spec} or export JUPYTER_PREFER_ENV_PATH=1"
    try:
        interpreter = KernelManager(kernel_name=KERNEL).format_kernel_cmd()[0]
    except (OSError, ValueError, TypeError, IndexError, TraitError):
        section.stops(f"{spec}: kernel.json cannot be read: {way}")
        return
    section.facts["interpreter"] = interpreter
    if is_this(interpreter):
        return
    said, failure = answer([interpreter, "-c", QUESTION])
    kernel = f"the kernel {KERNEL} of {spec} is another interpreter, {interpreter}"
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


def extras(section: Section) -> None:
    """The optional extras: which are here, and what each gives."""
    for name, gives in EXTRAS.items():
        lacking = [r for r in requirements(name) if _version(r.name) is None]
        section.facts[name] = f"{gives}: " + (install(name) if lacking else "installed")


def requirements(extra: str = "") -> list[Requirement]:
    """The kit's dependencies that hold here, or those that an extra adds to them."""
    from packaging.requirements import Requirement

    def asks(wanted: Requirement, name: str) -> bool:
        return wanted.marker is None or wanted.marker.evaluate({"extra": name})

    found = [Requirement(line) for line in _stated()["dependencies"]]
    return [w for w in found if asks(w, extra) and not (extra and asks(w, ""))]


def _stated() -> dict[str, Any]:
    """What the kit needs: the checkout's word, since what is installed may be older."""
    if not in_checkout():
        python = metadata.metadata("lesionkit")["Requires-Python"]
        needed = metadata.requires("lesionkit") or []
        return {"requires-python": python, "dependencies": needed}
    import tomllib

    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    for name, lines in project["optional-dependencies"].items():
        project["dependencies"] += [f'{line}; extra == "{name}"' for line in lines]
    return project


def again() -> str:
    """What installs the tested versions, typed in the checkout or anywhere."""
    if in_checkout():
        return "uv sync, or pip install --constraint constraints.txt --editable ."
    constraints = shlex.quote(str(_home() / "constraints.txt"))
    return f"pip install --constraint {constraints} lesionkit"


def _home() -> Path:
    """The folder with the constraints: the checkout, or the installed package."""
    return CHECKOUT if in_checkout() else PACKAGE


def tested_versions() -> dict[str, str]:
    """Package to the version everything was tested with; {} where none are stated."""
    stated = _home() / "constraints.txt"
    lines = stated.read_text().splitlines() if stated.is_file() else []
    pins = [line.partition(";")[0].partition("==") for line in lines]
    return {name.strip(): version.strip() for name, equals, version in pins if equals}


def _version(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
