"""The diffs of CONTRIBUTING.md apply, and what they add passes the tests under it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
DIFFS = re.compile(
    r"^## (Add a [^\n]+)\n(?:(?!\n## ).)*?"
    r"```diff\n(.*?\n)```\n\n```sh\nuv run pytest (.*?)\n```",
    re.S | re.M,
)
ADDITIONS = {what: (diff, tests) for what, diff, tests in DIFFS.findall(PAGE)}
PARTS = ("lesionkit", "tests", "notebooks", "docs", "data/README.md")
HELD_BY = {
    "Add a loss": "both_errors",
    "Add a model": "tinynet",
    "Add a data set": "skinlab",
}


def test_each_addition_has_a_diff_and_the_tests_that_it_must_pass() -> None:
    assert set(ADDITIONS) == set(HELD_BY)
    assert PAGE.count("```diff") == len(HELD_BY)


@pytest.mark.parametrize("what", HELD_BY)
def test_an_addition_names_what_it_adds_in_its_tests(what: str) -> None:
    diff, tests = ADDITIONS[what]
    assert HELD_BY[what] in tests
    assert re.search(rf'^\+ *"{HELD_BY[what]}": ', diff, re.M)
    assert "tests/project/test_structure.py" in tests


@pytest.mark.parametrize("path", re.findall(r"`(\w+(?:/\w+)*\.py)`", PAGE))
def test_a_file_that_the_page_names_is_there(path: str) -> None:
    example = {f"models/{name}.py" for name in ("NAME",)}
    there = [ROOT / path, ROOT / "lesionkit" / path]
    assert path in example or any(place.is_file() for place in there)


def walked() -> list[str]:
    """Every `module.name` of this package that the path of a batch names."""
    text = PAGE.split("## The path of one batch")[1].split("\n## ")[0]
    dotted = re.findall(r"`((?:\w+\.)+\w+)(?:\([^`]*\))?`", text)
    return [
        name for name in dotted if not re.search(r"\.(csv|json|npz|\w+sors)$", name)
    ]


@pytest.mark.parametrize("name", walked())
def test_what_the_path_of_a_batch_names_is_there(name: str) -> None:
    parts = name.split(".")
    places = [
        ROOT / "lesionkit" / Path(*parts[:deep]).with_suffix(".py")
        for deep in range(1, len(parts))
    ] + [ROOT / "lesionkit" / parts[0] / "__init__.py"]
    found = [place.read_text() for place in places if place.is_file()]
    last = parts[-1].removesuffix("_*")
    assert re.search(rf"\b(?:def|class) {last}", "\n".join(found))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the tree that a diff may change."""
    tree = tmp_path / "tree"
    tree.mkdir()
    leave = shutil.ignore_patterns("_build", "__pycache__", ".ipynb_checkpoints")
    for part in PARTS:
        place = tree / part
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, place, ignore=leave)
        else:
            place.parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / part, place)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, tree)
    return tree


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("git"), reason="git applies the diffs")
@pytest.mark.parametrize("what", HELD_BY)
def test_an_addition_applies_and_passes_the_tests_under_it(
    what: str, copy: Path
) -> None:
    diff, tests = ADDITIONS[what]
    own = os.environ | {"GIT_CEILING_DIRECTORIES": str(copy.parent)}
    own["PYTHONPATH"] = str(copy)
    applied = subprocess.run(
        ["git", "apply", "--unidiff-zero", "-"],
        input=diff,
        cwd=copy,
        env=own,
        capture_output=True,
        text=True,
    )
    assert applied.returncode == 0, applied.stderr
    chosen = shlex.split(tests.replace("\\\n", " "))
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *chosen], cwd=copy, env=own, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:]
    changed = re.findall(r"^\+\+\+ b/(.+\.py)$", diff, re.M)
    lint = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *changed],
        cwd=copy,
        capture_output=True,
        text=True,
    )
    assert lint.returncode == 0, lint.stdout
