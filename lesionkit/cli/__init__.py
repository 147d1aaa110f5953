"""The commands: exit status 0 if it worked, 2 for wrong arguments, 1 for the rest.

141 where the reader of the answer left, as in `lesionkit models | head -1`.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click

from lesionkit import catalogue, lookup
from lesionkit.cli import console
from lesionkit.cli.console import AS_JSON, WIDE, answer, fail, option, show, unread
from lesionkit.cli.data import fetch, inspect, prepare
from lesionkit.cli.losses import check
from lesionkit.cli.machine import doctor, notebooks
from lesionkit.cli.pages import browse, card, cite, export, predict, report, thresholds
from lesionkit.cli.sweeps import status, sweep
from lesionkit.cli.tables import advise, audit, claims, luck, plan, rank, register


class Commands(click.Group):
    """Commands in the order of the walk; an unknown one gets the nearest name."""

    def make_context(self, *given: Any, **extra: Any) -> click.Context:
        with unread():  # --help and --version answer here
            return super().make_context(*given, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with unread():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: Any) -> None:
        """A whole sentence a command, wrapped instead of cut."""
        with formatter.section("Commands"):
            told = [(n, c.get_short_help_str(300)) for n, c in self.commands.items()]
            formatter.write_dl(told)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in self.commands and not args[0].startswith("-"):
            raise lookup.unknown("command", args[0], self.commands)
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lesionkit")
def cli() -> None:
    """Which loss should I train with, and is the difference real?"""


@cli.command()
@WIDE
@AS_JSON
def datasets(wide: bool, as_json: bool) -> None:
    """List the data sets, also your own, with the sizes prepared on this machine."""
    from lesionkit.config import data_folder, prepared_from, prepared_names

    rows = []
    own = dict.fromkeys(prepared_names(), catalogue.DATASETS["folder"])
    for name, entry in (catalogue.DATASETS | own | catalogue.DATASETS).items():
        made = sorted((data_folder() / "prepared" / name).glob("*/manifest.json"))
        rows.append(
            {
                "name": name,
                "title": entry.title,
                "modality": entry.modality,
                "published": entry.published_count,
                "prepared": " ".join(path.parent.name for path in made),
                "licence": entry.licence,
                "source": entry.source
                if name in catalogue.DATASETS
                else str(prepared_from(name) or data_folder() / "raw" / name),
            }
        )
    show(rows, as_json, wide=wide)


@cli.command()
@WIDE
@AS_JSON
def models(wide: bool, as_json: bool) -> None:
    """List the networks with their variants; the first variant is the default."""
    rows = [
        {
            "name": name,
            "variant": variant,
            "year": entry.year,
            "parameters": facts.parameters,
            "gmacs_224": facts.gmacs,
            "heads": facts.heads,
            "sides": facts.sides,
            "encoder": facts.encoder,
            "licence": entry.licence,
            "source": entry.source,
        }
        for name, entry in catalogue.MODELS.items()
        for variant, facts in entry.variants.items()
    ]
    show(rows, as_json, wide=wide)


@cli.command()
@WIDE
@AS_JSON
def losses(wide: bool, as_json: bool) -> None:
    """List the losses, their terms, and the definitions that have them."""
    rows = [
        {
            "name": name,
            "group": entry.group,
            "parts": " + ".join(entry.parts) or name,
            "definitions": " ".join(
                d
                for d, facts in catalogue.DEFINITIONS.items()
                if name in facts["losses"]
            )
            or "any",  # no definition changes it
            "source": entry.source,
        }
        for name, entry in catalogue.LOSSES.items()
    ]
    show(rows, as_json, wide=wide)


@cli.command()
@option("--protocol", default="demo", help="Show the defaults of this protocol.")
@AS_JSON
def parameters(protocol: str, as_json: bool) -> None:
    """List every parameter of a run with its type, default and meaning.

    Give one as -p NAME VALUE to `lesionkit train` or to papermill. A default of "-"
    depends on the loss or on the repeat.
    """
    from lesionkit.config import manual

    rows = manual.rows(protocol)
    if as_json:
        answer(rows)
        return
    click.echo(_manual(rows))


def _manual(rows: list[dict[str, Any]]) -> str:
    """Parameters as lines that fit the terminal."""
    told = click.HelpFormatter()
    pairs = []
    for row in rows:
        default = "-" if row["default"] is None else row["default"]
        allowed = f" Allowed: {row['allowed']}." if row["allowed"] else ""
        meaning = row["meaning"][0].upper() + row["meaning"][1:]
        name = f"{row['name']}  {row['type']}"
        pairs.append((name, f"{meaning}.{allowed} Default: {default}."))
    told.write_dl(pairs, col_max=34)
    return told.getvalue().rstrip()


class Train(click.Command):
    """A command whose help ends with every parameter of a run."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from lesionkit.config import manual

        formatter.write_paragraph()
        formatter.write_text("Every KEY, with the defaults of the protocol demo:")
        formatter.write(_manual(manual.rows()) + "\n")


@cli.command(cls=Train)
@option(
    "-p",
    "pairs",
    nargs=2,
    multiple=True,
    metavar="KEY VALUE",
    help="Set a parameter. Repeat for more.",
)
@option(
    "--profile",
    type=Path,
    metavar="DIR",
    help="Time one epoch, write what took how long to DIR, and stop.",
)
@AS_JSON
def train(pairs: tuple[tuple[str, str]], profile: Path | None, as_json: bool) -> None:
    """Train one run, with the parameters and the record of notebooks/03_train.ipynb."""
    from lesionkit.config import RunConfig

    with console.arguments():
        config = RunConfig.from_mapping(
            {key: console.typed(value) for key, value in pairs}
        )
    if profile is not None:
        _profile(config, profile, as_json)
        return
    from lesionkit.training import run

    record = run(config)
    test = record.metrics["test"]["probability"]["image"]
    facts = {name: test[name] for name in ("dice", "iou", "precision", "recall")}
    facts["best_epoch"] = record.metrics["best_epoch"]
    facts["record"] = str(record.folder)
    console.show_facts(facts, as_json)


def _profile(config: Any, folder: Path, as_json: bool) -> None:
    """Show the parts of an epoch; trace.json.gz and epoch.png lie in the folder."""
    from lesionkit.figures.ranking import save
    from lesionkit.figures.runs import epoch_parts
    from lesionkit.training.profiling import profile

    table = profile(config, folder)
    title = f"{config.dataset}, {config.model}, {config.loss}"
    save(epoch_parts(table, title), folder / "epoch.png")
    show(table.round(4).to_dict("records"), as_json)


for _command in (
    *(check, sweep, status, fetch, prepare, inspect),
    *(rank, register, claims, audit, luck, report, plan, advise, thresholds),
    *(predict, browse, export, card, cite, notebooks, doctor),
):
    cli.add_command(_command)


def main(arguments: list[str] | None = None) -> None:
    """Run a command; every failure is one line on stderr and an exit status."""
    try:
        cli.main(arguments, prog_name="lesionkit", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        raise SystemExit(2) from None
    except click.UsageError as error:
        fail(console.usage(error), 2)
    except lookup.UnknownName as error:
        fail(error, 2)
    except (KeyboardInterrupt, click.Abort) as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one spoils the end
        said = str(error.__cause__ or error)  # click puts its own in front
        fail(said or "stopped; the same command goes on from here", 1)
    except Exception as error:  # noqa: BLE001 - users get one line, not a traceback
        fail(console.told(error), 1)
