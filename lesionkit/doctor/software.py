"""Python, the packages beside the tested ones, extras, and tools."""

from __future__ import annotations

import json
import platform
import re
import shlex
import shutil
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from lesionkit.doctor.section import Section, answer, one_line
from lesionkit.extras import CHECKOUT, PACKAGE, in_checkout, install, notebook_folder

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
    from packaging.requirements import Requirement

    tested, other = tested_versions(), []
    for line in requirements():
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        name, found = wanted.name, _version(wanted.name)
        pin = tested.get(name, "-")
        section.facts[name] = f"{found or 'missing'} (tested {pin})"
        if found is None:
            section.stops(f"{name} is not installed: {again()}")
        elif not wanted.specifier.contains(found, prereleases=True):
            section.stops(f"{name} {found} is not {wanted.specifier}: {again()}")
        elif pin != "-" and _public(found) != pin:
            other.append(f"{name} {found} for {pin}")
    if other:
        section.warn(
            f"other versions than the tested ones ({', '.join(other)}): results may"
            f" differ in their last bits; the tested ones: {again()}"
        )


def _public(found: str) -> str:
    """A version without its build, such as 2.15.0 of 2.15.0+cpu."""
    return found.partition("+")[0]


def torch_pair(section: Section) -> None:
    """Whether torch and torchvision can be imported together."""
    facts = torch_facts()
    if "error" in facts:
        section.stops(f"import torch failed: {facts['error']}; {again()}")
        return
    vision = facts.get("torchvision") or _version("torchvision") or "-"
    pair = f"torch {facts['torch']} and torchvision {vision}"
    section.facts["pair"] = pair
    if "torchvision_error" in facts:
        section.stops(
            f"{pair} are not a pair ({one_line(facts['torchvision_error'])[:120]}):"
            f" install both at once: {again()}"
        )


@cache
def torch_facts() -> dict[str, Any]:
    """What `probe` found in a process of its own, or the "error" that ended it."""
    probe = Path(__file__).with_name("probe.py")
    said, failure = answer([sys.executable, "-P", str(probe)], seconds=IMPORT_SECONDS)
    if failure:
        return {"error": one_line(failure)[:200]}
    return json.loads(said.splitlines()[-1])


def extras(section: Section) -> None:
    """The optional extras: which are here, and what each gives."""
    from packaging.requirements import Requirement

    for name, gives in EXTRAS.items():
        wanted = [Requirement(line) for line in requirements(name)]
        lacking = [r.name for r in wanted if _version(r.name) is None]
        section.facts[name] = f"{gives}: " + (install(name) if lacking else "installed")


def tools(section: Section) -> None:
    """Programs that are nice to have."""
    for name in ("git", "uv"):
        said = answer([name, "--version"], seconds=ANSWER_SECONDS)
        found = shutil.which(name)
        section.facts[name] = f"{one_line(said[0])} ({found})" if found else "-"


def requires_python() -> str:
    """The versions of Python that the kit takes."""
    if in_checkout():
        return _project()["requires-python"]
    return metadata.metadata("lesionkit")["Requires-Python"]


def requirements(extra: str = "") -> list[str]:
    """The kit's dependencies, or those of an extra, as pyproject.toml has them."""
    if in_checkout():  # what is installed may be an older one
        project = _project()
        optional = project["optional-dependencies"]
        return optional[extra] if extra else project["dependencies"]
    lines = metadata.requires("lesionkit") or []
    mark = re.compile(r"""\bextra\s*==\s*["']([\w-]+)["']""")
    marked = [(line, mark.search(line)) for line in lines]
    found = [(line, match[1] if match else "") for line, match in marked]
    return [
        line.partition(";")[0] if extra else line for line, e in found if e == extra
    ]


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
    folder = CHECKOUT if in_checkout() else PACKAGE
    return folder / "constraints.txt"


def tested_versions() -> dict[str, str]:
    """Package to the version everything was tested with; {} where none are stated."""
    if not _constraints().is_file():
        return {}
    lines = _constraints().read_text().splitlines()
    pins = [line.partition(";")[0].partition("==") for line in lines]
    return {name.strip(): version.strip() for name, equals, version in pins if equals}


def _version(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
