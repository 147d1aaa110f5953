"""Many machines through Ray: warm actors on every node, and the runs handed to them.

The pool of `engines.pool` decides what is tried, tried again and given up; here are the
bodies of its workers, as actors. The records alone say what is done: if the driver
dies, its actors do too, and the next sweep runs what is missing. Every node must see
the data folder at the same path, and have lesionkit and Ray in the same versions.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lesionkit import lookup
from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import Outcome, worker
from lesionkit.engines.local import check_counts, gpus_for
from lesionkit.engines.pool import LEAVE_SECONDS, Pool, Tell
from lesionkit.extras import install

LOOK_SECONDS = 2.0  # between two looks whether an idle actor is still there
STORE_BYTES = 80 << 20  # Ray's least; no result travels through its object store


def run_all(
    configs: Sequence[RunConfig],
    *,
    address: str | None = None,
    slots: int | None = None,
    slots_per_gpu: int = 1,
    retries: int = 1,
    timeout_seconds: float | None = None,
    how: str = "worker",
) -> Generator[Outcome]:
    """The outcome of every run, as soon as it has ended; runs on all nodes at once.

    Args:
        configs: the runs.
        address: of a running cluster, or "auto"; None: Ray on this machine alone, which
            ends with the sweep.
        slots: runs at once; None: what the nodes that are there have room for, and one
            on the CPU of this machine alone.
        slots_per_gpu: runs that share a GPU. Once a GPU is there, all runs take one,
            unless every run has device "cpu"; a run without one takes a core.
        retries, timeout_seconds, how: as for `local.run_all`; a run whose node died is
            tried again, too.

    Raises:
        ImportError: Ray is not installed.
        ValueError: an unknown `how`, or a number that is too small.
        RuntimeError: no actor can be started, or this process uses Ray already.
    """
    load = lookup.find("how", how, worker.HOWS)
    check_counts(slots, slots_per_gpu)
    if find_spec("ray") is None:
        raise ImportError(f"engine ray needs the extra: {install('ray')}")
    gpus = 0
    if address is None:
        gpus = len(gpus_for(configs))
        slots = max(1, min(slots or gpus * slots_per_gpu, len(configs)))
    on_gpu = any(config.device != "cpu" for config in configs)

    def outcomes() -> Generator[Outcome]:
        with _connected(address, cores=slots, gpus=gpus) as nodes:
            asked = {"slots": slots, "slots_per_gpu": slots_per_gpu}
            count, takes = room(nodes, at_most=len(configs), on_gpu=on_gpu, **asked)
            start = partial(Actor, load, takes)
            again = {"retries": retries, "timeout_seconds": timeout_seconds}
            yield from Pool([{}] * count, start, **again).run_all(configs)

    return outcomes()


@contextlib.contextmanager
def _connected(
    address: str | None, *, cores: int | None, gpus: int
) -> Generator[list[dict[str, Any]]]:
    """Connected to Ray for the block; gives its nodes.

    Args:
        address: of a cluster, which is left as it is; None: Ray is started here.
        cores, gpus: of the Ray that is started here.
    """
    import ray

    if ray.is_initialized():  # what is used already is not ours to shut down
        raise RuntimeError("this process uses Ray already; call ray.shutdown() first")
    own: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it tells nobody
        own |= {"num_cpus": cores, "num_gpus": gpus, "include_dashboard": False}
        own |= {"object_store_memory": STORE_BYTES}
    try:
        ray.init(address=address or "local", **own)
        yield ray.nodes()
    finally:
        ray.shutdown()


def room(
    nodes: Sequence[Mapping[str, Any]],
    *,
    at_most: int,
    on_gpu: bool,
    slots: int | None,
    slots_per_gpu: int,
) -> tuple[int, dict[str, Any]]:
    """How many actors to start, and what each takes of its node.

    Args:
        nodes: as ray.nodes() gives them.
        at_most: the number of runs.
        on_gpu: whether the runs may take a GPU.
        slots, slots_per_gpu: see `run_all`.
    """
    there = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = sum(int(node.get("GPU", 0)) for node in there) if on_gpu else 0
    if gpus:
        # Ray rounds to four digits: six times 0.1667 would not fit on one GPU
        share = math.floor(10_000 / slots_per_gpu) / 10_000
        count, takes = gpus * slots_per_gpu, {"num_gpus": share, "num_cpus": 0}
    else:
        count = sum(int(node.get("CPU", 0)) for node in there)
        takes = {"num_gpus": 0, "num_cpus": 1}
    return max(1, min(slots or count, at_most)), takes


class Trainer:
    """The actor: trains one run after the other and stays warm in between.

    Args:
        load: gives what trains a run.
        home: the data folder, on a disk that every node shares.
        log: the file for all that it prints; the driver has made it.
        on_gpu: whether Ray gave it a GPU.
    """

    def __init__(self, load: worker.Load, home: str, *, log: str, on_gpu: bool) -> None:
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


class Actor:
    """An actor as the body of a worker; what its methods promise says `pool.Body`.

    Args:
        load: gives what trains a run.
        takes: what it takes of its node, see `room`.
        _: its environment is that of the node.
        log: the file for all that it prints.
        tell: takes each answer, and None when it is gone.
    """

    # Ray sees who is gone; a frozen actor is found by its time limit
    beats = False

    def __init__(
        self,
        load: worker.Load,
        takes: Mapping[str, Any],
        _: Mapping[str, str],
        log: Path,
        tell: Tell,
    ) -> None:
        import ray

        # what died is replaced by the pool, which knows what was tried
        made: Any = ray.remote(Trainer).options(
            **takes, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )
        own = {"log": str(log), "on_gpu": takes["num_gpus"] > 0}
        self.handle = made.remote(load, str(data_folder()), **own)
        self.tell = tell
        self.said: str | None = None  # what Ray says of its death
        self.gone_at = math.inf
        self.looked = time.monotonic()
        self._expect(self.handle.ready.remote())

    def _expect(self, answer: Any) -> None:
        """Pass on an answer when it comes."""
        self.awaited = answer.future()
        self.awaited.add_done_callback(self._hear)

    def _hear(self, answer: Any) -> None:
        """Pass on an answer, or that the actor is gone; runs in a thread of Ray."""
        error = answer.exception()
        if error is not None:
            self.said = self.said or why(error)
        self.tell(answer.result() if error is None else None)

    def ask(self, line: str) -> bool:
        """Ask for a run; False if the actor is known to be gone."""
        if self.said is None:
            self._expect(self.handle.answer.remote(line))
        return self.said is None

    def kill(self) -> None:
        """Have Ray kill it, wherever it is; one of a node cut off counts as gone."""
        import ray

        self.gone_at = min(self.gone_at, time.monotonic() + LEAVE_SECONDS)
        with contextlib.suppress(Exception):  # the cluster itself may be gone
            ray.kill(self.handle, no_restart=True)
            self._expect(self.handle.ready.remote())  # never comes: so it is seen gone

    leave = kill  # a run under way goes on from its last stored state another time

    def gone(self) -> str | None:
        """What Ray says of its death; one without a run is asked now and then."""
        now = time.monotonic()
        if now > self.gone_at:
            self.said = self.said or "its node does not answer"
        elif self.awaited.done() and now > self.looked + LOOK_SECONDS:
            self.looked = now
            self._expect(self.handle.ready.remote())
        return self.said

    def bury(self, until: float) -> None:
        """Wait so long until it is gone; kill it."""
        while self.said is None and time.monotonic() < until:
            time.sleep(0.02)
        self.kill()


def why(error: BaseException) -> str:
    """What Ray says of a death, in one sentence; of an error in Python its last line.

    >>> why(Exception("pid: 7\\nThe actor is dead because its node died. Node: 1"))
    'its node died'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "because its" in line or "killed" in line]
    line = (told or lines or [type(error).__name__])[-1]
    return line.split(" because ")[-1].split(". ")[0].rstrip(".") if told else line
