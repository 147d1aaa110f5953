"""The commands that run a grid and say how it stands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from lesionkit import lookup
from lesionkit.console import arguments, show

ENGINES = {
    "local": "processes of this machine",
    "slurm": "an sbatch array",
    "ray": "a Ray cluster, or Ray on this machine (extra ray)",
}


@click.command()
@click.argument("file", type=Path)
@click.option(
    "--engine", default="local", show_default=True, help=f"{', '.join(ENGINES)}."
)
@click.option(
    "--how",
    default="worker",
    show_default=True,
    help="worker: in a warm process. notebook: through papermill, the executed notebook"
    " beside the record. Both leave the same record.",
)
@click.option("--slots", type=click.IntRange(1), help="Runs at once on this machine.")
@click.option(
    "--slots-per-gpu", type=click.IntRange(1), default=1, help="Runs that share a GPU."
)
@click.option(
    "--timeout", type=float, metavar="SECONDS", help="The longest a run may take."
)
@click.option(
    "--retries",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Tries again of a run whose worker died or took too long.",
)
@click.option("--retry-failed", is_flag=True, help="Try failed runs again, too.")
@click.option("--address", help="Of a running Ray cluster.")
@click.option(
    "--tasks", type=click.IntRange(1), default=8, help="Tasks of the Slurm array."
)
@click.option(
    "--sbatch", multiple=True, metavar="OPTION", help="For Slurm, such as --gres=gpu:1."
)
@click.option("--dry-run", is_flag=True, help="Say what it would cost, and stop.")
def sweep(
    file: Path, engine: str, dry_run: bool, retry_failed: bool, **how: Any
) -> None:
    """All missing runs of a grid; the same command again goes on with the rest."""
    from tqdm import tqdm

    from lesionkit.pricing import price
    from lesionkit.sweep import read_sweep, run_sweep

    lookup.find("engine", engine, ENGINES)
    lookup.find("how", how["how"], {"worker": None, "notebook": None})
    with arguments():
        grid = read_sweep(file)
    standing = grid.standing()
    missing = grid.missing(retry_failed=retry_failed, standing=standing)
    click.echo(f"{grid.name}: {len(grid.configs)} runs, {len(missing)} missing")
    if dry_run:
        click.echo(price(grid))
        return
    execute = _engine(engine, grid.name, how)
    with tqdm(total=len(missing), desc=grid.name, unit="run") as bar:
        failures = run_sweep(
            grid,
            execute,
            retry_failed=retry_failed,
            standing=standing,
            on_outcome=lambda outcome: bar.update(),
            report=lambda line: tqdm.write(line, file=sys.stderr),
        )
    if failures:
        raise RuntimeError(
            f"{len(failures)} of {len(grid.configs)} runs have no finished record; see"
            f" them: lesionkit status {file}; go on: lesionkit sweep {file}"
        )


def _engine(engine: str, name: str, how: dict[str, Any]) -> Callable:
    """The function that runs configs, with the options that it takes."""
    local = {key: how[key] for key in ("how", "slots", "slots_per_gpu", "retries")}
    if engine == "slurm":
        from lesionkit.engines import slurm

        own = {"tasks": how["tasks"], "options": how["sbatch"], "how": how["how"]}
        return partial(slurm.run_all, name=name, **own)
    if engine == "ray":
        from lesionkit.engines import on_ray

        own = {"address": how["address"], "timeout_seconds": how["timeout"]}
        return partial(on_ray.run_all, **local, **own)
    from lesionkit.engines import local as here

    return partial(here.run_all, **local, timeout_seconds=how["timeout"])


@click.command()
@click.argument("file", type=Path, required=False)
@click.option("--verify", is_flag=True, help="Hash every file, the weights among them.")
@click.option("--figure", type=Path, metavar="PNG", help="The grid as a heat table.")
@click.option("--json", "as_json", is_flag=True, help="For a program to read.")
def status(file: Path | None, verify: bool, figure: Path | None, as_json: bool) -> None:
    """The grid of a sweep file, or all records here: done, running, failed, missing."""
    from lesionkit.sweep import counts_of, read_sweep

    if figure is not None and file is None:
        raise click.UsageError("--figure needs a sweep file")
    with arguments():
        grid_of_file = read_sweep(file) if file else None
    table = grid_of_file.states(verify=verify) if grid_of_file else _records(verify)
    show(table.to_dict("records"), as_json)
    if figure is not None:
        from lesionkit.sweep_figures import grid

        grid(table).savefig(figure, dpi=150)
    if not as_json:
        click.echo(counts_of(table))
        if grid_of_file:
            _tell_queue(grid_of_file.name)


def _tell_queue(name: str) -> None:
    """What Slurm has in its queue for a sweep, where it was submitted."""
    from collections import Counter

    from lesionkit.engines import slurm

    if queued := slurm.queue(slurm.sweep_folder(name)):
        states = Counter(queued.values()).items()
        told = ", ".join(f"{count} {state.lower()}" for state, count in states)
        click.echo(f"tasks in Slurm's queue: {told}")


def _records(verify: bool) -> Any:
    """Every record here with its state."""
    import pandas as pd

    from lesionkit import runs
    from lesionkit.config import data_folder

    root = data_folder() / "runs"
    folders = [path.parent for path in sorted(root.rglob("config.json"))]
    rows = []
    for folder in folders:
        state, reason = runs.state(folder), runs.failure(folder) or ""
        if state == "damaged" or (verify and state == "done"):
            wrong = runs.problems(folder, hashes=verify)
            state, reason = ("damaged", wrong[0]) if wrong else (state, "")
        name = folder.relative_to(root).as_posix()
        rows.append({"state": state, "reason": reason, "run_id": name})
    return pd.DataFrame(rows, columns=["state", "reason", "run_id"])
