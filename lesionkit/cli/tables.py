"""The commands that judge a table: rank, claims, audit."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lesionkit.cli.console import (
    AS_JSON,
    answer,
    arguments,
    pair,
    place,
    show_numbers,
)

if TYPE_CHECKING:
    import pandas as pd

Source = str | Path  # a URL or a path
Reader = Callable[[Source], "pd.DataFrame"]
METRIC = click.option("--metric", default="dice", show_default=True)
MARGIN = click.option(
    "--margin",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Differences below this are alike in practice.",
)


def table_options(command: Callable) -> Callable:
    """Options of how a table is read; the command gets `read`, source to table."""

    @click.option("--map", "columns", multiple=True, metavar="COL=NAME", help="CSV.")
    @click.option("--percent", is_flag=True, help="The CSV's scores are 0 to 100.")
    @click.option("--only", multiple=True, metavar="NAME=VALUE", help="Keep these.")
    @click.option("--mix", is_flag=True, help="Take different settings together.")
    @wraps(command)
    def with_reader(
        *,
        columns: tuple[str, ...],
        percent: bool,
        only: tuple[str, ...],
        mix: bool,
        **rest: Any,
    ) -> Any:
        how = {"columns": columns, "percent": percent, "only": only, "mix": mix}
        return command(read=partial(opened, **how), **rest)

    return with_reader


def opened(
    source: Source,
    *,
    columns: tuple[str, ...],
    percent: bool,
    only: tuple[str, ...],
    mix: bool,
) -> pd.DataFrame:
    """The table of a CSV, of a folder or URL of records, or the public re-run's."""
    from lesionkit.inference import ranking
    from lesionkit.tables import load_table, select

    with arguments():
        names = dict(pair(text) for text in columns)
        table = load_table(source, columns=names, percent=percent)
        table = select(table, " ".join(only))
        if not mix:
            ranking.check_comparable(table)
    words = [word for text in columns for word in ("--map", text)]
    words += [word for text in only for word in ("--only", text)]
    words += ["--percent"] * percent + ["--mix"] * mix
    table.attrs["options"] = shlex.join(words)  # for who makes this again
    return table


def say(remarks: tuple[str, ...] | list[str], source: object) -> None:
    """What is unusual in a table, on stderr, each once."""
    for remark in dict.fromkeys(remarks):
        click.echo(f"{source}: {remark}", err=True)


@click.command()
@click.argument("source", type=place)
@METRIC
@MARGIN
@table_options
@click.option("--pairs", is_flag=True, help="Every pair: effect sizes, Wilcoxon, Holm.")
@click.option("--leave-out", is_flag=True, help="Without each set, model and loss.")
@click.option("--variance", is_flag=True, help="Where the variation comes from.")
@click.option("--mixed", is_flag=True, help="A mixed model (half a minute).")
@click.option("--bayes", is_flag=True, help="Bayesian signed ranks (the extra bayes).")
@AS_JSON
def rank(
    source: Source,
    metric: str,
    margin: float,
    read: Reader,
    as_json: bool,
    **more: bool,
) -> None:
    """What a table says of its losses, and what of it is beyond chance.

    SOURCE is a CSV, a folder of run records or the URL of one (s3://bucket/runs), or
    public-rerun, the cells that come with the kit.
    """
    from lesionkit.inference import standing

    table = read(source)
    with arguments():
        found = standing.rank(table, metric, margin=margin)
    say(found.remarks, source)
    extra = _more(found.grid, margin, more)
    if as_json:
        answer(_as_json(found, extra))
        return
    click.echo(found.verdict.sentence)
    click.echo(found.podium)
    click.echo()
    show_numbers(found.losses)
    click.echo()
    show_numbers(found.levels, index=False)
    from lesionkit.inference.rank_tests import DEPENDENCE

    click.echo(DEPENDENCE)
    click.echo(
        f"rank_low, rank_high and first: {found.resampled.what} drawn again "
        f"{standing.resampling.DRAWS} times."
    )
    for name, frame in extra.items():
        click.echo(f"\n{name}")
        show_numbers(frame)


def _more(grid: Any, margin: float, wanted: dict[str, bool]) -> dict[str, pd.DataFrame]:
    """The tables that were asked for besides."""
    from lesionkit.inference import rank_tests, resampling, variance

    makers = {
        "pairs": lambda: rank_tests.pairwise(grid).set_index("first"),
        "leave_out": lambda: resampling.leave_one_out(grid),
        "variance": lambda: variance.shares(grid),
        "mixed": lambda: rank_tests.mixed_model(grid),
        "bayes": lambda: rank_tests.bayesian(grid, margin),
    }
    with arguments():
        return {name: make() for name, make in makers.items() if wanted[name]}


def _as_json(found: Any, extra: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """A standing as plain values."""
    verdict = found.verdict
    named = "leader runner_up supported candidates ruled_out detectable scope sentence"
    facts: dict[str, Any] = {
        "verdict": {name: getattr(verdict, name) for name in named.split()},
        "podium": found.podium,
        "losses": found.losses.reset_index().to_dict("records"),
        "levels": found.levels.to_dict("records"),
        "resampled": found.resampled.what,
        "remarks": list(found.remarks),
    }
    return facts | {
        name: frame.reset_index().to_dict("records") for name, frame in extra.items()
    }


@click.command()
@click.argument("source", type=place)
@table_options
@click.option("--paper", type=click.Choice(["A", "B"]), help="Only this paper's.")
@AS_JSON
def claims(
    source: Source,
    read: Reader,
    paper: str | None,
    as_json: bool,
) -> None:
    """Each claim of the two papers, and what a table says of it."""
    from lesionkit.papers import claims as asked
    from lesionkit.tables import remarks, with_background

    table = with_background(read(source))
    say(remarks(table), source)
    names = tuple(name for name in asked.CLAIMS if paper in (None, name[0]))
    answers = asked.check(table, names)
    if as_json:
        answer(answers.to_dict("records"))
        return
    click.echo(asked.sentence(answers))
    for row in answers.itertuples():
        click.echo(f"\n{row.claim}: {row.verdict}\n  {row.says} ({row.place})")
        click.echo(f"  {row.evidence}")
        if row.more:
            click.echo(f"  to decide it: {row.more}")


@click.command()
@click.argument("source", type=place, required=False)
@click.option(
    "--aggregation",
    type=click.Choice(["pooled", "image"]),
    help="How the table's scores were averaged, where that is known.",
)
@AS_JSON
def audit(source: Source | None, aggregation: str | None, as_json: bool) -> None:
    """The arithmetic of a printed table: of SOURCE, or of both papers.

    SOURCE is a CSV, or public-rerun, the cells that come with the kit. Run records are
    not printed, but computed: lesionkit status --verify checks them.
    """
    from dataclasses import asdict

    from lesionkit.papers import audit as checked

    with arguments():
        if source is None:
            found = checked.audit_published()
        else:
            found = checked.audit_table(source, aggregation=aggregation)
    if as_json:
        answer([asdict(finding) for finding in found])
        return
    click.echo(checked.summary(found))
