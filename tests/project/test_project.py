"""The project's own files agree with each other."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from lesionkit.catalogue import DATASETS, MODELS

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
DIRECT = [Requirement(line) for line in PROJECT["dependencies"]]
PINS = [
    Requirement(line) for line in PYPROJECT["tool"]["uv"]["constraint-dependencies"]
]


def constraints() -> dict[str, str]:
    """Package to exact version, as constraints.txt has them."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split(";")[0].strip().split("==") for line in lines if "==" in line]
    return {name.strip(): version.strip() for name, version in pins}


def test_constraints_pin_every_dependency_within_its_limits() -> None:
    pins = constraints()
    assert [r for r in DIRECT if not r.specifier.contains(pins[r.name])] == []


def test_constraints_have_the_versions_that_uv_obeys() -> None:
    exact = constraints()
    wanted = {pin.name: str(pin.specifier) for pin in PINS}
    assert wanted == {name: f"=={exact[name]}" for name in wanted}


def test_every_dependency_is_pinned_for_uv() -> None:
    assert {r.name for r in DIRECT} <= {pin.name for pin in PINS}


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("dependencies = [")[1].split("\n]")[0].strip().splitlines()
    assert [line for line in block if not re.search(r"# \w+", line)] == []


def test_torch_and_torchvision_are_pinned_as_a_pair_that_fits() -> None:
    from importlib.metadata import requires, version

    (line,) = (r for r in requires("torchvision") if r.startswith("torch"))
    wanted = Requirement(line).specifier
    assert wanted.contains(Version(constraints()["torch"]).base_version)
    assert Version(version("torchvision")) == Version(constraints()["torchvision"])


def test_conda_takes_a_python_that_the_project_allows() -> None:
    (python,) = (
        line for line in CONDA["dependencies"] if str(line).startswith("python")
    )
    newest = python.split("=")[1] + ".99"
    assert SpecifierSet(PROJECT["requires-python"]).contains(newest)


def test_conda_installs_the_project_itself_under_the_constraints() -> None:
    (pip,) = (line["pip"] for line in CONDA["dependencies"] if isinstance(line, dict))
    assert pip == ["--constraint constraints.txt", "--editable ."]
    assert "pip" in CONDA["dependencies"]


def test_the_version_stands_in_one_form_everywhere() -> None:
    import lesionkit

    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert lesionkit.__version__ == PROJECT["version"]
    assert f"## [{PROJECT['version']}]" in changelog or "## [Unreleased]" in changelog


def test_constraints_name_no_host_and_no_folder() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert re.findall(r"https?:|file:|@ |--index|--find", text) == []


def test_the_readme_has_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    train = "uv run papermill notebooks/03_train.ipynb out.ipynb -p loss ioufocal"
    assert f"pip install uv && {train}" in text
    assert "pip install uv && uv run pytest" in text


def test_the_readme_is_read_aloud_in_four_minutes() -> None:
    """At 160 words a minute; commands, numbers and links' targets are not read."""
    text = (ROOT / "README.md").read_text()
    for left_out in (
        r"```.*?```",
        r"<!-- study: begin.*?end -->",
        r"!\[.*?\]\(.*?\)",
        r"\]\(.*?\)",
    ):
        text = re.sub(left_out, " ", text, flags=re.DOTALL)
    assert len(re.findall(r"[A-Za-z0-9][\w.'%-]*", text)) <= 640


def test_the_readme_has_at_most_150_lines() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_page_of_data_gives_each_set_the_licence_of_the_catalogue() -> None:
    text = (ROOT / "docs/data.md").read_text()
    table = text.split("<!-- data sets: begin -->")[1].split("<!-- data sets: end")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line]
    found = {name.strip("`"): (title, lic) for name, title, _, lic in rows[2:]}
    own = {n: (DATASETS[n].title, DATASETS[n].licence) for n in found}
    assert found == own
    paper_a = "isic2017 wound clinicdb kvasir busi_benign busi_malignant"
    assert set(found) >= set(paper_a.split())


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["cff-version"] == "1.2.0"


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "data/README.md"]
)
def test_every_local_link_of_a_page_leads_somewhere(name: str) -> None:
    page = ROOT / name
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("name", MODELS)
def test_the_page_of_networks_has_every_one(name: str) -> None:
    page = (ROOT / "docs/models.md").read_text()
    assert page.count(f"`{name}`") >= 2
    assert f"| {MODELS[name].title} |" in page


@pytest.mark.slow
@pytest.mark.parametrize("page", ["docs/howto/losses-and-metrics.md", "docs/focal.md"])
def test_the_python_of_a_page_runs(page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
    from lesionkit.losses import build_loss

    names = {"my_loss": build_loss("focal")}  # the reader's own
    for block in blocks:
        exec(block, names)
    assert names["loss"](names["logits"], names["mask"]).isfinite()


def test_jupyterlab_4_is_what_all_extras_together_resolve_to() -> None:
    pins = constraints()  # exported with every extra and every group at once
    assert pins["jupyterlab"].startswith("4.")
    wanted = [r for extra in PROJECT["optional-dependencies"].values() for r in extra]
    needs = map(Requirement, wanted)
    assert [str(r) for r in needs if not r.specifier.contains(pins[r.name])] == []


@pytest.mark.long
@pytest.mark.parametrize("extras", [[], ["--all-extras"]])
def test_a_resolver_finds_jupyterlab_4_with_and_without_extras(extras) -> None:
    command = ["uv", "pip", "compile", "--quiet", "--no-header", *extras]
    command += ["--constraint", "constraints.txt", "pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^jupyterlab==4\.", done.stdout, re.M)


@pytest.mark.long
def test_the_pip_part_of_the_conda_environment_solves(tmp_path: Path) -> None:
    listed = CONDA["dependencies"]
    (lines,) = (each["pip"] for each in listed if isinstance(each, dict))
    given = [word for line in lines for word in line.split()]
    python = next(each for each in listed if str(each).startswith("python="))
    venv = ["uv", "venv", "--quiet", "--python", python.split("=")[1], tmp_path / "v"]
    subprocess.run(venv, check=True)
    solve = ["uv", "pip", "install", "--dry-run", "--python", tmp_path / "v", *given]
    done = subprocess.run(solve, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"torch=={constraints()['torch']}" in done.stderr
