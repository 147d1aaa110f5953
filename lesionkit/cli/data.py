"""The commands of raw data: fetch, prepare, inspect."""

from __future__ import annotations

import sys
import warnings
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from lesionkit.cli.console import (
    AS_JSON,
    answer,
    option,
    say,
    show_facts,
    show_numbers,
)

RAW = option(
    "--raw",
    type=Path,
    help="Read the raw files here [default: where they were before, or raw/NAME].",
)


@click.command()
@click.argument("name")
@option("--yes", is_flag=True, help="Agree to the terms without being asked.")
@AS_JSON
def fetch(name: str, yes: bool, as_json: bool) -> None:
    """Download a data set from its publisher, or say how to get it by hand.

    NAME is a data set, or public-rerun: the table of a public re-run of paper A. The
    terms are printed, and you have to agree before anything is downloaded. An
    interrupted download continues where it stopped.
    """
    from lesionkit.datasets import fetching
    from lesionkit.progress import bar

    fetched = fetching.fetch(
        name,
        agree=partial(_agree, name, yes),
        report=partial(say, err=as_json),
        progress=partial(bar, unit_scale=True, delay=0.5),
    )
    if as_json:
        answer(asdict(fetched) | {"folder": str(fetched.folder)})


def _agree(name: str, yes: bool) -> None:
    """Ask whether the terms are agreed to; where nobody can answer, refuse."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"the terms above need your agreement: lesionkit fetch {name} --yes"
        )
    click.confirm("Agree and download?", abort=True, err=True)


@click.command()
@click.argument("name")
@RAW
@option(
    "--size",
    default=224,
    type=click.IntRange(8),
    help="Resize images to this number of pixels per side.",
)
@option(
    "--resize", default="bilinear", help="How images are resized: bilinear or nearest."
)
@option("--force", is_flag=True, help="Prepare again, even if nothing changed.")
@option(
    "--skip-bad",
    is_flag=True,
    help="Leave out files that cannot be used, instead of stopping.",
)
@AS_JSON
def prepare(name: str, raw: Path | None, as_json: bool, **how: Any) -> None:
    """Turn raw files into the prepared form: arrays that every network reads."""
    from lesionkit.prepared import preparing, telling
    from lesionkit.progress import bar

    before = telling.prepared_hashes(name, how["size"], how["resize"])
    shown = partial(bar, desc=f"prepare {name}, image")
    with warnings.catch_warnings():  # it is among the facts
        warnings.simplefilter("ignore", preparing.BackgroundWarning)
        data = preparing.prepare(name, raw, **how, progress=shown)
    facts = telling.facts_of(data, before)
    if as_json:
        answer(facts)
        return
    say("\n".join(telling.told(facts)))


@click.command()
@click.argument("name")
@RAW
@option(
    "--against",
    multiple=True,
    metavar="NAME[=DIR]",
    help="Look for the same images in this set too. Repeat for more.",
)
@option("--html", type=Path, help="Write a page with pictures here, too.")
@option("--files", is_flag=True, help="Name every file of every finding.")
@AS_JSON
def inspect(
    name: str,
    raw: Path | None,
    against: tuple[str, ...],
    html: Path | None,
    files: bool,
    as_json: bool,
) -> None:
    """Report defects, duplicates, and the leakage between the parts of a split."""
    from lesionkit import inspection
    from lesionkit.progress import bar

    parts = [text.partition("=") for text in against]
    others = [(other, Path(at) if at else raw) for other, _, at in parts]
    shown = partial(bar, desc=f"inspect {name}, image")
    report = inspection.inspect(name, raw, against=others, progress=shown)
    if html:
        from lesionkit.pages.inspection import write_page

        write_page(report, html)
    if as_json:
        answer(report.as_json())
        return
    show_facts(report.facts)
    click.echo()
    show_numbers(report.leakage, index=False)
    click.echo()
    if report.colour_alone:
        say(f"{report.colour_alone}\n")
    for finding in report.findings:
        say(f"{finding.kind}: {finding.count}: {finding.says}")
        shown = finding.files if files else finding.files[:3]
        more = finding.count - len(shown)
        named = f"{', '.join(shown)}{f' and {more} more' if more else ''}"
        say(f"  {named}", indent=2)
    if html:
        click.echo(html.absolute())
