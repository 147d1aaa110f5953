"""Python, the packages beside the tested ones, extras, and tools."""

from __future__ import annotations

import json
import platform
import shlex
import shutil
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionkit.doctor.section import Section, answer
from lesionkit.extras import CHECKOUT, PACKAGE, in_checkout, install, notebook_folder
from lesionkit.lookup import one_line

if TYPE_CHECKING:
    from packaging.requirements import Requirement

IMPORT_SECONDS = 180.0  # torch from a cold network disk
ANSWER_SECONDS = 20.0
# What each extra gives, for a reader who does not know it.
EXTRAS = {
    "boundary": "Hausdorff 95 and normalised surface Dice",
    "ray": "sweeps on many machines: sweep --engine ray",
    "tensorboard": "curves of runs: -p track tensorboard",
    "mlflow": "a data base of runs: -p track mlflow",
    "bayes": "the Bayesian signed-rank test: rank --bayes",
    "ct": "masks of CT from DICOM SEG, RTSTRUCT, NIfTI; compressed DICOM",
    "gs": "run records at gs://bucket/runs",
    "onnx": "models as ONNX: export --format onnx",
}


def python(section: Section) -> None:
    """The interpreter, the platform, and where the kit is."""
    from packaging.specifiers import SpecifierSet

    found, wanted = platform.python_version(), requires_python()
    section.facts["python"] = f"{found} ({sys.executable})"
    section.facts["platform"] = platform.platform()
    kit = "checkout" if in_checkout() else "installed"
    section.facts["lesionkit"] = f"{_version('lesionkit') or '-'} ({kit}: {_home()})"
    if not SpecifierSet(wanted).contains(found, prereleases=True):
        section.stops(
            f"Python {found} is not {wanted}: uv python install 3.12, then uv sync"
        )
    if not (notebook_folder() / "03_train.ipynb").is_file():
        section.stops(f"no notebooks in {notebook_folder()}: install the kit again")


def _home() -> Path:
    """The folder that the package is imported from."""
    return CHECKOUT if in_checkout() else PACKAGE


def packages(section: Section) -> None:
    """Each dependency beside its tested version; what is missing or too old."""
    from packaging.version import Version

    tested, other = tested_versions(), []
    for wanted in requirements():
        name, found = wanted.name, _version(wanted.name)
        pin = tested.get(name, "-")
        section.facts[name] = f"{found or 'missing'} (tested {pin})"
        if found is None:
            section.stops(f"{name} is not installed: {again()}")
        elif not wanted.specifier.contains(found, prereleases=True):
            section.stops(f"{name} {found} is not {wanted.specifier}: {again()}")
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


def extras(section: Section) -> None:
    """The optional extras: which are here, and what each gives."""
    for name, gives in EXTRAS.items():
        lacking = [r for r in requirements(name) if _version(r.name) is None]
        section.facts[name] = f"{gives}: " + (install(name) if lacking else "installed")


def tools(section: Section) -> None:
    """Programs that are nice to have."""
    for name in ("git", "uv"):
        said = answer([name, "--version"], seconds=ANSWER_SECONDS)
        found = shutil.which(name)
        section.facts[name] = f"{said[0].strip()} ({found})" if found else "-"


def requires_python() -> str:
    """The versions of Python that the kit takes."""
    if in_checkout():
        return _project()["requires-python"]
    return metadata.metadata("lesionkit")["Requires-Python"]


def requirements(extra: str = "") -> list[Requirement]:
    """The kit's dependencies that hold here, or those that an extra adds to them."""
    from packaging.requirements import Requirement

    def asks(wanted: Requirement, name: str) -> bool:
        return wanted.marker is None or wanted.marker.evaluate({"extra": name})

    found = [Requirement(line) for line in _stated()]
    ours = [wanted for wanted in found if asks(wanted, extra)]
    return [wanted for wanted in ours if not (extra and asks(wanted, ""))]


def _stated() -> list[str]:
    """Every dependency, those of an extra with its name as a marker."""
    if not in_checkout():
        return metadata.requires("lesionkit") or []
    project = _project()  # what is installed may be an older one
    extras = project["optional-dependencies"].items()
    of_extras = [
        f'{line}; extra == "{name}"' for name, lines in extras for line in lines
    ]
    return project["dependencies"] + of_extras


def _project() -> dict[str, Any]:
    """The project table of the checkout."""
    import tomllib

    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


def again() -> str:
    """What installs the tested versions, typed in the checkout or anywhere."""
    if in_checkout():
        return "uv sync, or pip install --constraint constraints.txt --editable ."
    return f"pip install --constraint {shlex.quote(str(_constraints()))} lesionkit"


def _constraints() -> Path:
    """The file of tested versions: the checkout's, or the copy in the package."""
    return _home() / "constraints.txt"


def tested_versions() -> dict[str, str]:
    """Package to the version everything was tested with; {} where none are stated."""
    there = _constraints().is_file()
    lines = _constraints().read_text().splitlines() if there else []
    pins = [line.partition(";")[0].partition("==") for line in lines]
    return {name.strip(): version.strip() for name, equals, version in pins if equals}


def _version(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
