"""Where runs execute. An engine is a function of this form:

    run_all(configs: Sequence[RunConfig], *, its own options) -> Generator[Outcome]

It gives the outcome of each run as soon as that run has ended, in any order. Whether a
run worked is read from its record alone (`runs.is_done`), never from what a worker or
a notebook says. A run that fails stops no other. `sweeps`, `papers`, commands and
notebooks import this room.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from lesionkit.config import RunConfig
from lesionkit.lookup import one_line
from lesionkit.records import runs

__all__ = ["Outcome", "local", "one_by_one", "ray", "slurm"]

NO_RECORD = "the run ended without a finished record"
# In a process that stays warm from run to run, or as a notebook beside the record.
HOWS = dict.fromkeys(("worker", "notebook"))


@dataclass(frozen=True)
class Outcome:
    """What came of one run.

    Attributes:
        config: the run.
        error: why it has no finished record, in one line; None if it has one.
        seconds: wall time of the last attempt.
        attempts: how often it was begun; 0 if its record was found finished.
    """

    config: RunConfig
    error: str | None
    seconds: float
    attempts: int


def one_by_one(
    execute: Callable[[RunConfig], object],
) -> Callable[[Sequence[RunConfig]], Generator[Outcome]]:
    """An engine of a function that trains one run and raises if it did not work.

    `one_by_one(lesionkit.run)` trains in this very process.
    """

    def run_all(configs: Sequence[RunConfig]) -> Generator[Outcome]:
        for config in configs:
            began, error = time.perf_counter(), NO_RECORD
            try:
                execute(config)
            except Exception as raised:  # noqa: BLE001 - a bad run stops no other
                error = one_line(raised)
            done = runs.is_done(config.folder)
            seconds = time.perf_counter() - began
            yield Outcome(config, None if done else error, seconds, 1)

    return run_all
