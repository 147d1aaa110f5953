"""A task of the array that `engines.slurm` submits: one missing run after the other.

    python -m lesionkit.engines.slurm_task FOLDER [--how worker|notebook]

Signals of Slurm stop the run as Ctrl-C does, and its state is stored: SIGTERM when the
task is preempted or cancelled, SIGUSR1 shortly before the time limit. After the latter
the task puts itself back into the queue and goes on there.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

from lesionkit.config import RunConfig
from lesionkit.engines import NO_RECORD, worker
from lesionkit.engines.local import ask
from lesionkit.records import leases, runs
from lesionkit.records.files import write_bytes

LOOK_SECONDS = 10.0  # between two looks at runs that others hold
DEATHS = 3  # processes that died in a run, until it is given up
STUCK = 2  # time limits that a run used up without a new state, until it is given up
LEASE_SECONDS = leases.SECONDS


class Task:
    """Works through the runs of a sweep's folder.

    Args:
        folder: as `engines.slurm` describes it.
        number: which task of the array this is.
        load: gives what trains a run, when the first is there to be trained.
    """

    def __init__(self, folder: Path, number: int, *, load: worker.Load) -> None:
        self.folder, self.number = folder, number
        self.load = cache(load)
        lines = (folder / "configs.jsonl").read_text().splitlines()
        self.configs = [RunConfig.from_mapping(json.loads(line)) for line in lines]
        self.mark: Path | None = None
        self.stopped: int | None = None
        self.sound, self.trained = True, False
        self.attempts = 0
        self.under_way: tuple[int, list[int]] | None = None

    def work(self) -> None:
        """Train until nothing is left but what living others hold."""
        first = self.number % len(self.configs)
        left = [*range(first, len(self.configs)), *range(first)]
        while left:
            self.trained = False
            held = {n: alive for n in left if (alive := self.take(n)) is not None}
            if not self.trained and all(held.values()):
                return
            if not self.trained:
                time.sleep(LOOK_SECONDS)
            left = list(held)

    def take(self, number: int) -> bool | None:
        """Train a run if it is to be had.

        Returns:
            None if nothing more is to be done for it; else, another holds it, whether
            that one is known to live.
        """
        config = self.configs[number]
        if self._over(number):
            return None
        path = config.folder / runs.LEASE
        task = os.environ.get("SLURM_ARRAY_JOB_ID", "0")
        try:
            with leases.lease(path, LEASE_SECONDS, owner=f"task {task}_{self.number},"):
                # under the lease, since a process that is in it now left a mark too
                marks = list((self.folder / "begun").glob(f"{number}-*"))
                if len(marks) >= DEATHS and not self._over(number):
                    reason = f"{DEATHS} processes died in this run"
                    self._give_up(number, f"{reason}, as when memory runs out")
                alive = None if self._over(number) else self._attempt(number)
        except leases.Held as other:
            return other.alive
        except leases.Lost as error:
            if self.stopped is not None:
                raise KeyboardInterrupt from None
            print(error, file=sys.stderr, flush=True)
            return True
        if runs.is_done(config.folder):
            leases.clear(path)
        if not self.sound:  # an error of CUDA, for one, would stay with this process
            os.execv(sys.executable, sys.orig_argv)
        return alive

    def _over(self, number: int) -> bool:
        """Whether a run is done, or was given up in this submission."""
        done = runs.is_done(self.configs[number].folder)
        return done or self._failed(number).exists()

    def _give_up(self, number: int, reason: str) -> None:
        """Say in the record, too, why a run that said nothing itself is left alone."""
        runs.note_failure(self.configs[number].folder, reason)
        write_bytes(self._failed(number), reason.encode())

    def _failed(self, number: int) -> Path:
        return self.folder / "failed" / str(number)

    def _attempt(self, number: int) -> bool | None:
        """Train a run that this task holds; what `take` returns."""
        config = self.configs[number]
        self.attempts += 1
        self.under_way = number, _states(config)
        train = self.load()
        self.mark = self.folder / "begun" / f"{number}-{self.number}-{uuid4().hex[:8]}"
        self.mark.touch()
        print(f"{time.strftime('%FT%T')} {config.run_id}", flush=True)
        # of a run that is stopped, too, no process died
        found: dict[str, Any] = {"died": False}
        try:
            found |= worker.attempt(train, config)
        finally:
            if not found["died"]:
                self.mark.unlink(missing_ok=True)
        self.under_way = None
        self.sound = found["sound"]
        if found["held"]:  # by a process that took no lease
            return True
        self.trained = True
        if found["died"]:
            return False
        if not runs.is_done(config.folder):
            reason = found["error"] or NO_RECORD
            write_bytes(self._failed(number), reason.encode())
        return None

    def judge(self) -> None:
        """Give a run up that a whole time limit brought nowhere, more than once.

        It would be put back into the queue for ever.
        """
        if self.under_way is None or self.attempts > 1:
            return
        number, before = self.under_way
        if _states(self.configs[number]) != before:
            return
        write_bytes(self.folder / "stuck" / f"{number}-{uuid4().hex[:8]}", b"")
        if len(list((self.folder / "stuck").glob(f"{number}-*"))) >= STUCK:
            reason = f"{STUCK} time limits passed without a stored epoch: ask for a"
            reason += " longer --sbatch --time, or lower save_seconds"
            self._give_up(number, reason)

    def stop(self, number: int, _: FrameType | None) -> None:
        """What a signal of Slurm does: Ctrl-C, once, and no death to be counted."""
        for each in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        self.stopped = number
        if self.mark is not None:
            self.mark.unlink(missing_ok=True)
        raise KeyboardInterrupt


def _states(config: RunConfig) -> list[int]:
    """When the stored states of a run were written."""
    paths = [config.folder / name for name in runs.STATES]
    return [path.stat().st_mtime_ns for path in paths if path.is_file()]


def put_back() -> None:
    """Put this task back into the queue: its time is nearly over."""
    task = "{SLURM_ARRAY_JOB_ID}_{SLURM_ARRAY_TASK_ID}".format_map(os.environ)
    told = ask("scontrol", "requeue", task)
    said = told.stderr if told else "failed: scontrol does not answer"
    print(f"the time is nearly over; back into the queue {said}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Work through the runs of a folder as the task that Slurm says this is."""
    parser = argparse.ArgumentParser(prog="lesionkit.engines.slurm_task")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--how", choices=tuple(worker.HOWS), default="worker")
    given = parser.parse_args(arguments)
    number = int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))
    task = Task(given.folder, number, load=worker.HOWS[given.how])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, task.stop)
    signal.signal(signal.SIGUSR1, task.stop)
    try:
        task.work()
    except KeyboardInterrupt:
        if task.stopped == signal.SIGUSR1:
            task.judge()
            put_back()
        worker.end(128 + (task.stopped or signal.SIGINT))


if __name__ == "__main__":
    main()
