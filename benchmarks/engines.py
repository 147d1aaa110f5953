"""demo.yaml by every engine: the same records, no run twice, none lost.

uv run python benchmarks/engines.py [--only local ray ...]

Each engine trains the 24 runs of demo.yaml in a data folder of its own, by the command
that a user types: `local` with two workers, `notebook` through papermill, `ray` on a
cluster of two local nodes, `slurm` on a Slurm of two nodes that the script starts and
stops, and both of these once more through papermill. Compared
are the bytes of metrics.json, history.csv and split.csv of every run.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import measurements

sys.path.append(str(measurements.ROOT / "tests" / "made"))
from own_slurm import lacking, own_slurm  # noqa: E402

from lesionkit.records.runs import find_records  # noqa: E402

SWEEP = "demo.yaml"
COMPARED = ("metrics.json", "history.csv", "split.csv")
MORE = {
    "local": ["--slots", "2"],
    "notebook": ["--how", "notebook"],
    "ray": ["--engine", "ray", "--address", "auto"],
    "slurm": ["--engine", "slurm", "--tasks", "2"],
}
MORE |= {
    f"{name}-notebook": [*MORE[name], "--how", "notebook"] for name in ("ray", "slurm")
}


@contextmanager
def plain(home: Path) -> Iterator[Mapping[str, str]]:
    """Nothing but this machine."""
    yield {}


def ray_head(node: Mapping[str, int], tries: int = 3) -> Any:
    """A cluster of one node; a busy machine takes longer than Ray gives it."""
    from ray.cluster_utils import Cluster

    try:
        return Cluster(initialize_head=True, head_node_args=node)
    except Exception:
        if tries == 1:
            raise
        return ray_head(node, tries - 1)


@contextmanager
def ray_nodes(home: Path) -> Iterator[Mapping[str, str]]:
    """A cluster of two local nodes of one core each."""
    node = {"object_store_memory": 80 << 20, "num_cpus": 1}
    cluster = ray_head(node)
    try:
        cluster.add_node(**node)
        yield {"RAY_ADDRESS": cluster.address}
    finally:
        cluster.shutdown()


@contextmanager
def slurm_nodes(home: Path) -> Iterator[Mapping[str, str]]:
    """A Slurm of two nodes."""
    folder = home / "slurm"
    folder.mkdir()
    with own_slurm(folder):
        yield {"SLURM_CONF": str(folder / "slurm.conf")}


PLACES = {"local": plain, "notebook": plain, "ray": ray_nodes, "slurm": slurm_nodes}


def engine_of(name: str) -> str:
    """The engine of a row; "notebook" is a row of the local one."""
    return name.removesuffix("-notebook")


def missing(engine: str) -> str | None:
    """Why an engine cannot be tried here, or None."""
    if engine_of(engine) == "slurm":
        return lacking()
    lacks_ray = engine_of(engine) == "ray" and importlib.util.find_spec("ray") is None
    return "the extra ray is not installed" if lacks_ray else None


def lesionkit(*command: str, environment: Mapping[str, str]) -> None:
    """A command of the kit; it must succeed."""
    subprocess.run(
        [sys.executable, "-m", "lesionkit.cli", *command],
        env=environment,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def swept(engine: str) -> tuple[dict[str, str], int, float]:
    """Run id to the hash of what it found; trainings; seconds of the sweep."""
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        environment = os.environ | {"LESIONKIT_DATA": str(home / "data")}
        lesionkit("prepare", "toy", "--size", "32", environment=environment)
        with PLACES[engine_of(engine)](home) as found_at:
            environment |= found_at
            began = time.perf_counter()
            lesionkit("sweep", SWEEP, *MORE[engine], environment=environment)
            took = time.perf_counter() - began
        records = find_records(home / "data" / "runs")
        trainings = sum(len(r.environment["sessions"]) for r in records)
        found = {r.config["run_id"]: digest(r.folder) for r in records}
    return found, trainings, took


def digest(folder: Path) -> str:
    """The hash of the compared files of a record."""
    content = b"".join((folder / name).read_bytes() for name in COMPARED)
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """A row an engine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=MORE, default=list(MORE))
    lines = [
        f"{SWEEP}, each engine in an empty data folder; equal: {', '.join(COMPARED)} of"
        " every run have the bytes of the first engine's.",
        "",
        "| engine | command | records | trainings | equal | sweep, s |",
        "|---|---|---|---|---|---|",
    ]
    first: dict[str, str] = {}
    for engine in parser.parse_args().only:
        if reason := missing(engine):
            lines.append(f"| {engine} | not tried: {reason} | | | | |")
            continue
        try:
            found, trainings, took = swept(engine)
        except Exception as error:  # noqa: BLE001 - the others are tried all the same
            lines.append(
                f"| {engine} | failed: {' '.join(str(error).split())} | | | | |"
            )
            continue
        print(engine, len(found), trainings, f"{took:.0f} s", flush=True)
        first = first or found
        equal = sum(found.get(run_id) == value for run_id, value in first.items())
        command = " ".join(["sweep", SWEEP, *MORE[engine]])
        lines.append(
            f"| {engine} | `{command}` | {len(found)} | {trainings} | {equal} of"
            f" {len(first)} | {took:.0f} |"
        )
    measurements.append("demo.yaml by every engine", lines)


if __name__ == "__main__":
    main()
