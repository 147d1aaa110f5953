"""The commands that judge a table: rank, claims, audit, luck, plan, advise."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lesionkit.cli.console import (
    AS_JSON,
    MAYBE_SOURCE,
    ONLY,
    SOURCE,
    WIDE,
    Source,
    answer,
    arguments,
    option,
    pair,
    say,
    show_numbers,
)
from lesionkit.lookup import refused_in

if TYPE_CHECKING:
    import pandas as pd


def _metric(_context: Any, _option: Any, given: str) -> str:
    """A score in any spelling under our name."""
    from lesionkit.tables.forms.headers import metric_name

    return metric_name(given)


METRIC = option(
    "--metric",
    default="dice",
    callback=_metric,
    help="Compare by this score: dice, iou, precision, recall, or another column.",
)
SHOWN = 6  # columns of the losses, without --wide
ABOVE = click.FloatRange(0, min_open=True)
MARGIN = option(
    "--margin",
    default=0.01,
    type=ABOVE,
    help="Treat losses that differ by less than this as alike.",
)


@dataclass(frozen=True)
class Reader:
    """How a table is read; called with its source it reads it."""

    columns: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    percent: bool = False
    only: tuple[str, ...] = ()
    mix: bool = False
    lower: bool | None = None
    metric: str | None = None

    def __call__(self, source: Source) -> pd.DataFrame:
        """The table of a file, a folder or URL of records, or the public re-run's."""
        from lesionkit.inference import ranking
        from lesionkit.tables import load_table, scores, select

        asked = [self.metric] if self.metric else []
        with arguments():
            columns = dict(pair(text) for text in self.columns)
            settings = dict(pair(text) for text in self.settings)
        table = load_table(
            source,
            columns=columns,
            settings=settings,
            percent=self.percent,
            metric=self.metric,
            lower_is_better=asked if self.lower else (),
            higher_is_better=asked if self.lower is False else (),
        )
        if self.metric:
            with _default_metric(source):
                scores.check_there(table, self.metric)
        table = select(table, self.only)
        if not self.mix:
            ranking.check_comparable(table)
        words = [word for text in self.columns for word in ("--map", text)]
        words += [word for text in self.settings for word in ("--set", text)]
        words += [word for text in self.only for word in ("--only", text)]
        words += ["--percent"] * self.percent + ["--mix"] * self.mix
        if self.lower is not None:
            words.append(f"--{'lower' if self.lower else 'higher'}-is-better")
        table.attrs["options"] = shlex.join(words)  # for who makes this again
        return table


def _default_metric(source: Source) -> AbstractContextManager[None]:
    """A table without the default metric is at fault itself; one asked for is not."""
    asked = click.get_current_context().get_parameter_source("metric")
    default = asked == ParameterSource.DEFAULT
    return refused_in(source) if default else nullcontext()


def table_options(command: Callable) -> Callable:
    """Options of how a table is read; the command gets `read`, source to table."""

    @option(
        "--map",
        "columns",
        multiple=True,
        metavar="COL=NAME",
        help="Say what a column of the file is, such as score=dice. Repeat for more.",
    )
    @option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="Set a value for all rows, such as model=unet. Repeat for more.",
    )
    @option("--percent", is_flag=True, help="The scores of the file are 0 to 100.")
    @click.option(
        "--lower-is-better/--higher-is-better",
        "lower",
        default=None,
        help="Say whether lower or higher is better, if the kit does not know it.",
    )
    @ONLY
    @option("--mix", is_flag=True, help="Rank runs of different settings together.")
    @wraps(command)
    def with_reader(**given: Any) -> Any:
        how = {rule.name: given.pop(rule.name) for rule in fields(Reader)[:-1]}
        how["metric"] = given.get("metric")
        return command(read=Reader(**how), **given)

    return with_reader


def _say(remarks: tuple[str, ...] | list[str], source: object) -> None:
    """What is unusual in a table, on stderr, each once."""
    for remark in dict.fromkeys(remarks):
        say(f"{source}: {remark}", err=True)


@click.command()
@SOURCE
@METRIC
@MARGIN
@table_options
@option(
    "--failed",
    type=click.Choice(["charged", "left-out", "as-they-are"]),
    default="charged",
    help="Give failed runs the worst score (charged), leave them out, or keep them.",
)
@option(
    "--registered",
    type=Path,
    metavar="FILE",
    help="Compare the answer with the claim that was registered in FILE.",
)
@option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "latex", "csv", "json"]),
    default="text",
    help="Print the answer in this format; markdown and latex suit a paper.",
)
@option("--wide", is_flag=True, help="Print every column, and the tests on ranks.")
@option(
    "--pairs",
    is_flag=True,
    help="Compare every pair: effect sizes, the tests of Wilcoxon and Holm.",
)
@option(
    "--leave-out",
    is_flag=True,
    help="Rank again without each data set, each network and each loss.",
)
@option("--variance", is_flag=True, help="Show where the variation comes from.")
@option("--mixed", is_flag=True, help="Fit a mixed model (half a minute).")
@option(
    "--bayes",
    is_flag=True,
    help="Add the Bayesian signed-rank test (needs the extra bayes).",
)
@AS_JSON
def rank(
    source: Source,
    metric: str,
    margin: float,
    read: Reader,
    as_json: bool,
    failed: str,
    registered: Path | None,
    form: str,
    wide: bool,
    **more: bool,
) -> None:
    """Rank the losses of a table, and say which differences are beyond chance.

    SOURCE is a CSV, a folder of run records or the URL of one (s3://bucket/runs), or
    a table that comes with the kit: public-rerun, the cells of a re-run of paper A;
    public-rerun-34, of all its losses; public-rerun-runs, its runs, once fetched;
    study-small, our own runs on real images; study-small-all, the same with the runs of
    other definitions and splits; loss-odyssey and loss-odyssey-v2, nnU-Net under 20 and
    6 losses; nnunet-revisited, 19 methods.
    """
    from lesionkit.inference import standing
    from lesionkit.tables import forensics

    held = None if registered is None else Held(registered, metric, margin)
    if held is not None:
        metric, margin = held.metric, held.margin
    table = replace(read, metric=metric)(source)
    found = standing.rank(table, metric, margin=margin, failed=failed.replace("-", " "))
    _say(found.remarks, source)
    as_json = as_json or form == "json"
    if found.forensics and not as_json:
        say("\n".join(forensics.lines(found.forensics)) + "\n", err=form != "text")
    if held is not None and not as_json:
        say("\n".join(held.lines(table, found)) + "\n", err=form != "text")
    if form not in ("text", "json"):
        from lesionkit.pages import printed

        click.echo(printed.table(found, form), nl=False)
        return
    extra = _more(found.grid, margin, more)
    if as_json:
        tables = {n: t.reset_index().to_dict("records") for n, t in extra.items()}
        said = {"registered": held.lines(table, found)} if held is not None else {}
        answer(_facts(found) | said | tables)
        return
    say(f"{found.verdict.sentence}\n{found.podium}\n")
    show_numbers(found.losses if wide else found.losses.iloc[:, :SHOWN], wide=wide)
    if wide:
        from lesionkit.inference.rank_tests import DEPENDENCE

        click.echo()
        show_numbers(found.levels, index=False, wide=wide)
        say(DEPENDENCE)
    for name, frame in extra.items():
        click.echo(f"\n{name}")
        show_numbers(frame, wide=wide)


class Held:
    """A registration, and the metric and margin that count beside it."""

    def __init__(self, path: Path, metric: str, margin: float) -> None:
        from lesionkit.papers import registered

        self.text = registered.read(path)
        given = click.get_current_context().get_parameter_source
        default = ParameterSource.DEFAULT
        self.metric = metric if given("metric") != default else self.text.metric
        self.margin = margin if given("margin") != default else self.text.margin

    def lines(self, table: pd.DataFrame, found: Any) -> list[str]:
        """The claim with its answer, and what was changed since."""
        from lesionkit.papers import registered

        changed = registered.changes(self.text, table, self.metric, self.margin)
        claim = registered.decided(self.text, found)
        return [
            f"Registered {self.text.registered}. {claim}",
            *(
                [f"changed since: {line}" for line in changed]
                or ["Nothing was changed."]
            ),
        ]


@click.command()
@click.argument("file", type=Path)
def register(file: Path) -> None:
    """Register a claim before the runs: FILE is a YAML file with the claim.

    It has a claim ("ioufocal is the best"), and any of metric, margin, losses,
    datasets, models and repeats. The time and a seal are added to it; rank
    --registered FILE says what was changed since.
    """
    from lesionkit.papers import registered

    found = registered.register(file)
    click.echo(f"{file}: registered {found.registered}")


def _facts(found: Any) -> dict[str, Any]:
    """What a program reads of a ranking."""
    named = "leader runner_up supported candidates ruled_out detectable scope hangs_on"
    verdict = found.verdict
    facts = {name: getattr(verdict, name) for name in [*named.split(), "sentence"]}
    facts["detectable_range"] = list(verdict.detectable_range)
    return {
        "verdict": facts,
        "podium": found.podium,
        "forensics": [one.shown() for one in found.forensics],
        "losses": found.losses.reset_index().to_dict("records"),
        "levels": found.levels.to_dict("records"),
        "remarks": list(found.remarks),
    }


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
    return {name: make() for name, make in makers.items() if wanted[name]}


@click.command()
@SOURCE
@table_options
@option(
    "--paper",
    type=click.Choice(["A", "B"]),
    help="Judge the claims of this paper alone.",
)
@AS_JSON
def claims(source: Source, read: Reader, paper: str | None, as_json: bool) -> None:
    """Test each claim of the two papers on a table."""
    from lesionkit.papers import claims as asked
    from lesionkit.tables import remarks, with_background

    table = with_background(read(source))
    _say(remarks(table), source)
    names = tuple(name for name in asked.CLAIMS if paper in (None, name[0]))
    answers = asked.check(table, names)
    if as_json:
        answer(answers.to_dict("records"))
        return
    say(asked.sentence(answers))
    for row in answers.itertuples():
        say(f"\n{row.claim}: {row.verdict}\n  {row.says} ({row.place})", indent=2)
        say(f"  {row.evidence}", indent=2)
        if row.more:
            say(f"  what would decide it: {row.more}", indent=2)


@click.command()
@MAYBE_SOURCE
@option(
    "--aggregation",
    type=click.Choice(["pooled", "image", "median"]),
    help="Say how the scores were averaged, if that is known.",
)
@option(
    "--map",
    "columns",
    multiple=True,
    metavar="COL=NAME",
    help="Say what a column is, such as score=dice. Repeat for more.",
)
@option(
    "--empty",
    type=click.FloatRange(0, 1),
    help="Say which share of the images has no lesion, 0 to 1, if that is known.",
)
@option(
    "--runs",
    type=click.IntRange(1),
    help="Say how many runs a row is the mean of, if that is known.",
)
@option("--all", "every", is_flag=True, help="Print every finding of a long table.")
@AS_JSON
def audit(
    source: Source | None,
    aggregation: str | None,
    columns: tuple[str, ...],
    empty: float | None,
    runs: int | None,
    every: bool,
    as_json: bool,
) -> None:
    """Check whether the numbers of a printed table are consistent.

    SOURCE is a CSV, or public-rerun, the cells that come with the kit; without it, the
    tables of both papers are checked. For run records use lesionkit status --verify.
    With --aggregation, --empty and --runs you say what is known of the table, so that
    fewer explanations of a row remain possible.
    """
    from lesionkit.papers import audit as checked

    with arguments():
        names = dict(pair(text) for text in columns)
    if source is None:
        found = checked.audit_published()
    else:
        table = checked.open_table(source, columns=names)
        found = checked.audit_table(
            table, aggregation=aggregation, empty=empty, runs=runs
        )
        found += checked.coverage(table)
    if as_json:
        answer([asdict(finding) for finding in found])
        return
    say(checked.summary(found, every=every), indent=2)


@click.command()
@click.argument("first")
@click.argument("second")
@option(
    "--images",
    required=True,
    type=click.IntRange(2),
    help="How many test images there are.",
)
@option(
    "--sd",
    type=float,
    multiple=True,
    help="The standard deviation over images; give it twice for one of each method.",
)
@option(
    "--correlation",
    type=click.FloatRange(-1, 1, max_open=True),
    help="How the scores of the two methods on one image are correlated.",
)
@option(
    "--runs",
    default=1,
    type=click.IntRange(1),
    help="How many trainings each mean is taken over.",
)
@option(
    "--run-sd",
    type=float,
    multiple=True,
    help="The standard deviation over trainings; twice for one of each method.",
)
@option(
    "--like", help="Use the standard deviations of this data set of the public re-run."
)
@option(
    "--model", help="Use the standard deviations of this network of the public re-run."
)
@AS_JSON
def luck(
    first: str,
    second: str,
    images: int,
    sd: tuple[float, ...],
    correlation: float | None,
    runs: int,
    run_sd: tuple[float, ...],
    like: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Estimate the probability that the order of two printed means is by chance.

    FIRST and SECOND are mean scores of two methods on the same test images, 0 to 1 or
    in percent: lesionkit luck 88.77 88.39 --images 120.
    """
    from lesionkit.papers.luck import one_row

    with arguments():
        found = one_row(
            first,
            second,
            images,
            deviations=sd,
            correlation=correlation,
            runs=runs,
            run_deviations=run_sd,
            like=like,
            model=model,
        )
    if as_json:
        needed = {n: getattr(found, n) for n in ("images_needed", "lead_needed")}
        chances = {"by_images": found.by_images._asdict(), "by_runs": found.by_runs}
        scatter = {"scatter": found.scatter._asdict(), "runs": found.runs}
        answer({**asdict(found), **chances, **scatter, **needed})
        return
    say("\n".join(found.lines))


@click.command()
@SOURCE
@METRIC
@option(
    "--difference",
    required=True,
    type=ABOVE,
    help="The difference to be shown.",
)
@option(
    "--power",
    default=0.8,
    type=click.FloatRange(0.05, 0.999),
    help="Show it with this probability.",
)
@table_options
@WIDE
@AS_JSON
def plan(
    source: Source,
    metric: str,
    difference: float,
    power: float,
    read: Reader,
    wide: bool,
    as_json: bool,
) -> None:
    """Estimate how many runs are needed to show a difference between losses."""
    from lesionkit.inference import planning
    from lesionkit.inference.grids import full_grid

    table = read(source)
    grid = full_grid(table, metric)
    found = planning.plan(grid, difference, power=power)
    if as_json:
        answer(found.to_dict("records"))
        return
    more = planning.more_data(grid, difference, power=power)
    say(f"To show a difference of {difference:g}: {more}.")
    show_numbers(found, index=False, wide=wide)
    if said := planning.caution(found):
        say(said)


@click.command()
@MAYBE_SOURCE
@option(
    "--like",
    help="Advise for a data set like this one of the public re-run, or for any.",
)
@option("--model", help="With --like: advise for this network of the public re-run.")
@METRIC
@MARGIN
@table_options
@WIDE
@AS_JSON
def advise(
    source: Source | None,
    like: str | None,
    model: str | None,
    metric: str,
    margin: float,
    read: Reader,
    wide: bool,
    as_json: bool,
) -> None:
    """Recommend a loss, from your own runs or from published ones."""
    from lesionkit.inference import advice
    from lesionkit.inference.grids import full_grid

    if source is not None and like is None:
        if model is not None:
            raise click.UsageError(
                "--model goes with --like; of your own runs choose with --only "
                f"model={model}"
            )
        table = read(source)
        found = advice.from_pilot(full_grid(table, metric), margin=margin)
    elif source is None and like is not None:
        with arguments():
            found = advice.from_published(like, model, metric=metric, margin=margin)
    else:
        raise click.UsageError(
            "give a table or folder of your own runs, or --like with a data set"
        )
    if as_json:
        rows = found.table.reset_index().to_dict("records")
        answer({"sentence": found.sentence, "losses": rows})
        return
    say(found.sentence)
    show_numbers(found.table, wide=wide)
