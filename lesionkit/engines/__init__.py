"""Where runs execute. An engine is a function of this form:

    run_all(configs: Sequence[RunConfig], *, its own options) -> Iterator[Outcome]

It gives the outcome of each run as soon as that run has ended, in any order. Whether a
run worked is read from its record alone (`runs.is_done`), never from what a worker or
a notebook says. A run that fails stops no other.
"""

from __future__ import annotations

from dataclasses import dataclass

from lesionkit.config import RunConfig


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
