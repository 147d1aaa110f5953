"""Warm workers, one in each slot of this machine, and the runs handed to them."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import NO_RECORD, Outcome
from lesionkit.engines.process import LEAVE_SECONDS, Pending, Worker, messages
from lesionkit.records import runs

TICK_SECONDS = 0.2
START_SECONDS = 300.0  # to import torch from a slow disk
HELD_SECONDS = 2.0  # between two looks at a run that another process trains
STARTS = 3  # workers that die before their first run, until a slot is given up


@dataclass
class Slot:
    """A place for one worker."""

    environment: Mapping[str, str]
    worker: Worker | None = None
    failures: int = 0  # workers in a row that died without a run


class Waiting:
    """The runs that are not under way: first the new ones, then those to ask again."""

    def __init__(self, configs: Sequence[RunConfig]) -> None:
        self.new, self.left = iter(configs), len(configs)
        self.again: deque[Pending] = deque()

    def __len__(self) -> int:
        return self.left + len(self.again)

    def take(self) -> Pending | None:
        """The next run whose time has come."""
        if self.left:
            self.left -= 1
            return Pending(next(self.new))
        for _ in range(len(self.again)):
            pending = self.again.popleft()
            if pending.ask_at <= time.monotonic():
                return pending
            self.again.append(pending)
        return None

    def put(self, pending: Pending, seconds: float = 0.0) -> None:
        """To the end, to be taken after so many seconds."""
        pending.ask_at = time.monotonic() + seconds
        self.again.append(pending)


class Pool:
    """Keeps a warm worker in each slot, and replaces those that die or grow.

    Args:
        slots: for each slot, what its environment has besides that of this process.
        command: what starts a worker (see `engines.worker`).
        retries: how often a run is tried again whose worker died or took too long. An
            error that Python raised is not tried again: it would be raised again.
        timeout_seconds: the longest that a run may take; None: any time.
        recycle_bytes: a worker with more memory than this after a run is replaced;
            None: 1.5 times what it had after its first run, and 1 GiB.
        silent_seconds: a worker that gives no sign for so long is frozen.
    """

    def __init__(
        self,
        slots: Sequence[Mapping[str, str]],
        command: Sequence[str],
        *,
        retries: int = 1,
        timeout_seconds: float | None = None,
        recycle_bytes: int | None = None,
        silent_seconds: float = 300.0,
    ) -> None:
        self.slots = [Slot(environment) for environment in slots]
        self.command = list(command)
        self.retries, self.recycle_bytes = retries, recycle_bytes
        self.timeout_seconds = (
            float("inf") if timeout_seconds is None else timeout_seconds
        )
        self.silent_seconds = silent_seconds
        self.inbox: queue.SimpleQueue = queue.SimpleQueue()
        self.waiting, self.started = Waiting([]), 0
        self.outcomes: list[Outcome] = []

    def run_all(self, configs: Sequence[RunConfig]) -> Generator[Outcome]:
        """The outcome of every run, as soon as it has ended.

        Workers end when this iterator does, also by an error, by Ctrl-C or by close().

        Raises:
            RuntimeError: no worker can be started.
        """
        self.waiting, self.outcomes = Waiting(configs), []
        try:
            while self._under_way():
                self._hear()
                self._hand_out()
                # only now: whoever takes an outcome lets no worker wait meanwhile
                yield from self.outcomes
                self.outcomes.clear()
        finally:
            self.close()

    def close(self) -> None:
        """End every worker; one that has not ended after a while is killed."""
        workers = self._workers()
        until = time.monotonic() + LEAVE_SECONDS
        try:
            for worker in workers:
                worker.leave()
            for worker in workers:
                worker.bury(until)
        finally:  # a second Ctrl-C
            for slot in self.slots:
                if slot.worker is not None:
                    slot.worker.bury()
                slot.worker = None

    def _workers(self) -> list[Worker]:
        """The workers that are there."""
        return [slot.worker for slot in self.slots if slot.worker is not None]

    def _under_way(self) -> bool:
        """Whether a run is still to come."""
        return bool(self.waiting) or any(w.pending for w in self._workers())

    def _hand_out(self) -> None:
        """A run for each worker that has none, past those done or held elsewhere."""
        self._start_workers()
        for worker in self._workers():
            while worker.idle and (pending := self.waiting.take()):
                folder = pending.config.folder
                if runs.is_done(folder):
                    self._ended(pending, None)
                elif runs.is_held_here(folder):
                    self.waiting.put(pending, HELD_SECONDS)
                elif not worker.ask(pending):
                    self.waiting.put(pending)
                    break  # it has died; that is dealt with as soon as it is seen

    def _start_workers(self) -> None:
        """Fill empty slots, with no more workers than there are runs."""
        busy = sum(worker.pending is not None for worker in self._workers())
        for slot in self.slots:
            wanted = len(self._workers()) < len(self.waiting) + busy
            if wanted and slot.worker is None and slot.failures < STARTS:
                slot.worker = self._start(slot)

    def _start(self, slot: Slot) -> Worker:
        """A new worker in this slot."""
        return Worker(self.command, slot.environment, self._new_log(), self.inbox)

    def _new_log(self) -> Path:
        """Where the next worker prints to."""
        self.started += 1
        when = time.strftime("%Y-%m-%dT%H%M%S")
        name = f"{when}-{os.getpid()}-{self.started}.log"
        return data_folder() / "runs" / ".logs" / name

    def _hear(self) -> None:
        """What the workers say, and what becomes of those that have ended."""
        # first who has ended, then all that was said: the last words are not lost
        ended = [slot for slot in self.slots if slot.worker and slot.worker.ended()]
        wait = TICK_SECONDS if self._workers() and not ended else 0.0
        for worker, message in messages(self.inbox, wait):
            worker.heard = time.monotonic()
            if message and message.get("ready"):
                worker.ready = True
            if message and "run_id" in message and worker.pending:
                self._answered(worker, message)
        for slot in ended:
            self._buried(slot)
        for worker in self._workers():
            self._watch(worker)

    def _answered(self, worker: Worker, message: dict[str, Any]) -> None:
        """A worker has ended a run: done, held elsewhere, or failed."""
        pending = worker.release()
        self._recycle(worker, message)
        for slot in self.slots:
            if slot.worker is worker:
                slot.failures = 0
        if message["held"]:
            pending.attempts -= 1
            self.waiting.put(pending, HELD_SECONDS)
        elif message["died"]:
            self._died(pending, message["error"])
        else:
            done = runs.is_done(pending.config.folder)
            self._ended(pending, None if done else message["error"] or NO_RECORD)

    def _recycle(self, worker: Worker, message: dict[str, Any]) -> None:
        """Let a worker go that has grown, or that may be damaged."""
        size = message["memory_bytes"]
        if worker.limit_bytes is None:
            worker.limit_bytes = self.recycle_bytes or int(1.5 * size) + (1 << 30)
        if size > worker.limit_bytes or not message["sound"]:
            worker.leave()

    def _buried(self, slot: Slot) -> None:
        """A worker is gone: its slot is free, and its run failed or is tried again."""
        worker, slot.worker = slot.worker, None
        if worker is None:
            return
        reason = worker.death()
        worker.bury()
        if worker.pending is not None:
            self._died(worker.release(), reason)
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
            self.waiting.put(pending)
        else:
            # told, not kept, on a full disk or in the place of another run
            with contextlib.suppress(OSError, ValueError):
                runs.note_failure(runs.start(pending.config), reason)
            self._ended(pending, reason)

    def _ended(self, pending: Pending, error: str | None) -> None:
        """A run has its outcome."""
        seconds, attempts = pending.seconds, pending.attempts
        self.outcomes.append(Outcome(pending.config, error, seconds, attempts))

    def _watch(self, worker: Worker) -> None:
        """Kill a worker that takes too long, is frozen, or does not end when told."""
        now = time.monotonic()
        silent = self.silent_seconds if worker.ready else START_SECONDS
        if worker.leaving:
            worker.watch()
        elif now - worker.heard > silent:
            worker.terminate(f"no sign of the worker in {silent:g} s")
        elif worker.pending and now - worker.began > self.timeout_seconds:
            worker.terminate(f"it took longer than {self.timeout_seconds:g} s")
