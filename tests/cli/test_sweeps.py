"""The commands of sweeps: sweep and status."""

import errno
import json

import pytest
from made_commands import command as command
from made_commands import file as file
from made_records import made_record

from lesionkit.config import RunConfig
from lesionkit.records import files
from lesionkit.records.runs import note_failure, start

GRID = "name: pair\naxes:\n  loss: [dice, iou]\n"


def test_status_without_any_run_says_so(command):
    assert command("status").out == "no runs\n"
    assert json.loads(command("status", "--json").out) == []


def test_status_tells_what_is_done_and_what_is_not(command):
    made_record(RunConfig(loss="dice"))
    made_record(RunConfig(loss="iou"), sealed=False)
    note_failure(start(RunConfig(loss="bce")), "the loss is nan")
    rows = json.loads(command("status", "--json").out)
    found = {row["run_id"]: (row["state"], row["reason"]) for row in rows}
    assert found == {
        RunConfig(loss="dice").run_id: ("done", ""),
        RunConfig(loss="iou").run_id: ("unfinished", ""),
        RunConfig(loss="bce").run_id: ("failed", "the loss is nan"),
    }


def test_a_column_of_reasons_is_shown_where_there_is_one_and_in_json_always(command):
    made_record(RunConfig(loss="dice"))
    assert "reason" not in command("status").out
    (row,) = json.loads(command("status", "--json").out)
    assert row["reason"] == ""
    note_failure(start(RunConfig(loss="bce")), "the loss is nan")
    assert "reason" in command("status").out


def test_status_verifies_what_it_is_asked_to(command, file):
    path = made_record(RunConfig(loss="dice")) / "metrics.json"
    path.write_text(path.read_text().replace("0.75", "0.95", 1))
    grid = file("grid.yaml", GRID)
    assert command("status", grid).out.splitlines()[-1] == "1 done, 1 missing"
    verified = command("status", grid, "--verify").out
    assert verified.splitlines()[-1] == "1 damaged, 1 missing"
    assert "metrics.json was changed after the run ended" in verified
    assert "1 damaged" in command("status", "--verify").out


def test_status_tells_what_slurm_has_in_its_queue(command, file, monkeypatch):
    from lesionkit.engines import slurm

    queued = {0: "RUNNING", 1: "RUNNING", 2: "PENDING"}
    asked = []
    monkeypatch.setattr(slurm, "queue", lambda f: asked.append(f.name) or queued)
    out = command("status", file("grid.yaml", GRID)).out
    assert asked == ["pair"]
    assert out.splitlines()[-1] == "tasks in Slurm's queue: 2 running, 1 pending"


def test_status_draws_the_grid_of_a_sweep(command, file, tmp_path):
    made_record(RunConfig(loss="dice"))
    picture = tmp_path / "grid.png"
    assert command("status", file("grid.yaml", GRID), "--figure", picture).code == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert command("status", "--figure", picture).code == 2


def test_a_figure_that_the_disk_refuses_leaves_nothing(
    command, file, tmp_path, monkeypatch
):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    picture = tmp_path / "figures" / "grid.png"
    monkeypatch.setattr(files.os, "fsync", full)
    result = command("status", file("grid.yaml", GRID), "--figure", picture)
    assert result.err.startswith(f"lesionkit: the disk of {picture.parent} is full")
    assert list(picture.parent.iterdir()) == []


def test_status_of_a_sweep_counts_its_states(command, file):
    made_record(RunConfig(loss="dice"))
    result = command("status", file("grid.yaml", GRID))
    assert result.code == 0
    assert result.out.splitlines()[-1] == "1 done, 1 missing"


def test_a_dry_run_prices_a_sweep_and_starts_nothing(command, file, data_home):
    result = command("sweep", file("grid.yaml", GRID), "--dry-run")
    assert result.code == 0
    assert result.out.splitlines()[0] == "pair: 2 runs, 2 missing"
    assert not (data_home / "runs").exists()


def test_a_finished_sweep_runs_nothing_and_works(command, file):
    made_record(RunConfig(loss="dice"))
    made_record(RunConfig(loss="iou"))
    result = command("sweep", file("grid.yaml", GRID))
    assert (result.code, result.out) == (0, "pair: 2 runs, 0 missing\n")


def test_a_sweep_with_a_failed_run_ends_with_status_1(command, file, monkeypatch):
    from lesionkit.engines import Outcome, local

    def run_all(configs, **how):
        asked.append(how)
        yield from (Outcome(config, "no space left", 0.0, 1) for config in configs)

    asked = []
    monkeypatch.setattr(local, "run_all", run_all)
    path = file("grid.yaml", GRID)
    options = ("--slots", "3", "--how", "notebook", "--retries", "0")
    result = command("sweep", path, *options)
    assert result.code == 1
    last = result.err.splitlines()[-1]
    assert last.startswith("lesionkit: 2 of 2 runs have no finished record;")
    assert last.endswith(f"go on: lesionkit sweep {path}")
    assert result.err.count("no space left") == 2
    (how,) = asked
    assert (how["slots"], how["how"], how["timeout_seconds"]) == (3, "notebook", None)
    assert how["retries"] == 0


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("xqzw.yaml", ". With the kit come: "),
        ("my_grid.yaml", ". With the kit come: "),
        ("leekage.yaml", ". Did you mean leakage.yaml? With the kit come: "),
        ("leakage.yml", ". Did you mean leakage.yaml? With the kit come: "),
        ("Toy_Ten", ". Did you mean toy_ten.yaml? With the kit come: "),
    ],
)
def test_a_sweep_file_that_is_not_there_is_status_1_with_a_near_name(
    command, name, hint
):
    result = command("sweep", name)
    assert result.code == 1
    assert f"/{name}{hint}" in result.err


def test_a_sweep_with_an_unknown_loss_is_status_1(command, file):
    result = command("sweep", file("grid.yaml", "axes: {loss: [dise]}"))
    assert result.code == 1
    assert "Did you mean 'dice'" in result.err
