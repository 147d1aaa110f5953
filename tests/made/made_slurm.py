"""False commands of Slurm, a job that was submitted, and a task of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_worker import configs, events

from lesionkit.config import RunConfig
from lesionkit.engines import slurm
from lesionkit.records import leases, runs

# An array task whose runs do as FAULTS says, on records like real ones.
TASK = """
import os, sys
sys.path.insert(0, sys.argv.pop(1))
import made_worker
from lesionkit.records import runs
from lesionkit.engines import slurm_task, worker
smallest = made_worker.seal
def seal(config):
    session = {"wall_seconds": 1.5}
    runs.store_json(config.folder, "environment", {"sessions": [session]})
    smallest(config)
made_worker.seal = seal
slurm_task.LEASE_SECONDS = float(os.environ.get("LEASE", "120"))
slurm_task.LOOK_SECONDS = 0.1
worker.HOWS["worker"] = lambda: made_worker.train
slurm_task.main()
"""
GONE = 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1'
DEAF = 'echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1'


def command(folder: Path, how: str = "worker") -> list[str]:
    """In place of `slurm.task_command`."""
    return [sys.executable, "-c", TASK, str(Path(__file__).parent), str(folder)]


def seal(config: RunConfig) -> None:
    """A finished record with the time it took."""
    folder = runs.start(config)
    session = {"wall_seconds": 1.5}
    runs.store_json(folder, "environment", {"sessions": [session, session]})
    runs.finish(folder)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch) -> Callable[[str, str], Path]:
    """Puts a false command in place of a real one; gives where it notes arguments."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def put(name: str, body: str) -> Path:
        noted = programs / f"{name}.args"
        (programs / name).write_text(f'#!/bin/sh\necho "$@" >>"{noted}"\n{body}\n')
        (programs / name).chmod(0o755)
        return noted

    return put


@pytest.fixture
def task(monkeypatch) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts a task of the array as Slurm would."""
    started = []

    def start(folder: Path, number: int, **environment: str) -> subprocess.Popen:
        mine = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": str(number)}
        mine[leases.OURS] = ""  # not what the test itself holds
        given = {**os.environ, **mine, **environment}
        started.append(subprocess.Popen(command(folder), env=given))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


@pytest.fixture
def submitted(fake) -> Callable[[int], Path]:
    """The folder of a job of so many runs."""

    def make(count: int) -> Path:
        fake("squeue", GONE)
        fake("sbatch", "echo 12")
        slurm.submit(configs(count), "study", tasks=2)
        return slurm.sweep_folder("study")

    return make


def done(count: int) -> list[bool]:
    """For each run whether it is done."""
    return [runs.is_done(config.folder) for config in configs(count)]


def ended() -> list[int]:
    """The runs that were trained to the end, each as often as that was."""
    return sorted(event["repeat"] for event in events("ended"))
