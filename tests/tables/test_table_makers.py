"""What a table of run records says of the code, torch and hardware that made them."""

from __future__ import annotations

import pytest
from made_records import made_record

from lesionkit.config import RunConfig, data_folder
from lesionkit.records import runs
from lesionkit.tables import load_table, remarks, select

HERE = {"commit": "aaaa111", "torch": "2.11.0", "device": "cpu", "gpu": None}


def run_by(repeat: int, **differs: str | None) -> None:
    """A finished record that says it was begun elsewhere and ended by this."""
    folder = made_record(RunConfig(repeat=repeat, repeats=9), sealed=False)
    killed = HERE | {"commit": f"begun{repeat}", "first_epoch": 1}  # stored no state
    sessions = [killed, HERE | differs | {"first_epoch": 1}]
    runs.store_json(folder, "environment", {"sessions": sessions})
    runs.finish(folder)


@pytest.fixture
def table(data_home):
    """Reads the records that a test made."""
    return lambda: load_table(data_folder() / "runs")


def test_runs_made_alike_need_no_remark(table):
    run_by(0)
    run_by(1)
    assert remarks(table()) == []


@pytest.mark.parametrize(
    ("differs", "counted"),
    [
        ({"commit": "bbbb222"}, "more than one commit: aaaa111 (2), bbbb222 (1)"),
        ({"torch": "2.12.0"}, "more than one torch: 2.11.0 (2), 2.12.0 (1)"),
        ({"gpu": "NVIDIA H100"}, "more than one hardware: cpu (2), NVIDIA H100 (1)"),
    ],
)
def test_runs_made_by_something_else_are_counted(table, differs, counted):
    run_by(0)
    run_by(1)
    run_by(2, **differs)
    said = remarks(table())
    assert len(said) == 1
    assert said[0].startswith(f"runs by {counted}; ")


def test_a_released_kit_is_named_by_its_version(table):
    run_by(0, commit=None, lesionkit="0.1.0")
    assert list(table()["commit"]) == ["0.1.0"]


def test_a_selection_of_one_commit_needs_no_remark(table):
    run_by(0)
    run_by(1, commit="bbbb222")
    assert remarks(select(table(), "commit=aaaa111")) == []
