"""A cluster of Ray for a sweep: one that runs already, or one of this machine alone."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lesionkit.engines.slots import find_gpus

STORE_BYTES = 80 << 20  # Ray's least; no result travels through its object store
TRIES = 3  # a busy machine takes longer to start than the 30 s that Ray gives itself
# Waits for the end of its driver, also by kill -9, and ends what is left of the cluster
# in this folder: a gcs_server can outlive its head.
KEEPER = """\
import contextlib, os, psutil, shutil, sys
home, left = sys.argv[1], []
sys.stdin.read()
for each in psutil.process_iter(["pid", "cmdline"]):
    line = " ".join(each.info["cmdline"] or ())
    if home in line and "/ray/" in line and each.pid != os.getpid():
        with contextlib.suppress(psutil.NoSuchProcess):
            left += [each, *each.children(recursive=True)]
for each in left:
    with contextlib.suppress(psutil.NoSuchProcess):
        each.kill()
psutil.wait_procs(left, 5)
shutil.rmtree(home, ignore_errors=True)
"""


@dataclass(frozen=True)
class Wish:
    """How many actors are wanted, and what each takes."""

    runs: int
    on_gpu: bool
    slots: int | None
    slots_per_gpu: int
    cpus_per_run: float


def room(nodes: Sequence[Mapping[str, Any]], wish: Wish) -> tuple[int, dict[str, Any]]:
    """How many actors to start, and what each takes of its node.

    Args:
        nodes: as ray.nodes() gives them.
        wish: what is wanted.
    """
    there = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = sum(int(node.get("GPU", 0)) for node in there) if wish.on_gpu else 0
    if gpus:
        # Ray rounds to four digits: six times 0.1667 would not fit on one GPU
        share = math.floor(10_000 / wish.slots_per_gpu) / 10_000
        count, takes = gpus * wish.slots_per_gpu, {"num_gpus": share, "num_cpus": 0}
    else:
        count = sum(int(n.get("CPU", 0) / wish.cpus_per_run + 1e-6) for n in there)
        takes = {"num_gpus": 0, "num_cpus": wish.cpus_per_run}
    return max(1, min(wish.slots or count, wish.runs)), takes


@contextlib.contextmanager
def connected(address: str) -> Iterator[None]:
    """Connected to a cluster for the block; the cluster itself is left as it is."""
    import ray

    _refuse_second()
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def embedded(wish: Wish) -> Iterator[None]:
    """A cluster of this machine alone for the block; nothing of it is left after."""
    import ray

    _refuse_second()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it tells nobody
    gpus = len(find_gpus()) if wish.on_gpu else 0
    count = max(1, min(wish.slots or gpus * wish.slots_per_gpu, wish.runs))
    for left in reversed(range(TRIES)):
        # sockets have short paths, and a folder of its own knows no other cluster
        home = tempfile.mkdtemp(prefix="lesionkit-ray-", dir="/tmp")
        keeper = _keeper(home)
        try:
            ray.init(
                address="local",
                num_cpus=math.ceil(count * wish.cpus_per_run),
                num_gpus=gpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=STORE_BYTES,
                _temp_dir=home,
            )
            break
        except BaseException as error:
            _shut_down(keeper)
            if not left or not isinstance(error, Exception):
                raise
    try:
        yield
    finally:
        _shut_down(keeper)


def _refuse_second() -> None:
    """A cluster that is used already is not ours to shut down."""
    import ray

    if ray.is_initialized():
        raise RuntimeError("this process uses Ray already; call ray.shutdown() first")


def _keeper(home: str) -> subprocess.Popen:
    """A process that ends what is left of the cluster when this one has ended."""
    return subprocess.Popen(
        [sys.executable, "-P", "-c", KEEPER, home],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in the terminal does not reach it
    )


def _shut_down(keeper: subprocess.Popen) -> None:
    """End the cluster, whatever state it is in."""
    import ray

    try:
        ray.shutdown()
    finally:
        if keeper.stdin is not None:
            keeper.stdin.close()
        keeper.wait()
