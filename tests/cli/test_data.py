"""The command fetch: its terms, its answer and its exit status."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from lying_server import server as server
from made_publisher import kvasir
from made_publisher import no_pauses as no_pauses

from lesionkit.catalogue.publishers import PUBLISHERS
from lesionkit.cli.data import fetch as fetch_command


@pytest.fixture
def command(server, monkeypatch):
    """Runs `lesionkit fetch` for a Kvasir-SEG of five pairs on the server."""
    monkeypatch.setitem(PUBLISHERS, "kvasir", kvasir(server))

    def call(*arguments, **how):
        result = CliRunner().invoke(fetch_command, arguments, **how)
        return SimpleNamespace(
            code=result.exit_code, out=result.stdout, err=result.stderr
        )

    return call


def test_the_command_refuses_where_nobody_can_agree(command, server):
    result = command("kvasir")
    assert result.code == 2
    assert "terms: research only\n" in result.out
    assert result.err.splitlines()[-1].endswith(
        "the terms above need your agreement: lesionkit fetch kvasir --yes"
    )
    assert server.asked == []


def test_the_command_fetches_with_yes(command):
    result = command("kvasir", "--yes")
    assert result.code == 0
    assert result.out.splitlines()[-1] == "next: lesionkit prepare kvasir"


def test_the_command_gives_a_program_only_its_answer(command, data_home):
    result = command("kvasir", "--yes", "--json")
    assert json.loads(result.out) == {
        "name": "kvasir",
        "folder": str(data_home / "raw" / "kvasir"),
        "found": 5,
        "published": 1000,
        "downloaded": ["kvasir-seg.zip"],
    }


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_the_command_asks_where_somebody_can_answer(
    command, server, monkeypatch, answer, code
):
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True), stderr=None)
    monkeypatch.setattr("lesionkit.cli.data.sys", terminal)
    result = command("kvasir", input=answer)
    assert result.code == code
    assert "Agree and download? [y/N]" in result.err
    assert bool(server.asked) == (code == 0)
