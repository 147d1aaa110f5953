"""The command that gets raw data."""

from __future__ import annotations

import sys
from functools import partial

import click

from lesionkit.cli.console import show


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Agree to the terms without being asked.")
@click.option("--json", "as_json", is_flag=True, help="For a program to read.")
def fetch(name: str, yes: bool, as_json: bool) -> None:
    """A data set from its publisher, or how to get it by hand.

    NAME is a data set, or public-rerun: the table of a public re-run of paper A. The
    terms are printed and asked about before anything is downloaded; what was cut off
    goes on where it stopped.
    """
    from tqdm import tqdm

    from lesionkit.datasets import fetching

    bar = partial(tqdm, unit="B", unit_scale=True, file=sys.stderr, delay=0.5)
    fetched = fetching.fetch(
        name,
        agree=partial(_agree, name, yes),
        report=partial(click.echo, err=as_json),
        progress=bar,
    )
    if as_json:
        facts = {
            "name": fetched.name,
            "folder": str(fetched.folder),
            "found": fetched.found,
            "published": fetched.published,
            "downloaded": list(fetched.downloaded),
        }
        show([facts], True, upright=True)


def _agree(name: str, yes: bool) -> None:
    """Ask whether the terms are agreed to; where nobody can answer, refuse."""
    if yes:
        return
    if not _can_answer():
        raise click.UsageError(
            f"nobody is there to agree to the terms above: lesionkit fetch {name} --yes"
        )
    click.confirm("Agree and download?", abort=True, err=True)


def _can_answer() -> bool:
    """Whether somebody sits at a terminal."""
    return sys.stdin.isatty()
