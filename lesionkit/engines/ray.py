"""Many machines through Ray: warm actors on every node, and the runs handed to them.

The pool of `engines.pool` decides what is tried, tried again and given up; here are its
workers, as actors, and the cluster. The records alone say what is done: if the driver
dies, its actors do too, and the next sweep runs what is missing. Every node must see
the data folder at the same path, and have lesionkit and Ray in the same versions.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lesionkit import lookup
from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import Outcome, worker
from lesionkit.engines.pool import Pool, Slot
from lesionkit.engines.process import LEAVE_SECONDS, Pending, account, released
from lesionkit.engines.ray_cluster import Wish, connected, embedded, room
from lesionkit.engines.slots import check_counts
from lesionkit.extras import install

LOOK_SECONDS = 2.0  # between two looks whether an idle actor is still there


def run_all(
    configs: Sequence[RunConfig],
    *,
    address: str | None = None,
    slots: int | None = None,
    slots_per_gpu: int = 1,
    cpus_per_run: float = 1.0,
    retries: int = 1,
    timeout_seconds: float | None = None,
    how: str = "worker",
) -> Generator[Outcome]:
    """The outcome of every run, as soon as it has ended; runs on all nodes at once.

    Args:
        configs: the runs.
        address: of a running cluster, or "auto"; None: one of this machine alone, which
            ends with the sweep.
        slots: runs at once; None: what the nodes that are there have room for, and one
            on the CPU of this machine alone.
        slots_per_gpu: runs that share a GPU. Once a GPU is there, all runs take one,
            unless every run has device "cpu".
        cpus_per_run: what a run without a GPU takes of its node's cores.
        retries: how often a run is tried again whose worker or node died, or that took
            too long. An error that Python raised is not tried again.
        timeout_seconds: the longest that a run may take; None: any time.
        how: one of worker.HOWS; both leave the same record.

    Raises:
        ImportError: Ray is not installed.
        ValueError: an unknown `how`, or a number that is too small.
        RuntimeError: no actor can be started, or this process uses Ray already.
    """
    load = lookup.find("how", how, worker.HOWS)
    check_counts(slots, slots_per_gpu)
    if not cpus_per_run > 0:
        raise ValueError(f"cpus_per_run must be above 0, got {cpus_per_run}")
    if find_spec("ray") is None:
        raise ImportError(f"engine ray needs the extra: {install('ray')}")
    on_gpu = any(config.device != "cpu" for config in configs)
    wish = Wish(len(configs), on_gpu, slots, slots_per_gpu, cpus_per_run)
    again = {"retries": retries, "timeout_seconds": timeout_seconds}
    return _run_all(configs, address, wish, load=load, again=again)


def _run_all(
    configs: Sequence[RunConfig],
    address: str | None,
    wish: Wish,
    *,
    load: Callable[[], worker.Train],
    again: Mapping[str, Any],
) -> Generator[Outcome]:
    """The outcomes, for as long as Ray is there."""
    with embedded(wish) if address is None else connected(address):
        import ray

        count, takes = room(ray.nodes(), wish)
        on_gpu = takes["num_gpus"] > 0
        # what died is replaced by the pool, which knows what was tried
        made = ray.remote(Trainer).options(
            **takes, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )

        def start(log: Path) -> Any:
            return made.remote(load, str(data_folder()), log=str(log), on_gpu=on_gpu)

        yield from Crew(count, start, **again).run_all(configs)


class Trainer:
    """The actor: trains one run after the other and stays warm in between.

    Args:
        load: gives what trains a run; what it imports is loaded once.
        home: the data folder, on a disk that every node shares.
        log: the file for all that it prints; the driver has made it.
        on_gpu: whether Ray gave it a GPU.
    """

    def __init__(
        self, load: Callable[[], worker.Train], home: str, *, log: str, on_gpu: bool
    ) -> None:
        os.environ["LESIONKIT_DATA"] = home
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
        if not on_gpu:  # Ray leaves the variable unset: torch would see every GPU
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        try:
            said = os.open(log, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            raise RuntimeError(
                f"{os.uname().nodename} does not see {log}: LESIONKIT_DATA must be on a"
                " disk that all nodes share"
            ) from None
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.close(said)
        self.train = load()

    def ready(self) -> dict[str, Any]:
        """A sign that it is there."""
        return {"ready": True}

    def answer(self, line: str) -> dict[str, Any]:
        """Train the run of a line and say what came of it, see `engines.worker`."""
        return worker.answer(self.train, line)


def _end_with(raylet: int) -> None:
    """End when the node's Ray does: by itself an actor trains on for seconds."""
    while os.getppid() == raylet:
        time.sleep(0.5)
    os._exit(1)


class Crew(Pool):
    """The pool, with an actor in each slot.

    Args:
        count: the slots.
        start: gives a new actor that writes to this log.
        retries, timeout_seconds: see Pool.
    """

    def __init__(
        self,
        count: int,
        start: Callable[[Path], Any],
        *,
        retries: int = 1,
        timeout_seconds: float | None = None,
    ) -> None:
        # Ray itself sees who is gone; a frozen actor is found by its time limit
        super().__init__(
            [{}] * count,
            [],
            retries=retries,
            timeout_seconds=timeout_seconds,
            silent_seconds=math.inf,
        )
        self.start = start

    # pyrefly: ignore[bad-override] - an actor has what the pool uses of a worker
    def _start(self, slot: Slot) -> Actor:
        """A new actor."""
        return Actor(self.start, self._new_log(), self.inbox)


class Actor:
    """An actor as the pool sees a worker: asked, heard, ended; see `process.Worker`.

    Args:
        start: gives the actor.
        log: the file for all that it prints.
        inbox: takes (actor, message), and (actor, None) when it is gone.
    """

    def __init__(self, start: Callable[[Path], Any], log: Path, inbox: Any) -> None:
        self.log, self.inbox, self.log_start = log, inbox, 0
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        self.pending: Pending | None = None
        self.ready = self.leaving = False
        self.reason: str | None = None  # why it is being killed
        self.gone: str | None = None  # what Ray says of its death
        self.limit_bytes: int | None = None
        self.kill_at = math.inf
        self.heard = self.began = self.looked = time.monotonic()
        self.handle = start(log)
        self._expect(self.handle.ready.remote())

    def _expect(self, answer: Any) -> None:
        """Pass on an answer when it comes."""
        answer.future().add_done_callback(self._hear)

    def _hear(self, answer: Any) -> None:
        """Pass on an answer, or that the actor is gone; runs in a thread of Ray."""
        error = answer.exception()
        if error is not None:
            self.gone = self.gone or why(error)
        self.inbox.put((self, answer.result() if error is None else None))

    @property
    def idle(self) -> bool:
        """Whether it can be asked for a run."""
        return self.ready and self.pending is None and not self.leaving

    def ask(self, pending: Pending) -> bool:
        """Ask for a run; False if the actor is no longer there."""
        if self.gone:
            return False
        self.log_start = self.log.stat().st_size
        self.began = self.heard = time.monotonic()
        self.pending = pending
        pending.attempts += 1
        self._expect(self.handle.answer.remote(json.dumps(asdict(pending.config))))
        return True

    def release(self) -> Pending:
        """The run it was asked for, which has ended one way or the other."""
        pending = released(self)
        with contextlib.suppress(OSError):
            # a network disk may remember that there was no DONE until it lists anew
            os.listdir(pending.config.folder)
        return pending

    def leave(self) -> None:
        """End it; a run under way goes on from its last stored state another time."""
        self.leaving = True
        self.kill_at = min(self.kill_at, time.monotonic() + LEAVE_SECONDS)
        self._kill()
        with contextlib.suppress(Exception):  # the cluster itself may be gone
            self._expect(self.handle.ready.remote())  # never comes: so it is seen gone

    def terminate(self, reason: str) -> None:
        """Kill it, and say why."""
        self.reason = reason
        self.leave()

    def watch(self) -> None:
        """Count it as gone if Ray does not say so in time, as of a node cut off."""
        if time.monotonic() > self.kill_at:
            self.gone = self.gone or "its node does not answer"

    def ended(self) -> bool:
        """Whether it is gone; one that is idle is asked now and then."""
        now = time.monotonic()
        if self.idle and not self.gone and now > self.looked + LOOK_SECONDS:
            self.looked = now
            self._expect(self.handle.ready.remote())
        return self.gone is not None

    def bury(self, until: float = 0.0) -> None:
        """Wait so long, on the monotonic clock, until it is gone; kill it."""
        while self.gone is None and time.monotonic() < until:
            time.sleep(0.02)
        self._kill()
        if self.log.exists() and not self.log.stat().st_size:
            self.log.unlink()

    def _kill(self) -> None:
        """Have Ray kill it, wherever it is."""
        import ray

        with contextlib.suppress(Exception):  # the cluster itself may be gone
            ray.kill(self.handle, no_restart=True)

    def death(self) -> str:
        """Why it died, in one line, with the place of its log."""
        return account(self, str(self.gone))


def why(error: BaseException) -> str:
    """What Ray says of a death, in one sentence; of an error in Python its last line.

    >>> why(Exception("pid: 7\\nThe actor is dead because its node died. Node: 1"))
    'its node died'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "because its" in line or "killed" in line]
    line = (told or lines or [type(error).__name__])[-1]
    return line.split(" because ")[-1].split(". ")[0].rstrip(".") if told else line
