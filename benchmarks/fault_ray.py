"""Ray nodes and drivers that are killed; faults of benchmarks/faults.py."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
from fault_bench import Bench, end_left
from fault_homes import Home, Row, ended, finish, wait
from lesionkit.engines.ray_cluster import STORE_BYTES, TRIES

NODE = {"object_store_memory": STORE_BYTES, "num_cpus": 1}


@contextlib.contextmanager
def cluster(bench: Bench) -> Iterator[Any]:
    """Two nodes of one core on this machine.

    Raises:
        NotImplementedError: Ray is not installed.
    """
    if find_spec("ray") is None:
        raise NotImplementedError("Ray is not installed, the extra ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    folder = bench.scratch / "r"
    before = signal.getsignal(signal.SIGTERM)
    made = started(folder)
    try:
        made.second = made.add_node(**NODE)
        signal.signal(signal.SIGTERM, before)  # Ray takes it for itself
        yield made
    finally:
        made.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def started(folder: Path) -> Any:
    """A cluster of one node; a busy machine is given more than one try."""
    from ray.cluster_utils import Cluster

    # Cluster writes its address there, wherever its own folder is
    Path(tempfile.gettempdir(), "ray").mkdir(exist_ok=True)
    head = {**NODE, "temp_dir": str(folder)}
    for left in reversed(range(TRIES)):
        try:
            return Cluster(initialize_head=True, head_node_args=head)
        except Exception:  # noqa: BLE001 - Ray raises no narrower one when it is late
            end_left(folder)
            if not left:
                raise
    return None


def node(bench: Bench) -> Row:
    """Kill -9 of a node's raylet while its actor trains."""
    home = bench.home()
    with cluster(bench) as made, home.watched():
        raylet = made.second.all_processes["raylet"][0].process.pid
        sweep = home.go("--engine", "ray", "--address", made.address)
        wait(lambda: on_node(home, raylet) or sweep.poll() is not None, "a run there")
        bench.wait_in_run()
        wait(lambda: on_node(home, raylet) or sweep.poll() is not None, "a run there")
        home.note_cut(*on_node(home, raylet))
        os.kill(raylet, signal.SIGKILL)
        status, _, err = ended(sweep)
    odd = f"ended with {status}: {err[-300:]}" if status else ""
    seen = "its runs went on at the other node"
    return home.judge(bench.reference, "kill -9 of a Ray node", seen, odd)


def on_node(home: Home, raylet: int) -> list[str]:
    """The runs of the actors of a node."""
    with contextlib.suppress(psutil.NoSuchProcess):
        mine = {child.pid for child in psutil.Process(raylet).children(recursive=True)}
        return [run_id for pid, run_id in home.trainers().items() if pid in mine]
    return []


def driver(bench: Bench) -> Row:
    """Kill -9 of the sweep while actors of both nodes train; the same command again."""
    home = bench.home()
    with cluster(bench) as made, home.watched():
        options = ("--engine", "ray", "--address", made.address)
        sweep = home.go(*options)
        wait(lambda: home.trainers() or sweep.poll() is not None, "a run begins")
        bench.wait_in_run()
        sweep.send_signal(signal.SIGSTOP)
        home.note_cut(*home.trainers().values())
        sweep.kill()
        ended(sweep)
        began = time.monotonic()
        wait(lambda: not home.trainers(), "actors end by themselves")
        gone = time.monotonic() - began
        finish(home.go(*options))
    seen = f"actors gone after {gone:.1f} s"
    return home.judge(bench.reference, "kill -9 of the Ray driver", seen)
