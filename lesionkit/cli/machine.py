"""The command that says what is wrong here."""

from __future__ import annotations

import json

import click

from lesionkit.cli.console import fail

SLOW = {"environment": " (importing torch, which may take a while)"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For a program to read.")
def doctor(as_json: bool) -> None:
    """What is here, what is wrong with it, and the way out.

    Exit status 1 if something stops the demo; warnings do not.
    """
    from lesionkit import doctor as examination

    sections = []
    for section in examination.examine(_say):
        sections.append(section)
        if not as_json:
            _show(section)
    if as_json:
        click.echo(json.dumps(examination.as_json(sections), indent=2))
    else:
        _show_findings(sections)
    if count := len(examination.stops(sections)):
        fail(f"{count} of these stop the demo; mend and run doctor again", 1)


def _say(name: str) -> None:
    """What is examined now."""
    click.echo(f"looking at {name}{SLOW.get(name, '')} ...", err=True)


def _show(section) -> None:
    """The facts of a section."""
    click.echo(section.name)
    width = max(map(len, section.facts), default=0)
    for name, value in section.facts.items():
        click.echo(f"  {name:{width}}  {value}")
    click.echo()


def _show_findings(sections: list) -> None:
    """What is wrong, what stops the demo first."""
    findings = [finding for section in sections for finding in section.findings]
    if not findings:
        click.echo("nothing is wrong")
    for finding in sorted(findings, key=lambda f: f.level != "stops"):
        click.echo(f"{finding.level}: {finding.says}")
