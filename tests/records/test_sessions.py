"""What is said of a run is true of all its sessions."""

from __future__ import annotations

import json

import pytest
from made_records import made_record

from lesionkit.config import RunConfig
from lesionkit.records import runs
from lesionkit.records.sessions import counting, over_all
from lesionkit.tables import load_table

TWO = [
    {"first_epoch": 1, "device": "cuda", "gpu": "NVIDIA H200", "torch": "2.14.0"},
    {"first_epoch": 9, "device": "cpu", "gpu": None, "torch": "2.15.0", "threads": 2},
]


def test_what_differs_is_said_of_both_and_what_is_equal_once() -> None:
    assert over_all(TWO, "torch") == "2.14.0 then 2.15.0"
    assert over_all(TWO, "gpu", "device") == "NVIDIA H200 then cpu"
    assert over_all([TWO[0], TWO[0] | {"first_epoch": 3}], "torch") == "2.14.0"
    assert over_all(TWO, "threads") == 2
    assert over_all(TWO, "commit") is None


@pytest.mark.parametrize(
    ("epochs", "kept"),
    [([1, 9], [1, 9]), ([1, 1], [1]), ([1, 5, 3], [1, 3]), ([1, 5, 5, 7], [1, 5, 7])],
)
def test_a_session_whose_epochs_were_trained_again_does_not_count(
    epochs: list[int], kept: list[int]
) -> None:
    sessions = [{"first_epoch": n, "number": i} for i, n in enumerate(epochs)]
    found = counting(sessions)
    assert [each["first_epoch"] for each in found] == kept
    assert found[-1]["number"] == len(epochs) - 1


def test_sessions_of_which_nobody_noted_the_epochs_all_count() -> None:
    assert len(counting([{"wall_seconds": 1}, {"wall_seconds": 2}])) == 2


def test_a_table_tells_both_machines_of_a_run(data_home) -> None:
    folder = made_record(RunConfig(), sealed=False)
    runs.store_json(folder, "environment", {"sessions": TWO})
    runs.finish(folder)
    row = load_table(folder).iloc[0]
    assert (row["torch"], row["hardware"]) == (
        "2.14.0 then 2.15.0",
        "NVIDIA H200 then cpu",
    )


def test_config_json_has_the_execution_of_the_session_that_goes_on(data_home) -> None:
    folder = runs.start(RunConfig(keep_weights="best", device="auto"))
    path = folder / "config.json"
    before = json.loads(path.read_text())
    runs.note_execution(folder, RunConfig(keep_weights="half", device="cpu"))
    after = json.loads(path.read_text())
    assert (after["execution"]["keep_weights"], after["execution"]["device"]) == (
        "half",
        "cpu",
    )
    assert after | {"execution": None} == before | {"execution": None}
