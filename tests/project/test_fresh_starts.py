"""benchmarks/fresh_starts.py: what it types, and how it counts."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fresh_starts(monkeypatch: pytest.MonkeyPatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("fresh_starts")


def made_run(folder: Path, dice: float, *, done: bool = True) -> None:
    """What the script reads of a run."""
    folder.mkdir()
    scores = {"test": {"probability": {"image": {"dice": dice}}}}
    (folder / "metrics.json").write_text(json.dumps(scores))
    if done:
        (folder / "DONE").touch()


@pytest.mark.slow
def test_every_line_of_the_first_two_starts_stands_in_the_readme(fresh_starts) -> None:
    readme = (ROOT / "README.md").read_text()
    typed = fresh_starts.commands(readme)
    assert [line in readme for line in typed["uv"] + typed["pip"]] == [True] * 4


@pytest.mark.long
def test_the_start_with_pip_knows_no_uv(fresh_starts) -> None:
    typed = fresh_starts.commands((ROOT / "README.md").read_text())
    assert [line for line in typed["pip"] if "uv" in line.split()] == []


@pytest.mark.long
def test_a_file_with_two_names_is_counted_once(fresh_starts, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(1_000_000))
    os.link(tmp_path / "a", tmp_path / "b")
    assert fresh_starts.gigabytes(tmp_path) == pytest.approx(0.001, rel=0.01)


@pytest.mark.long
def test_the_dice_is_that_of_the_one_finished_run(fresh_starts, tmp_path: Path) -> None:
    made_run(tmp_path / "whole", 0.75)
    made_run(tmp_path / "half", 0.5, done=False)
    assert fresh_starts.dice(tmp_path) == 0.75


@pytest.mark.long
def test_two_finished_runs_are_no_fresh_start(fresh_starts, tmp_path: Path) -> None:
    made_run(tmp_path / "one", 0.75)
    made_run(tmp_path / "two", 0.5)
    with pytest.raises(RuntimeError, match="one finished run, found 2"):
        fresh_starts.dice(tmp_path)


@pytest.mark.long
def test_no_cache_of_this_machine_is_seen(fresh_starts, tmp_path: Path) -> None:
    seen = fresh_starts.fresh(tmp_path)
    caches = [seen[name] for name in seen if "CACHE" in name]
    assert caches
    assert [place for place in caches if not place.startswith(str(tmp_path))] == []


@pytest.mark.long
def test_a_line_that_fails_ends_the_start(fresh_starts, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)ended with 3: one.*"):
        fresh_starts.start(["echo one", "exit 3", "echo two"], tmp_path)
