"""The command that puts a loss through the battery."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from lesionkit.cli.console import AS_JSON, answer, arguments, option, say

MARKS = {True: "passed", False: "FAILED", None: "note"}


@click.command()
@click.argument("name")
@option(
    "--options",
    metavar="JSON",
    help="Give the loss these options, such as '{\"alpha\": 0.3}'.",
)
@AS_JSON
def check(name: str, options: str | None, as_json: bool) -> None:
    """Test a loss, also your own, with the tests that the kit's losses pass.

    NAME is FILE.py:NAME of a file of yours, module:NAME of an installed library, or a
    loss of the kit. The code of the file runs on this machine with your rights: read a
    file from somebody else first. The exit status is 1 if a check failed.
    """
    from lesionkit.config.parameters import options as read_options
    from lesionkit.losses.battery import examine

    with arguments():
        given = read_options("--options", options) if options else None
        found = examine(name, given)
    _print(found, as_json)
    if found.failed:
        raise SystemExit(1)


def _print(found: Any, as_json: bool) -> None:
    """What was found: a line a check, then which of the kit's losses it is."""
    if as_json:
        answer(asdict(found))
        return
    say(f"{found.loss}: {_summary(found)}")
    for finding in found.findings:
        mark = MARKS[finding.passed]
        say(f"{mark:7} {finding.code:11} {finding.says}", indent=20)
    if not found.equals:
        say(f"{'note':7} {'equals':11} It is none of the kit's losses.", indent=20)
    for like in found.equals:
        say(f"{'note':7} {'equals':11} {like}", indent=20)


def _summary(found: Any) -> str:
    """How many checks failed, in words."""
    judged = [each for each in found.findings if each.passed is not None]
    if not found.failed:
        return f"all {len(judged)} checks passed"
    named = ", ".join(each.code for each in found.failed)
    return f"{len(found.failed)} of {len(judged)} checks failed: {named}"
