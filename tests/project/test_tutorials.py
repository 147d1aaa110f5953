"""The tutorials: every command parses, and what they quote is what is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from made_data import write_discs

import lesionkit as lk
from lesionkit.cli import cli, main
from lesionkit.cli.console import typed
from lesionkit.config import RunConfig

FOLDER = Path(__file__).parents[2] / "docs/tutorials"
PAGES = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.md"))}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
QUICK = ("reading-a-verdict", "defending-a-table")  # need nothing but the kit
CHEAP = ("rank", "plan", "claims", "audit", "luck")


def lines_of(block: str) -> list[str]:
    """The commands of a block, each on one line."""
    return block.replace("\\\n", " ").strip().splitlines()


def commands(text: str) -> list[str]:
    """Every command line of a page's blocks."""
    shell = [block for kind, block in BLOCK.findall(text) if kind == "sh"]
    return [line for block in shell for line in lines_of(block)]


def quotes(text: str) -> list[tuple[str, str]]:
    """Each block of output with the command that stands last before it."""
    found, command = [], ""
    for kind, block in BLOCK.findall(text):
        if kind == "sh":
            command = lines_of(block)[-1]
        elif command and not kind:
            found.append((command, block))
    return found


COMMANDS = [(page, line) for page, text in PAGES.items() for line in commands(text)]
INLINE = [
    (page, " ".join(found.split()))
    for page, text in PAGES.items()
    for found in re.findall(r"`(lesionkit [^`]+)`", text)
]
QUOTED = [
    pytest.param(line, said, id=f"{page}-{i}")
    for page in QUICK
    for i, (line, said) in enumerate(quotes(PAGES[page]))
    if line.split()[1] in CHEAP
]


def parsed(line: str) -> click.Context:
    """What click makes of a command line, without running it."""
    name, *words = shlex.split(line)[1:]
    return cli.commands[name].make_context(name, words)


def test_there_are_four_tutorials_and_the_site_has_them_in_this_order() -> None:
    order = "your-data overnight-sweep reading-a-verdict defending-a-table".split()
    index = (FOLDER.parent / "index.md").read_text()
    listed = [line for line in index.splitlines() if line.startswith("tutorials/")]
    assert sorted(order) == sorted(PAGES)
    assert listed == [f"tutorials/{name}" for name in order]


@pytest.mark.parametrize("page", PAGES)
def test_a_tutorial_begins_with_its_end_and_its_time(page: str) -> None:
    head = r"# .+\n\n\*\*At the end\*\* .+?\n\n\*\*Takes\*\* "
    assert re.match(head, PAGES[page], re.S)


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_of_a_tutorial_parses(page: str, line: str) -> None:
    context = parsed(line)
    pairs = context.params.get("pairs")
    if context.info_name == "train":
        RunConfig.from_mapping({key: typed(value) for key, value in pairs})


@pytest.mark.parametrize(("page", "line"), INLINE)
def test_a_command_in_a_sentence_parses_but_for_what_it_leaves_out(
    page: str, line: str
) -> None:
    try:
        parsed(line)
    except click.MissingParameter as error:
        assert error.param is not None


@pytest.mark.parametrize("page", PAGES)
def test_a_name_of_the_kit_in_a_tutorial_is_there(page: str) -> None:
    names = re.findall(r"\blk\.((?:\w+\.)*\w+)", PAGES[page])
    for name in names:
        thing = lk
        for part in name.split("."):
            thing = getattr(thing, part)


@pytest.mark.parametrize("page", PAGES)
def test_a_link_of_a_tutorial_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGES[page])
    assert [link for link in links if not (FOLDER / link).exists()] == []


def test_your_data_takes_five_commands_at_most() -> None:
    text = PAGES["your-data"].split("## What thirty")[0]
    assert len(commands(text)) == 5


GRIDS = [
    pytest.param(text, int(runs), id=f"{page}-{name}")
    for page, content in PAGES.items()
    for text, name in re.findall(r"```yaml\n(name: (\w+)\n.*?)```", content, re.S)
    for runs in re.findall(rf"^{name}: (\d+) runs", content, re.M)[:1]
]


@pytest.mark.parametrize(("text", "runs"), GRIDS)
def test_a_grid_of_a_tutorial_has_the_runs_that_are_quoted(
    text: str, runs: int, tmp_path: Path
) -> None:
    write_discs("my_polyps")
    (tmp_path / "grid.yaml").write_text(text)
    assert len(lk.read_sweep(tmp_path / "grid.yaml").configs) == runs


def cells(line: str) -> list[str]:
    """A printed line cut where two spaces are."""
    return re.split(r" {2,}", line.strip())


def within(quoted: list[str], printed: list[str]) -> bool:
    """Whether the cells of a quoted line stand in a printed one, in this order."""
    rest = iter(printed)
    return all(cell in rest for cell in quoted)


@pytest.mark.slow
@pytest.mark.parametrize(("line", "said"), QUOTED)
def test_every_quoted_line_is_printed(
    line: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    table = re.search(r"```\n(Dataset,.*?)```", PAGES["defending-a-table"], re.S)[1]
    (tmp_path / "table2.csv").write_text(table)
    monkeypatch.chdir(tmp_path)
    main(shlex.split(line)[1:])
    streams = capsys.readouterr()
    printed = [cells(each) for each in (streams.out + streams.err).splitlines()]
    quoted = [cells(each) for each in said.splitlines() if each.strip()]
    assert [q for q in quoted if not any(within(q, p) for p in printed)] == []
