"""Slurm itself, two nodes of it on this machine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_slurm import command, ended
from made_worker import configs, events
from own_slurm import lacking, left_behind, own_slurm
from patience import comes

from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import slurm
from lesionkit.records import runs


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch) -> Iterator[None]:
    """A Slurm of our own that is gone after the test."""
    reason = lacking()
    if reason:
        pytest.skip(reason)
    home = tmp_path / "slurm"
    home.mkdir()
    with own_slurm(home):
        monkeypatch.setenv("SLURM_CONF", str(home / "slurm.conf"))
        yield
    assert left_behind(home) == []


@pytest.mark.slow
def test_slurm_itself_runs_every_run_once_though_a_task_is_requeued(
    cluster, monkeypatch
) -> None:
    monkeypatch.setattr(slurm, "task_command", command)
    monkeypatch.setenv("FAULTS", json.dumps({0: "slower"}))
    job = slurm.submit(configs(12), "study", tasks=3)
    assert comes(lambda: 0 in [event["repeat"] for event in events("began")])
    (mark,) = (slurm.sweep_folder("study") / "begun").glob("0-*")
    number = mark.name.split("-")[1]
    subprocess.run(["scontrol", "requeue", f"{job}_{number}"], check=True)
    found = slurm.run_all(configs(12), name="study", tasks=3, poll_seconds=0.5)
    assert [outcome.error for outcome in found] == [None] * 12
    assert ended() == list(range(12))
    assert len(events("interrupted")) == 1  # Slurm's SIGTERM was heard
    assert slurm._job(slurm.sweep_folder("study")) == job


@pytest.mark.slow
def test_slurm_itself_trains_what_this_process_would(cluster, tiny: str) -> None:
    small = {"dataset": tiny, "size": 32, "batch_size": 4, "epochs": 2}
    small |= {"model": "enet", "device": "cpu", "threads": 1}
    missing = [RunConfig(**small, repeat=repeat) for repeat in range(4)]
    found = slurm.run_all(missing, name="a study", tasks=2, poll_seconds=1.0)
    outcomes = sorted(found, key=lambda outcome: outcome.config.repeat)
    assert [o.config for o in outcomes] == missing
    assert [(o.error, o.attempts) for o in outcomes] == [(None, 1)] * 4
    assert len(runs.find_records(data_folder() / "runs")) == 4


@pytest.mark.slow
def test_slurm_itself_refuses_in_its_own_words(cluster) -> None:
    with pytest.raises(RuntimeError, match="refused: .* generic resource"):
        slurm.submit(configs(1), "study", tasks=1, options=["--gres=gpu:1"])
