"""The commands that say what to do: plan, advise."""

from __future__ import annotations

import click

from lesionkit.cli.console import AS_JSON, answer, arguments, place, show_numbers
from lesionkit.cli.tables import MARGIN, METRIC, Reader, Source, table_options


@click.command()
@click.argument("source", type=place)
@METRIC
@click.option(
    "--difference",
    required=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="What two losses should be told apart by.",
)
@click.option(
    "--power",
    default=0.8,
    show_default=True,
    type=click.FloatRange(0.05, 0.999),
    help="Probability to show it.",
)
@table_options
@AS_JSON
def plan(
    source: Source,
    metric: str,
    difference: float,
    power: float,
    read: Reader,
    as_json: bool,
) -> None:
    """How many runs it takes to tell two losses apart, from a pilot's spread."""
    from lesionkit.inference import planning
    from lesionkit.inference.grids import full_grid

    table = read(source)
    with arguments():
        grid = full_grid(table, metric)
        found = planning.plan(grid, difference, power=power)
    if as_json:
        answer(found.to_dict("records"))
        return
    click.echo(f"To tell {difference:g} apart: {planning.more_data(grid, difference)}.")
    show_numbers(found, index=False)
    if said := planning.caution(found):
        click.echo(said)


@click.command()
@click.argument("source", type=place, required=False)
@click.option("--like", help="A data set of the public re-run, or any.")
@click.option("--model", help="With --like: a network of the public re-run.")
@METRIC
@MARGIN
@table_options
@AS_JSON
def advise(
    source: Source | None,
    like: str | None,
    model: str | None,
    metric: str,
    margin: float,
    read: Reader,
    as_json: bool,
) -> None:
    """Which loss to take: by your own pilot runs, or by what is published."""
    from lesionkit.inference import advice
    from lesionkit.inference.grids import full_grid

    if (source is None) == (like is None):
        raise click.UsageError(
            "give a table or folder of your own runs, or --like with a data set"
        )
    if model is not None and like is None:
        raise click.UsageError(
            "--model goes with --like; of your own runs choose with --only "
            f"model={model}"
        )
    table = None if source is None else read(source)
    with arguments():
        if table is not None:
            found = advice.from_pilot(full_grid(table, metric), margin=margin)
        else:
            found = advice.from_published(
                like or "", model, metric=metric, margin=margin
            )
    if as_json:
        rows = found.table.reset_index().to_dict("records")
        answer({"sentence": found.sentence, "losses": rows})
        return
    click.echo(found.sentence)
    show_numbers(found.table)
