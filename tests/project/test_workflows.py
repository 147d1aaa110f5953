"""The workflow files do what .ci/run and the README do, with pinned actions."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
README = (ROOT / "README.md").read_text()
END = 'if [ "${#skipped[@]}"'
# A hash cannot be moved to other code; the version beside it is for people.
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def jobs(path: Path) -> dict[str, dict]:
    """The jobs of a workflow by name."""
    return yaml.safe_load(path.read_text())["jobs"]


def commands(name: str) -> list[str]:
    """Every line that a workflow runs."""
    steps = [
        s
        for j in jobs(ROOT / f".github/workflows/{name}.yml").values()
        for s in j["steps"]
    ]
    return [
        line for step in steps if "run" in step for line in step["run"].splitlines()
    ]


def test_there_is_a_workflow_for_changes_for_the_site_and_for_releases():
    assert [path.stem for path in FILES] == ["ci", "release", "site"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_its_hash_with_its_version_beside_it(path):
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    assert [each for each in used if not PINNED.fullmatch(each)] == []


def test_an_action_has_one_version_everywhere():
    used = {u for path in FILES for u in re.findall(r"uses: (.*)", path.read_text())}
    assert len({each.partition("@")[0] for each in used}) == len(used)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_unless_a_job_says_more(path):
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    text = path.read_text()
    assert text.count("actions/checkout") == text.count("persist-credentials: false")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_job_ends_some_time(path):
    assert [n for n, job in jobs(path).items() if not job.get("timeout-minutes")] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_command_holds_no_text_that_others_write(path):
    """An expression in a command is pasted into it: only variables are safe."""
    assert [line for line in commands(path.stem) if "${{" in line] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_workflow_names_no_registry_and_no_repository(path):
    text = path.read_text()
    assert (
        re.findall(r"pypi|index-url|npmjs|ghcr|anaconda|https?://(?!x-access|})", text)
        == []
    )


def test_changes_pass_all_of_the_script_that_a_person_runs():
    assert commands("ci") == [".ci/run"]
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_oldest_python_of_the_project_is_among_those_of_changes():
    (job,) = jobs(ROOT / ".github/workflows/ci.yml").values()
    oldest = re.search(
        r'requires-python = ">=(\d+\.\d+)', (ROOT / "pyproject.toml").read_text()
    )
    assert oldest[1] in job["strategy"]["matrix"]["python"]
    assert job["env"]["UV_PYTHON"] == "${{ matrix.python }}"


def test_the_site_is_built_by_the_command_of_conf_and_readme():
    (build,) = (line for line in commands("site") if "sphinx-build" in line)
    assert f"    {build}\n" in (ROOT / "docs/conf.py").read_text()
    assert build.replace("-W --keep-going ", "") in README


def test_the_site_publishes_what_it_builds_with_the_executed_notebooks():
    steps = jobs(ROOT / ".github/workflows/site.yml")["build"]["steps"]
    kept = [s["with"]["path"] for s in steps if "upload" in s.get("uses", "")]
    assert kept == ["docs/_build/html", "docs/_build/notebooks"]
    assert any(line.endswith(f" {kept[0]}") for line in commands("site"))


def test_the_branch_that_colab_opens_is_the_one_that_is_written():
    from executed_notebooks import HOSTED

    lines = commands("site")
    assert f"git init --quiet --initial-branch {HOSTED}" in lines
    assert any(line.endswith(f'/$GITHUB_REPOSITORY" {HOSTED}') for line in lines)
    assert any("lesionkit notebooks" in line and "--install" in line for line in lines)


def test_a_release_is_tested_and_its_tag_is_the_version():
    lines = commands("release")
    places = [lines.index(x) for x in ("uv run pytest", "uv build")]
    tag = next(i for i, line in enumerate(lines) if "uv version --short" in line)
    publish = next(i for i, line in enumerate(lines) if "gh release create" in line)
    assert tag < places[0] < places[1] < publish
    assert "pip install uv && uv run pytest" in README


def test_the_kit_is_installed_as_the_readme_says():
    for name in ("site", "release"):
        assert commands(name)[0] == "pip install uv"
    assert "pip install uv" in README


def test_a_program_that_cannot_be_installed_is_named_at_the_end_of_the_script():
    text = (ROOT / ".ci/run").read_text()
    body = re.search(r"^packages\(\).*?^}$", text, re.MULTILINE | re.DOTALL)[0]
    (last,) = (line for line in text.splitlines() if line.startswith(END))
    script = f"skipped=()\n{body}\npackages no_such_program none\n{last}"
    said = subprocess.run(
        ["/bin/bash", "-c", script], env={"PATH": "/none"}, capture_output=True
    )
    expected = b"no_such_program could not be installed: its tests were skipped"
    assert said.stdout.split(b"\n") == [b"", expected, b"", b""]
    assert "packages slurmctld slurmctld slurmd slurm-client munge\n" in text
    assert "packages chromium chromium\n" in text
