"""The run record: sealed last, claimed by one, and every change is noticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lesionkit.config import RunConfig
from lesionkit.records import leases, runs


@pytest.fixture
def folder(data_home):
    """A started record with one table."""
    started = runs.start(RunConfig())
    (started / "metrics.json").write_text("{}")
    return started


def test_config_json_holds_every_parameter_resolved(folder) -> None:
    stored = json.loads((folder / "config.json").read_text())
    assert stored["identity"] == RunConfig().identity()
    assert stored["run_id"] == RunConfig().run_id
    assert stored["execution"]["keep_weights"] == "best"


def test_a_record_older_than_a_parameter_had_it_off(folder) -> None:
    path = folder / "config.json"
    stored = json.loads(path.read_text())
    del stored["identity"]["deep_supervision"], stored["identity"]["compile"]
    path.write_text(json.dumps(stored))
    assert runs.RunRecord(folder).identity == RunConfig().identity()
    assert runs.start(RunConfig()) == folder


def test_a_group_split_of_format_1_is_told_from_that_of_today(tmp_path) -> None:
    run = RunConfig(split="group")
    folder = runs.start(run)
    stored = json.loads((folder / "config.json").read_text())
    assert runs.RunRecord(folder).identity["split"] == "group"
    (folder / "config.json").write_text(json.dumps(stored | {"format": 1}))
    earlier = runs.RunRecord(folder).identity
    assert earlier["split"] == "group_v1"
    with pytest.raises(ValueError, match="holds another run .split 'group_v1', not"):
        runs.start(run)
    assert RunConfig.from_mapping(earlier).resolved().split == "group_v1"


def test_an_image_split_of_format_1_is_what_it_was(folder) -> None:
    stored = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(stored | {"format": 1}))
    assert runs.start(RunConfig()) == folder


def test_a_record_is_done_only_when_it_is_sealed(folder) -> None:
    assert runs.state(folder) == "unfinished"
    runs.finish(folder)
    assert runs.state(folder) == "done"
    assert runs.state(folder.parent / "repeat1") == "missing"


def test_the_seal_drops_the_states_and_holds_sizes_and_hashes(folder) -> None:
    runs.save_state(folder, b"one")
    runs.save_state(folder, b"two")
    runs.finish(folder)
    assert sorted(p.name for p in folder.iterdir()) == [
        "DONE",
        "config.json",
        "metrics.json",
    ]
    seal = json.loads((folder / "DONE").read_text())["files"]
    assert seal["metrics.json"]["bytes"] == 2


def test_a_kill_while_the_seal_is_written_keeps_the_state(
    folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_) -> None:
        raise KeyboardInterrupt

    runs.save_state(folder, b"one")
    monkeypatch.setattr(runs, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        runs.finish(folder)
    assert [content for _, content in runs.load_states(folder)] == [b"one"]


def test_a_record_that_was_edited_is_not_put_into_a_table(folder) -> None:
    runs.finish(folder)
    assert [record.folder for record in runs.find_records(folder.parent)] == [folder]
    (folder / "metrics.json").write_text('{"a": 1}')
    with pytest.raises(ValueError, match="metrics.json is 8 bytes, not 2; move"):
        runs.find_records(folder.parent)


def test_a_record_edited_to_another_size_is_not_done(folder) -> None:
    runs.finish(folder)
    (folder / "metrics.json").write_text('{"a": 1}')
    assert not runs.is_done(folder)
    assert "metrics.json is 8 bytes, not 2" in runs.problems(folder)[0]


def test_a_record_edited_at_the_same_size_is_found_by_its_hash(folder) -> None:
    runs.finish(folder)
    (folder / "metrics.json").write_text("[]")
    assert "was changed after the run ended" in runs.problems(folder)[0]


def test_a_record_that_lost_a_file_is_not_done(folder) -> None:
    runs.finish(folder)
    (folder / "metrics.json").unlink()
    assert "metrics.json is missing" in runs.problems(folder)[0]


def test_the_newest_state_comes_first_and_the_one_before_second(folder) -> None:
    for state in (b"one", b"two", b"three"):
        runs.save_state(folder, state)
    assert [content for _, content in runs.load_states(folder)] == [b"three", b"two"]


def test_a_config_that_is_not_json_is_refused(folder) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match="is not a run's config; move"):
        runs.start(RunConfig())


@pytest.mark.slow
def test_a_claimed_run_is_refused_to_another_process(folder) -> None:
    code = (
        "import sys; from pathlib import Path; from lesionkit.records import runs\n"
        "with runs.claim(Path(sys.argv[1])): pass"
    )
    command = [sys.executable, "-c", code, str(folder)]
    told = {"capture_output": True, "text": True, "check": False}
    stranger = os.environ | {leases.OURS: ""}  # no child of the holder
    with runs.claim(folder):
        refused = subprocess.run(command, **told, env=stranger)
    free = subprocess.run(command, **told)
    assert "is being trained by another process" in refused.stderr
    assert (refused.returncode, free.returncode) == (1, 0)


def test_arrays_come_back_as_stored(folder) -> None:
    logits = np.arange(6, dtype=np.float16).reshape(1, 2, 3)
    runs.store_arrays(folder, "logits", {"logits": logits})
    back = runs.RunRecord(folder).arrays("logits")["logits"]
    assert back.dtype == np.float16
    assert np.array_equal(back, logits)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_of_another_size_is_seen_without_hashing(folder, change: int) -> None:
    runs.store_json(folder, "metrics", {"best_epoch": 1})
    runs.finish(folder)
    path = folder / "metrics.json"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:change] if change < 0 else b"x" * (size + 1))
    told = f"{path} is {size + change} bytes, not {size}"
    assert runs.problems(folder, hashes=False) == [told]
    assert runs.state(folder) == "damaged"


def test_why_a_run_failed_is_kept_until_it_is_tried_again(folder: Path) -> None:
    assert runs.failure(folder) is None
    runs.note_failure(folder, "the loss is nan")
    assert runs.failure(folder) == "the loss is nan"
    assert runs.state(folder) == "failed"
    runs.clear_failure(folder)
    assert runs.state(folder) == "unfinished"


def test_a_run_is_running_while_a_process_holds_it(folder: Path) -> None:
    runs.note_failure(folder, "before")
    with runs.claim(folder):
        assert runs.state(folder) == "running"
    assert runs.state(folder) == "failed"


def test_what_a_killed_writer_left_is_cleared_by_the_next_claim(folder: Path) -> None:
    (folder / ".state.pt.12345678.part").write_bytes(b"half")
    with runs.claim(folder):
        assert not list(folder.glob(".*.part"))


def test_a_finished_record_holds_no_failure(folder: Path) -> None:
    runs.note_failure(folder, "before")
    runs.finish(folder)
    assert runs.state(folder) == "done"
    assert not (folder / "failed.json").exists()
    assert runs.problems(folder) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere", "no run record: {} is not there; name the folder of one run"),
        ("a file", "no run record: {} is a file, no folder; name the folder of"),
        ("empty", "no run record: {} has no metrics.json; name the folder of one"),
    ],
)
def test_a_text_that_is_no_record_is_told_in_a_line(tmp_path, name, says) -> None:
    (tmp_path / "a file").write_text("")
    (tmp_path / "empty").mkdir()
    place = tmp_path / name
    with pytest.raises(OSError) as caught:
        runs.RunRecord(str(place)).metrics  # noqa: B018
    assert str(caught.value).startswith(says.format(place))
    assert "\n" not in str(caught.value)


def test_a_text_may_have_a_home_and_may_be_no_url(folder, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert runs.RunRecord(f"~/{folder.name}").metrics == {}
    with pytest.raises(ValueError, match=r"find_records\('s3://bucket/runs'\)"):
        runs.RunRecord("s3://bucket/runs")


def test_a_record_that_lost_a_file_names_it(folder) -> None:
    runs.finish(folder)
    (folder / "metrics.json").unlink()
    with pytest.raises(FileNotFoundError, match="metrics.json is missing, and the"):
        runs.RunRecord(folder).metrics  # noqa: B018
