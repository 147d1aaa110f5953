"""What a run costs beside its training: papermill, warm workers, Ray; and its status.

uv run python benchmarks/startup.py
uv run python benchmarks/startup.py --first first again

The first command of README.md, `--first`: processor seconds of papermill and its kernel
with nothing prepared, then again with the run finished, then with other parameters and
the set prepared. `--checkout DIR` does it with another checkout, to compare.

Without it: a grid of short runs by each engine: wall time of the sweep, less the
epochs of its runs, by run. Then 3,600 made records of true sizes (the weights as sparse
files): how long a status, and a sweep that has nothing to do, take in a process of
their own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import measurements

sys.path.append(str(measurements.ROOT / "tests" / "made"))
from made_data import write_discs  # noqa: E402

from lesionkit.config import RunConfig  # noqa: E402
from lesionkit.engines import local  # noqa: E402
from lesionkit.records import runs  # noqa: E402
from lesionkit.sweeps.sweep import Sweep, read_sweep, run_sweep  # noqa: E402

WEIGHTS = 48_000_000  # of the 24 million parameters of U-Net ResNet-34, by half
SIZES = {"images.csv": 60_000, "curves.npz": 180_000, "logits.npz": 500_000}


def engines() -> dict[str, Callable]:
    """The engines that are here."""
    found: dict[str, Callable] = {
        "papermill": partial(local.run_all, how="notebook", slots=1),
        "warm worker": partial(local.run_all, how="worker", slots=1),
    }
    if importlib.util.find_spec("ray"):
        from lesionkit.engines import ray as on_ray

        found["ray, warm actor"] = partial(on_ray.run_all, slots=1)
    return found


def grid(count: int) -> Sweep:
    """So many runs of two short epochs."""
    own = {"dataset": "discs", "model": "enet", "size": 32, "epochs": 2}
    own |= {"repeats": count, "keep_weights": "none"}
    return Sweep("grid", tuple(RunConfig(repeat=k, **own) for k in range(count)))


def beside_training(engine: Callable, count: int) -> tuple[float, float]:
    """Seconds a run beside its epochs: of the first, and of the others."""
    sweep, ends = grid(count), []
    began = time.perf_counter()
    failures = run_sweep(
        sweep, engine, on_outcome=lambda outcome: ends.append(time.perf_counter())
    )
    if failures:
        raise RuntimeError(str(failures))
    trained = []
    for config in sweep.configs:
        (session,) = runs.RunRecord(config.folder).environment["sessions"]
        trained.append(2 * session["epoch_seconds"])
    first = ends[0] - began - trained[0]
    rest = (ends[-1] - ends[0] - sum(trained[1:])) / max(1, count - 1)
    return first, rest


def made_record(config: RunConfig) -> None:
    """A sealed record of true sizes, its large files sparse, without their hashes."""
    folder = runs.start(config)
    sizes = SIZES | {"best.safetensors": WEIGHTS}
    for name, size in sizes.items():
        with (folder / name).open("wb") as stream:
            stream.truncate(size)
    for name in ("metrics", "environment"):
        (folder / f"{name}.json").write_text("{}")
    for name in ("history", "split"):
        (folder / f"{name}.csv").write_text("epoch\n1\n")
    files = [path for path in sorted(folder.iterdir()) if path.name[0] != "."]
    seal = {p.name: {"bytes": p.stat().st_size, "sha256": ""} for p in files}
    seal["config.json"]["sha256"] = runs.sha256(folder / "config.json")
    (folder / "DONE").write_text(json.dumps({"format": 1, "files": seal}))


def seconds(*command: str) -> float:
    """Wall time of a command of the kit; it must succeed."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "lesionkit.cli", *command],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


# row -> what is given beside the loss; the run of the first row is found by the second
FIRST: dict[str, tuple[str, ...]] = {
    "first": (),
    "again": (),
    "threads": ("-p", "threads", "2"),
    "bfloat16": ("-p", "dtype", "bfloat16"),
    "channels_last": ("-p", "memory_format", "channels_last"),
    "enet": ("-p", "model", "enet"),
}


def processor_seconds() -> float:
    """Of all processes that were started here and have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def first_row(name: str, home: Path, checkout: Path, epochs: int | None) -> str:
    """One execution of notebook 03: processor and wall seconds, test Dice."""
    notebook = str(checkout / "notebooks" / "03_train.ipynb")
    command = [sys.executable, "-m", "papermill", notebook, str(home / "out.ipynb")]
    command += ["--no-progress-bar", "-p", "loss", "ioufocal", *FIRST[name]]
    command += ["-p", "epochs", str(epochs)] if epochs else []
    paths = {"LESIONKIT_DATA": str(home), "PYTHONPATH": str(checkout)}
    before, began = processor_seconds(), time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | paths, capture_output=True)
    wall, used = time.perf_counter() - began, processor_seconds() - before
    newest = max(home.rglob("metrics.json"), key=lambda path: path.stat().st_mtime)
    (session,) = runs.RunRecord(newest.parent).environment["sessions"]
    dice = json.loads(newest.read_text())["test"]["probability"]["image"]["dice"]
    cells = [name, f"{used:.1f}", f"{wall:.0f}", f"{session['wall_seconds']:.0f}"]
    return measurements.row([*cells, f"{dice:.4f}"])


def first_lines(
    names: list[str], checkout: Path, called: str, epochs: int | None
) -> list[str]:
    """The table of the first command."""
    columns = ["row", "processor s", "wall s", "of it training, wall s", "test Dice"]
    with tempfile.TemporaryDirectory() as home:
        rows = [first_row(name, Path(home), checkout, epochs) for name in names]
    about = f"{called}: `papermill notebooks/03_train.ipynb out.ipynb -p loss ioufocal`"
    about += f", `-p epochs {epochs}`" if epochs else ""
    given = {n: " ".join(FIRST[n]) for n in names if FIRST[n]}
    also = "".join(f"; {name}: `{options}`" for name, options in given.items())
    return [f"{about}{also}.", "", *measurements.head(columns), *rows]


def engine_lines(count: int) -> list[str]:
    """A row an engine: what its runs cost beside their epochs."""
    lines = [
        f"{count} runs of ENet, two epochs of 12 images of 32 px, one slot.",
        "",
        "| engine | first run, beside its epochs, s | every other run, s |",
        "|---|---|---|",
    ]
    for name, engine in engines().items():
        with tempfile.TemporaryDirectory() as home:
            os.environ["LESIONKIT_DATA"] = home
            write_discs("discs")
            first, rest = beside_training(engine, count)
        lines.append(f"| {name} | {first:.2f} | {rest:.3f} |")
    return lines


def status_line() -> str:
    """How long a look at 3,600 made records takes, here and as commands."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["LESIONKIT_DATA"] = home
        configs = read_sweep("paper_a.yaml").configs
        for config in configs:
            made_record(config)
        began = time.perf_counter()
        counted = read_sweep("paper_a.yaml").states()["state"].value_counts().to_dict()
        inside = time.perf_counter() - began
        status = seconds("status", "paper_a.yaml")
        again = seconds("sweep", "paper_a.yaml")
    return (
        f"paper_a.yaml with {len(configs):,} made records ({counted}): read and looked"
        f" at in {inside:.2f} s in a process that is there; `lesionkit status`"
        f" {status:.2f} s, a sweep with nothing to do {again:.2f} s."
    )


def main() -> None:
    """The table, and the line below it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--first", nargs="*", choices=FIRST, help="Rows; none is all.")
    parser.add_argument("--epochs", type=int, help="Of --first; else the demo's 12.")
    parser.add_argument("--checkout", type=Path, default=measurements.ROOT)
    parser.add_argument("--called", default="this version", help="The checkout's name.")
    given = parser.parse_args()
    if given.first is not None:
        names = given.first or list(FIRST)
        lines = first_lines(names, given.checkout, given.called, given.epochs)
        measurements.append("The first command", lines)
        return
    lines = [*engine_lines(given.runs), "", status_line()]
    measurements.append("What a run costs beside its training", lines)


if __name__ == "__main__":
    main()
