"""The commands that run a grid and say how it stands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click

from lesionkit import lookup
from lesionkit.cli.console import AS_JSON, arguments, bar, place, show

ENGINES = {
    "local": "processes of this machine",
    "slurm": "an sbatch array",
    "ray": "a Ray cluster, or Ray on this machine (extra ray)",
}


@click.command()
@click.argument("file", type=Path)
@click.option(
    "--engine",
    default="local",
    show_default=True,
    help="; ".join(f"{name}: {says}" for name, says in ENGINES.items()),
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
@click.option(
    "--records",
    metavar="URL",
    help="Of run records that machines share, such as s3://bucket/runs.",
)
@click.option("--dry-run", is_flag=True, help="Say what it would cost, and stop.")
def sweep(
    file: Path,
    engine: str,
    records: str | None,
    dry_run: bool,
    retry_failed: bool,
    **given: Any,
) -> None:
    """All missing runs of a grid; the same command again goes on with the rest."""
    from tqdm import tqdm

    from lesionkit.sweeps.sweep import price, read_sweep

    lookup.find("engine", engine, ENGINES)
    lookup.find("how", given["how"], {"worker": None, "notebook": None})
    with arguments():
        grid = read_sweep(file)
    if dry_run:
        missing = _missing(grid, retry_failed)
        if records is not None:
            _tell_there(missing, records)
        click.echo(price(grid))
        return
    execute = _engine(engine, grid.name, given)

    def report(line: str) -> None:
        tqdm.write(line, file=sys.stderr)

    with _shared(grid, records, report) as give:
        failures = _run(grid, execute, retry_failed, give, report)
    if failures:
        raise RuntimeError(
            f"{len(failures)} of {len(grid.configs)} runs have no finished record; see"
            f" them: lesionkit status {file}; go on: lesionkit sweep {file}"
        )


def _run(
    grid: Any, execute: Callable, retry_failed: bool, give: Callable, report: Callable
) -> dict[str, str]:
    """Run what is missing, with a bar; give away each record that is finished."""
    from lesionkit.sweeps.sweep import run_sweep

    standing = grid.standing()
    missing = _missing(grid, retry_failed, standing)
    with bar(None, total=len(missing), desc=grid.name, unit="run") as shown:

        def on_outcome(outcome: Any) -> None:
            shown.update()
            if outcome.error is None:
                give(outcome.config)

        return run_sweep(
            grid,
            execute,
            retry_failed=retry_failed,
            standing=standing,
            on_outcome=on_outcome,
            report=report,
        )


def _missing(grid: Any, retry_failed: bool, standing: list | None = None) -> list:
    """The runs without a record; says how many there are."""
    missing = grid.missing(retry_failed=retry_failed, standing=standing)
    click.echo(f"{grid.name}: {len(grid.configs)} runs, {len(missing)} missing")
    return missing


def _tell_there(missing: list, records: str) -> None:
    """How many of the missing runs are finished at a URL."""
    from lesionkit.records.remote import there

    with arguments():
        found = there(records)
    count = sum(config.run_id in found for config in missing)
    click.echo(f"{count} of them are finished at {records}")


def _shared(grid: Any, records: str | None, report: Callable) -> Any:
    """A block whose finished runs go to a URL, after those there were taken."""
    if records is None:
        return nullcontext(lambda config: None)
    from lesionkit.records.remote import shared
    from lesionkit.records.stores import open_store

    with arguments():
        open_store(records)  # a misspelt scheme is a wrong argument
    return shared(grid.configs, records, report)


def _engine(engine: str, name: str, given: dict[str, Any]) -> Callable:
    """The function that runs configs, with the options that it takes."""
    local = {key: given[key] for key in ("how", "slots", "slots_per_gpu", "retries")}
    if engine == "slurm":
        from lesionkit.engines import slurm

        own = {"tasks": given["tasks"], "options": given["sbatch"], "how": given["how"]}
        return partial(slurm.run_all, name=name, **own)
    if engine == "ray":
        from lesionkit.engines import ray as on_ray

        own = {"address": given["address"], "timeout_seconds": given["timeout"]}
        return partial(on_ray.run_all, **local, **own)
    from lesionkit.engines import local as here

    return partial(here.run_all, **local, timeout_seconds=given["timeout"])


@click.command()
@click.argument("source", type=place, required=False)
@click.option("--verify", is_flag=True, help="Hash every file, the weights among them.")
@click.option("--figure", type=Path, metavar="PNG", help="The grid as a heat table.")
@AS_JSON
def status(
    source: str | Path | None, verify: bool, figure: Path | None, as_json: bool
) -> None:
    """The grid of a sweep file, or all records: done, running, failed, missing.

    SOURCE is a sweep file, or the URL of a folder of run records (s3://bucket/runs);
    without it, the records here.
    """
    import pandas as pd

    from lesionkit.sweeps.sweep import counts_of, read_sweep

    file = source if isinstance(source, Path) else None
    if figure is not None and file is None:
        raise click.UsageError("--figure needs a sweep file")
    if verify and isinstance(source, str):
        raise click.UsageError("--verify reads every file: of records here alone")
    with arguments():
        grid_of_file = read_sweep(file) if file else None
        if grid_of_file:
            table = grid_of_file.states(verify=verify)
        else:
            rows = _there(str(source)) if source else _records(verify)
            table = pd.DataFrame(rows, columns=["state", "reason", "run_id"])
    show(table.to_dict("records"), as_json)
    if figure is not None:
        from lesionkit.figures.ranking import save
        from lesionkit.figures.sweeps import grid

        save(grid(table), figure)
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


def _there(url: str) -> list[tuple[str, str, str]]:
    """State, reason and run id of every record at a URL."""
    from lesionkit.records.stores import standing

    return [(state, reason, name) for name, state, reason in standing(url)]


def _records(verify: bool) -> list[tuple[str, str, str]]:
    """State, reason and run id of every record here."""
    from lesionkit.config import data_folder
    from lesionkit.records import runs

    root, rows = data_folder() / "runs", []
    for folder in sorted(path.parent for path in root.rglob("config.json")):
        state, reason = runs.state(folder), runs.failure(folder) or ""
        if state == "damaged" or (verify and state == "done"):
            wrong = runs.problems(folder, hashes=verify)
            state, reason = ("damaged", wrong[0]) if wrong else (state, "")
        rows.append((state, reason, folder.relative_to(root).as_posix()))
    return rows
