"""The commands that run a grid and say how it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click

from lesionkit import lookup
from lesionkit.cli.console import (
    AS_JSON,
    MAYBE_SOURCE,
    WIDE,
    Source,
    arguments,
    option,
    show,
)

COUNT = click.IntRange(1)
ENGINES = {
    "local": "processes of this machine",
    "slurm": "an sbatch array",
    "ray": "a Ray cluster, or Ray on this machine (extra ray)",
}


@click.command()
@click.argument("file", type=Path)
@option(
    "--engine",
    default="local",
    help="Run on "
    + "; ".join(f"{name}, {says}" for name, says in ENGINES.items())
    + ".",
)
@option(
    "--how",
    default="worker",
    help="Train in a warm process (worker), or through papermill, which leaves the"
    " executed notebook beside the record (notebook). Both leave the same record.",
)
@option("--slots", type=COUNT, help="Train so many runs at once on this machine.")
@option(
    "--slots-per-gpu",
    type=COUNT,
    default=1,
    help="Train so many runs at once on each GPU.",
)
@option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Stop a run that takes longer than this.",
)
@option(
    "--retries",
    type=click.IntRange(0),
    default=1,
    help="Try a run again so often, if its worker died or took too long.",
)
@option("--retry-failed", is_flag=True, help="Try failed runs again, too.")
@option("--address", help="Use the Ray cluster at this address.")
@option("--tasks", type=COUNT, default=8, help="Give the Slurm array so many tasks.")
@option(
    "--sbatch",
    multiple=True,
    metavar="OPTION",
    help="Pass this option to sbatch, such as --gres=gpu:1. Repeat for more.",
)
@option(
    "--records",
    metavar="URL",
    help="Share the records with other machines at this URL, such as s3://bucket/runs.",
)
@option("--dry-run", is_flag=True, help="Estimate the time, and train nothing.")
def sweep(
    file: Path,
    engine: str,
    records: str | None,
    dry_run: bool,
    retry_failed: bool,
    **given: Any,
) -> None:
    """Train all missing runs of a grid; repeat the command to continue it."""
    from lesionkit.progress import say
    from lesionkit.records import remote
    from lesionkit.records.stores import open_store
    from lesionkit.sweeps.pricing import price
    from lesionkit.sweeps.sweep import read_sweep

    lookup.find("engine", engine, ENGINES)
    lookup.find("how", given["how"], {"worker": None, "notebook": None})
    if records is not None:
        with arguments():
            open_store(records)  # a misspelt scheme is a wrong argument
    grid = read_sweep(file)
    if dry_run:
        missing = _missing(grid, retry_failed, grid.standing())
        if records is not None:
            found = remote.there(records)
            count = sum(config.run_id in found for config in missing)
            click.echo(f"{count} of them are finished at {records}")
        click.echo(price(grid))
        return
    execute = _engine(engine, grid.name, given)
    at_home = nullcontext(lambda config: None)
    shared = remote.shared(grid.configs, records, say) if records else at_home
    with shared as give:
        failures = _run(grid, execute, retry_failed, give)
    if failures:
        raise RuntimeError(
            f"{len(failures)} of {len(grid.configs)} runs have no finished record; see"
            f" them: lesionkit status {file}; go on: lesionkit sweep {file}"
        )


def _run(
    grid: Any, execute: Callable, retry_failed: bool, give: Callable
) -> dict[str, str]:
    """Run what is missing, with a bar; give away each record that is finished."""
    from lesionkit.sweeps.sweep import run_sweep

    standing = grid.standing()
    _missing(grid, retry_failed, standing)

    def on_outcome(outcome: Any) -> None:
        if outcome.error is None:
            give(outcome.config)

    how = {"retry_failed": retry_failed, "standing": standing, "progress": True}
    return run_sweep(grid, execute, on_outcome=on_outcome, **how)


def _missing(grid: Any, retry_failed: bool, standing: list) -> list:
    """The runs without a record; says how many there are."""
    missing = grid.missing(retry_failed=retry_failed, standing=standing)
    click.echo(f"{grid.name}: {len(grid.configs)} runs, {len(missing)} missing")
    return missing


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
@MAYBE_SOURCE
@option(
    "--verify",
    is_flag=True,
    help="Read every file of every record, and compare its hash.",
)
@option("--figure", type=Path, metavar="PNG", help="Write a picture of the grid here.")
@WIDE
@AS_JSON
def status(
    source: Source | None,
    verify: bool,
    figure: Path | None,
    wide: bool,
    as_json: bool,
) -> None:
    """Show which runs of a grid, or of all, are done, running, failed or missing.

    SOURCE is a sweep file, or the URL of a folder of run records (s3://bucket/runs).
    Without it, the records on this machine are shown.
    """
    import pandas as pd

    from lesionkit.records import stores
    from lesionkit.sweeps.sweep import counts_of, read_sweep

    file = source if isinstance(source, Path) else None
    if figure is not None and file is None:
        raise click.UsageError("--figure needs a sweep file")
    if verify and isinstance(source, str):
        raise click.UsageError(
            "--verify reads every file of the records on this machine, not of a URL"
        )
    draw = None if figure is None else _drawing(figure)
    grid = None
    if file:
        grid = read_sweep(file)
        table = grid.states(verify=verify)
    else:
        rows = stores.standing(str(source)) if source else _records(verify)
        table = pd.DataFrame(rows, columns=["run_id", "state", "reason"])
        table = table[["state", "reason", "run_id"]]
    none_failed = not (as_json or table["reason"].any())  # an empty column says nothing
    shown = table.drop(columns="reason") if none_failed else table
    show(shown.to_dict("records"), as_json, wide=wide)
    if draw is not None:
        draw(table)
    if as_json:
        return
    click.echo(counts_of(table))
    if grid:
        from lesionkit.engines import slurm

        if queued := slurm.queue(slurm.sweep_folder(grid.name)):
            states = Counter(queued.values()).items()
            told = ", ".join(f"{count} {state.lower()}" for state, count in states)
            click.echo(f"tasks in Slurm's queue: {told}")


def _drawing(path: Path) -> Callable:
    """Writes the figure of a grid's states; a wrong suffix is refused at once."""
    from lesionkit.figures import ranking, runs

    with arguments():
        ranking.kind_of(path)
    return lambda table: ranking.save(runs.grid(table), path)


def _records(verify: bool) -> list[tuple[str, str, str]]:
    """Run id, state and reason of every record here."""
    from lesionkit.config import data_folder
    from lesionkit.records import runs

    root, rows = data_folder() / "runs", []
    for folder in sorted(path.parent for path in root.rglob("config.json")):
        state, reason = runs.state(folder), runs.failure(folder) or ""
        if state == "damaged" or (verify and state == "done"):
            wrong = runs.problems(folder, hashes=verify)
            state, reason = ("damaged", wrong[0]) if wrong else (state, "")
        rows.append((folder.relative_to(root).as_posix(), state, reason))
    return rows
