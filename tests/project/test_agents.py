"""AGENTS.md says of each command what is true: it is there, and so are its keys."""

import json
import re
from pathlib import Path

import pytest
from made_commands import command as command

from lesionkit import cli
from lesionkit.published import TABLES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "AGENTS.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| `lesionkit ")
]
KEYS = {row[0].strip("`").split()[1]: row[-1].strip(" |") for row in ROWS}
ASKED = {
    "losses": (),
    "models": (),
    "parameters": (),
    "datasets": (),
    "rank": ("study-small",),
    "claims": ("study-small",),
    "advise": ("--like", "kvasir", "--model", "unet"),
    "cite": ("study-small",),
    "status": (),
}


def test_every_command_of_the_page_is_there() -> None:
    assert set(KEYS) <= set(cli.cli.commands)
    assert len(KEYS) == len(ROWS) > 15


@pytest.mark.parametrize(("name", "given"), ASKED.items())
def test_the_keys_are_those_of_the_answer(name, given, command, data_home) -> None:
    found = json.loads(command(name, *given, "--json").out)
    listed = KEYS[name].removeprefix("a list: ").split()
    if KEYS[name].startswith("a list"):
        assert isinstance(found, list)
        found = found[0] if found else dict.fromkeys(listed)
    assert list(found) == listed


def test_the_parts_of_a_verdict_are_named(command) -> None:
    (told,) = re.findall(r"`verdict` of `rank` has (.*?)\. Quote", PAGE, re.S)
    names = set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", told))) - {"and"}
    assert names == set(
        json.loads(command("rank", "study-small", "--json").out)["verdict"]
    )


def test_the_named_tables_are_those_that_there_are() -> None:
    (told,) = re.findall(r"Named tables: (.*?)\.\n", PAGE, re.S)
    assert set(re.split(r",\s+", told)) == set(TABLES)


@pytest.mark.parametrize("name", ["AGENTS.md", "llms.txt"])
def test_every_link_leads_somewhere(name) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / name).read_text())
    assert links and [link for link in links if not (ROOT / link).exists()] == []
