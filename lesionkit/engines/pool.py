"""Warm workers, one in each slot, and the runs handed to them.

The pool decides what is tried, tried again and given up. What trains is the body of a
worker: a process of this machine (`engines.local`) or an actor of Ray
(`engines.ray`).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import NO_RECORD, Outcome
from lesionkit.records import runs

TICK_SECONDS = 0.2
START_SECONDS = 300.0  # to import torch from a slow disk
SILENT_SECONDS = 300.0  # a worker that gives no sign for so long is frozen
LEAVE_SECONDS = 15.0  # for a worker to end by itself
HELD_SECONDS = 2.0  # between two looks at a run that another process trains
STARTS = 3  # workers that die before their first run, until a slot is given up
GROWTH_BYTES = 1 << 30  # that a worker may keep beyond 1.5 times its first run's memory
TAIL_BYTES = 8192  # of a log, where the reason of a death stands

Tell = Callable[[dict[str, Any] | None], None]


class Body(Protocol):
    """What trains for a worker, and answers in the messages of `engines.worker`.

    `beats` says whether it gives signs of life while it trains. `ask` is for a run, the
    fields of its config in JSON; False if it is gone. `leave` asks it to end, and stops
    the run under way, as by Ctrl-C where that is possible; `kill` ends it, whatever it
    does. `gone` is how it ended, once all that it said was passed on, or None. `bury`
    waits until it has ended, so long on the monotonic clock, and leaves nothing.
    """

    beats: bool

    def ask(self, line: str) -> bool: ...
    def leave(self) -> None: ...
    def kill(self) -> None: ...
    def gone(self) -> str | None: ...
    def bury(self, until: float) -> None: ...


# Starts a body: what its environment has besides ours, its log, and who is told what
# it says (None: a sign of life).
Start = Callable[[Mapping[str, str], Path, Tell], Body]


@dataclass
class Pending:
    """A run that is on its way, and what was tried so far."""

    config: RunConfig
    attempts: int = 0
    seconds: float = 0.0
    ask_at: float = 0.0  # on the monotonic clock


@dataclass
class Slot:
    """A place for one worker."""

    environment: Mapping[str, str]
    worker: Worker | None = None
    failures: int = 0  # workers in a row that died without a run


class Worker:
    """A worker as the pool sees it: asked, heard, ended.

    Args:
        slot: its place.
        start: gives its body.
        log: the file for all that it prints.
        inbox: takes (worker, message).
    """

    def __init__(
        self, slot: Slot, start: Start, log: Path, inbox: queue.SimpleQueue
    ) -> None:
        self.slot, self.log, self.log_start = slot, log, 0
        self.pending: Pending | None = None
        self.ready = self.leaving = False
        self.reason: str | None = None  # why it was killed
        self.limit_bytes: int | None = None
        self.kill_at = math.inf
        self.heard = self.began = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        self.body = start(slot.environment, log, lambda told: inbox.put((self, told)))

    @property
    def idle(self) -> bool:
        """Whether it can be asked for a run."""
        return self.ready and self.pending is None and not self.leaving

    def ask(self, pending: Pending) -> bool:
        """Ask for a run; False if the worker is no longer there."""
        self.log_start = self.log.stat().st_size
        if not self.body.ask(json.dumps(asdict(pending.config))):
            return False
        self.began = self.heard = time.monotonic()
        self.pending = pending
        pending.attempts += 1
        return True

    def release(self) -> Pending | None:
        """The run it was asked for, if any, which has ended one way or the other."""
        pending, self.pending = self.pending, None
        if pending:
            pending.seconds = time.monotonic() - self.began
            with contextlib.suppress(OSError):
                # a network disk may remember that DONE was not there until it lists
                os.listdir(pending.config.folder)
        return pending

    def leave(self) -> None:
        """Ask it to end, and give it some time for that."""
        self.leaving = True
        self.kill_at = min(self.kill_at, time.monotonic() + LEAVE_SECONDS)
        self.body.leave()

    def kill(self, reason: str) -> None:
        """End it now, and say why."""
        self.leaving, self.reason = True, reason
        self.body.kill()

    def bury(self, until: float = 0.0) -> None:
        """Wait so long until it has ended; an empty log goes with it."""
        self.body.bury(until)
        if self.log.exists() and not self.log.stat().st_size:
            self.log.unlink()


class Pool:
    """Keeps a warm worker in each slot, and replaces those that die or grow.

    Args:
        slots: for each slot, what its environment has besides that of this process.
        start: gives the body of a worker.
        retries: how often a run is tried again whose worker died or took too long. An
            error that Python raised is not tried again: it would be raised again.
        timeout_seconds: the longest that a run may take; None: any time.
    """

    def __init__(
        self,
        slots: Sequence[Mapping[str, str]],
        start: Start,
        *,
        retries: int = 1,
        timeout_seconds: float | None = None,
    ) -> None:
        self.slots = [Slot(environment) for environment in slots]
        self.start, self.retries = start, retries
        self.timeout_seconds = math.inf if timeout_seconds is None else timeout_seconds
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()
        self.waiting: deque[Pending] = deque()
        self.outcomes: list[Outcome] = []
        self.started = 0

    def run_all(self, configs: Sequence[RunConfig]) -> Generator[Outcome]:
        """The outcome of every run, as soon as it has ended.

        Workers end when this iterator does, also by an error, by Ctrl-C or by close().

        Raises:
            RuntimeError: no worker can be started.
        """
        self.waiting, self.outcomes = deque(map(Pending, configs)), []
        try:
            while self.waiting or any(worker.pending for worker in self._workers()):
                self._hear()
                self._hand_out()
                # only now: whoever takes an outcome lets no worker wait meanwhile
                yield from self.outcomes
                self.outcomes.clear()
        finally:  # one that has not ended after a while is killed
            workers = self._workers()
            until = time.monotonic() + LEAVE_SECONDS
            try:
                for worker in workers:
                    worker.leave()
                for worker in workers:
                    worker.bury(until)
            finally:  # a second Ctrl-C
                for worker in workers:
                    worker.bury()
                    worker.slot.worker = None

    def _workers(self) -> list[Worker]:
        """The workers that are there."""
        return [slot.worker for slot in self.slots if slot.worker is not None]

    def _take(self) -> Pending | None:
        """The next run whose time has come."""
        for _ in range(len(self.waiting)):
            pending = self.waiting.popleft()
            if pending.ask_at <= time.monotonic():
                return pending
            self.waiting.append(pending)
        return None

    def _put(self, pending: Pending, seconds: float = 0.0) -> None:
        """To the end, to be taken after so many seconds."""
        pending.ask_at = time.monotonic() + seconds
        self.waiting.append(pending)

    def _hand_out(self) -> None:
        """Fill empty slots; a run for each idle worker, past those done or held."""
        wanted = len(self.waiting) + sum(bool(w.pending) for w in self._workers())
        for slot in self.slots:
            free = slot.worker is None and slot.failures < STARTS
            if free and len(self._workers()) < wanted:
                self.started += 1
                when = time.strftime("%Y-%m-%dT%H%M%S")
                name = f"{when}-{os.getpid()}-{self.started}.log"
                log = data_folder() / "runs" / ".logs" / name
                slot.worker = Worker(slot, self.start, log, self.inbox)
        for worker in self._workers():
            while worker.idle and (pending := self._take()):
                folder = pending.config.folder
                if runs.is_done(folder):
                    self._ended(pending, None)
                elif runs.is_held_here(folder):
                    self._put(pending, HELD_SECONDS)
                elif not worker.ask(pending):
                    self._put(pending)
                    break  # it has died; that is dealt with as soon as it is seen

    def _hear(self) -> None:
        """What the workers say, and what becomes of those that ended, or must."""
        # first who has ended, then all that was said: the last words are not lost
        gone = [(w, how) for w in self._workers() if (how := w.body.gone())]
        wait = TICK_SECONDS if self._workers() and not gone else 0.0
        with contextlib.suppress(queue.Empty):
            self._heard(*self.inbox.get(timeout=wait))
            while True:
                self._heard(*self.inbox.get_nowait())
        for worker, how in gone:
            self._buried(worker, how)
        for worker in self._workers():
            now = time.monotonic()
            silent = SILENT_SECONDS if worker.ready else START_SECONDS
            frozen = now - worker.heard > silent
            if worker.leaving:
                if now > worker.kill_at:
                    worker.body.kill()
            elif frozen and (worker.body.beats or not worker.ready):
                worker.kill(f"no sign of the worker in {silent:g} s")
            elif worker.pending and now - worker.began > self.timeout_seconds:
                worker.kill(f"it took longer than {self.timeout_seconds:g} s")

    def _heard(self, worker: Worker, message: dict[str, Any] | None) -> None:
        """One message of a worker: a run is done, held elsewhere, or has failed."""
        worker.heard = time.monotonic()
        if not message:
            return
        worker.ready |= "ready" in message
        pending = worker.release() if "run_id" in message else None
        if pending is None:
            return
        worker.slot.failures = 0
        size = message["memory_bytes"]
        if worker.limit_bytes is None:
            worker.limit_bytes = int(1.5 * size) + GROWTH_BYTES
        if size > worker.limit_bytes or not message["sound"]:
            worker.leave()
        if message["held"]:
            pending.attempts -= 1
            self._put(pending, HELD_SECONDS)
        elif message["died"]:
            self._died(pending, message["error"])
        else:
            done = runs.is_done(pending.config.folder)
            self._ended(pending, None if done else message["error"] or NO_RECORD)

    def _buried(self, worker: Worker, how: str) -> None:
        """A worker is gone: its slot is free, and its run failed or is tried again."""
        slot, last = worker.slot, last_words(worker.log, worker.log_start)
        reason = worker.reason or f"the worker died ({how}){last and ': ' + last}"
        if worker.log.stat().st_size:
            reason += f"; log: {worker.log}"
        slot.worker = None
        worker.bury()
        if pending := worker.release():
            self._died(pending, reason)
        elif not worker.leaving or worker.reason:
            slot.failures += 1
            if all(slot.failures >= STARTS for slot in self.slots):
                way = "; ask lesionkit doctor"
                raise RuntimeError(f"no worker can be started: {reason}{way}")
            if slot.failures == STARTS:
                print(f"a slot is given up: {reason}", file=sys.stderr)

    def _died(self, pending: Pending, reason: str) -> None:
        """What trained this run is gone: try again, or give it up and say why."""
        if runs.is_done(pending.config.folder):
            self._ended(pending, None)
        elif pending.attempts <= self.retries:
            self._put(pending)
        else:
            # told, not kept, on a full disk or in the place of another run
            with contextlib.suppress(OSError, ValueError):
                runs.note_failure(runs.start(pending.config), reason)
            self._ended(pending, reason)

    def _ended(self, pending: Pending, error: str | None) -> None:
        """A run has its outcome."""
        seconds, attempts = pending.seconds, pending.attempts
        self.outcomes.append(Outcome(pending.config, error, seconds, attempts))


def last_words(log: Path, start: int = 0) -> str:
    """The line of a log that tells best why a process died; "" if there is none."""
    with log.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(start, end - TAIL_BYTES))
        lines = stream.read().decode(errors="replace").splitlines()
    said = [line.strip() for line in lines if line.strip()]
    fatal = [line for line in said if line.startswith("Fatal Python error")]
    return (fatal or said or [""])[-1]
