"""benchmarks/faults.py: how it judges, and two of its faults made in earnest."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def faults() -> Iterator[ModuleType]:
    """The script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("faults")
        sys.modules.pop("faults")


@pytest.fixture
def home(faults: ModuleType, tmp_path: Path):
    """A home without a grid, in which runs "a" and "b" have a session each."""
    made = faults.Home(tmp_path, tmp_path / "no.yaml")
    for run_id in ("a", "b"):
        made.record(run_id).mkdir(parents=True)
        write_sessions(made, run_id, 1)
    return made


def write_sessions(home, run_id: str, *first_epochs: int, starts=(0, 0, 0)) -> None:
    """An environment.json with these sessions."""
    sessions = [
        {"first_epoch": epoch, "started": datetime.fromtimestamp(at, UTC).isoformat()}
        for epoch, at in zip(first_epochs, starts, strict=False)
    ]
    text = json.dumps({"sessions": sessions})
    (home.record(run_id) / "environment.json").write_text(text)


def row(faults: ModuleType, **other: object):
    """The row of three runs that are as they should be, but for this."""
    good = {"fault": "x", "runs": 3, "done": 3, "went_on": 1, "restarted": 1}
    good |= {"twice": 0, "equal": 3, "seconds": 1.25, "seen": "it", "wrong": []}
    return faults.Row(**(good | other))


@pytest.mark.long
def test_a_row_is_well_if_all_is_done_once_and_the_same(faults) -> None:
    assert row(faults).well
    assert row(faults).line() == "| x | 3 | 3 | 1 | 1 | 0 | 3 | 1.2 | it |"


@pytest.mark.long
@pytest.mark.parametrize(
    "other", [{"done": 2}, {"equal": 2}, {"twice": 1}, {"wrong": ["so"]}]
)
def test_a_row_is_not_well_if_one_thing_is_otherwise(faults, other) -> None:
    assert not row(faults, **other).well


@pytest.mark.long
def test_a_session_that_no_cut_explains_is_a_run_trained_twice(home) -> None:
    assert not home.twice("a")
    write_sessions(home, "a", 1, 4)
    assert home.twice("a")
    home.note_cut("a")
    assert not home.twice("a")


@pytest.mark.long
def test_the_pause_is_the_longest_from_a_cut_to_the_next_session_of_that_run(
    home,
) -> None:
    assert home.pause() is None
    home.cut_at = [("a", 10.0), ("b", 10.0)]
    write_sessions(home, "a", 1, 2, starts=(1, 12))
    write_sessions(home, "b", 1, 2, 3, starts=(9, 15, 30))
    assert home.pause() == 5.0


@pytest.mark.long
def test_a_full_disk_is_filled_to_the_last_block(faults, monkeypatch, tmp_path):
    room = [3 * faults.BLOCK + 2 * 4096 + 100]
    write = os.write

    def small(handle: int, content: bytes) -> int:
        if len(content) > room[0]:
            raise OSError(28, "No space left on device")
        room[0] -= len(content)
        return write(handle, content)

    monkeypatch.setattr(faults.os, "write", small)
    faults.fill(tmp_path / "ballast")
    assert room == [100]


@pytest.mark.long
def test_one_line_that_begins_so_is_wanted(faults) -> None:
    text = "failed: a: no\nfailed: b: no\nfailed: b: no"
    assert faults.told(text, "failed: a:") == ""
    assert faults.told(text, "failed: b:").startswith("2 lines begin")


@pytest.fixture(scope="module")
def bench(faults: ModuleType) -> Iterator:
    """An undisturbed sweep of five runs; no process is left at the end."""
    scratch = Path(tempfile.mkdtemp(prefix="faults-", dir="/tmp"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LESIONKIT_DATA", str(scratch))
            yield faults.Bench(scratch, runs=5, epochs=6)
        assert faults.end_left(scratch) == []
    finally:
        shutil.rmtree(scratch)


@pytest.mark.slow
def test_each_edit_of_a_record_is_found_and_the_run_made_again(faults, bench) -> None:
    found = faults.record(bench)
    assert found.wrong == []
    assert (found.runs, found.done, found.equal, found.twice) == (5, 5, 5, 0)
    assert found.restarted == 1  # the one without DONE


@pytest.mark.slow
def test_a_sweep_whose_driver_is_killed_goes_on_and_ends_the_same(
    faults, bench, monkeypatch
) -> None:
    monkeypatch.setattr(faults, "KILLS", 1)
    found = faults.driver(bench)
    assert found.wrong == []
    assert (found.runs, found.done, found.equal, found.twice) == (5, 5, 5, 0)
    assert "1 kills; workers gone" in found.seen
    assert found.seconds > 0
