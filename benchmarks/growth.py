"""Whether a sweep costs more per run the longer it is: from 10 to 3,600 runs.

uv run python benchmarks/growth.py

The runs train nothing: each leaves a record of true sizes (its large files sparse), so
that what remains is what the kit adds. Each grid has a driver of its own, of which the
memory is read after its tenth run and at its end. Draws docs/figures/growth.png.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import measurements
import psutil
from startup import made_record

from lesionkit.config import RunConfig
from lesionkit.engines import worker
from lesionkit.engines.local import Process
from lesionkit.engines.pool import Pool
from lesionkit.records import runs
from lesionkit.sweeps.sweep import Sweep, run_sweep

SIZES = (10, 100, 1000, 3600)
FIGURE = measurements.ROOT / "docs" / "figures" / "growth.png"


def leave_record(config: RunConfig) -> None:
    """A run that trains nothing."""
    with runs.claim(runs.start(config)):
        made_record(config)


def load() -> worker.Train:
    """What a worker or an actor trains with."""
    return leave_record


def local() -> Callable:
    """An engine of one warm worker."""
    serve = [sys.executable, "-P", __file__, "--serve"]
    return Pool([{}], partial(Process, serve)).run_all


def ray() -> Callable:
    """An engine of one warm actor."""
    from lesionkit.engines import ray as on_ray

    worker.HOWS["worker"] = __import__("growth").load  # by name: actors import it
    return partial(on_ray.run_all, slots=1)


ENGINES = {"local": local, "ray": ray}


def drive(engine: str, count: int) -> None:
    """Print what a grid of so many runs cost its driver, as JSON."""
    grid = tuple(RunConfig(repeat=k, repeats=max(count, 5)) for k in range(count))
    ends, sizes = [], []

    def ended(_: object) -> None:
        ends.append(time.perf_counter())
        sizes.append(psutil.Process().memory_info().rss)

    began = time.perf_counter()
    sweep = Sweep("growth", grid)
    standing = sweep.standing()
    looked = time.perf_counter() - began
    failures = run_sweep(sweep, ENGINES[engine](), standing=standing, on_outcome=ended)
    if failures or sweep.missing():
        raise RuntimeError(str(failures or "runs are missing"))
    each = (ends[-1] - ends[0]) / (count - 1) + looked / count
    found = {"seconds": each, "tenth": sizes[9], "last": sizes[-1]}
    print(json.dumps(found))


def measured(engine: str, count: int) -> dict[str, float]:
    """A grid in a process and a data folder of its own."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {
            "LESIONKIT_DATA": home,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
        }
        command = [sys.executable, __file__, "--drive", engine, str(count)]
        told = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    return json.loads(told.splitlines()[-1])


def draw(found: dict[str, list[dict[str, float]]]) -> None:
    """Seconds a run and memory of the driver, over the number of runs."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.0))
    for (engine, rows), colour in zip(
        found.items(), ("#0072B2", "#E69F00"), strict=False
    ):
        style = {"marker": "o", "label": engine, "color": colour}
        left.plot(SIZES, [1e3 * row["seconds"] for row in rows], **style)
        right.plot(SIZES, [row["last"] / 1e6 for row in rows], **style)
    left.set(xlabel="runs of the grid", ylabel="ms a run, beside training")
    right.set(xlabel="runs of the grid", ylabel="memory of the driver, MB")
    for axis in (left, right):
        axis.set(xscale="log")
        axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(FIGURE, dpi=110)


def main() -> None:
    """The table and the figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", action="store_true", help="be a worker")
    parser.add_argument("--drive", nargs=2, metavar=("ENGINE", "RUNS"))
    given = parser.parse_args()
    if given.serve:
        worker.serve(load)
    elif given.drive:
        drive(given.drive[0], int(given.drive[1]))
    else:
        report()


def report() -> None:
    """Measure every grid with every engine that is here."""
    there = [e for e in ENGINES if e == "local" or importlib.util.find_spec(e)]
    found = {engine: [measured(engine, n) for n in SIZES] for engine in there}
    draw(found)
    lines = [
        "One slot; a run leaves a record of true sizes and trains nothing. The first"
        " run is left out (its worker starts); the look at the grid is in the time.",
        "",
        "| engine | runs | ms a run | driver after 10 runs, MB | at its end, MB |",
        "|---|---|---|---|---|",
    ]
    for engine, rows in found.items():
        for count, row in zip(SIZES, rows, strict=True):
            memory = f"{row['tenth'] / 1e6:.0f} | {row['last'] / 1e6:.0f}"
            seconds = f"{1e3 * row['seconds']:.1f}"
            lines.append(f"| {engine} | {count:,} | {seconds} | {memory} |")
    measurements.append("What a run costs as the grid grows", lines)


if __name__ == "__main__":
    main()
