"""Helps of whole sentences within 80 columns; Ctrl-C told as training tells it."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner

from lesionkit.cli import cli, main

OPTIONS = [
    (name, option)
    for name, command in cli.commands.items()
    for option in command.params
    if isinstance(option, click.Option)
]


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_what_an_option_does_is_a_whole_sentence(name, option):
    told = option.help.partition(" [default")[0]
    assert re.match(r"[A-Z\[]", told), told
    assert len(told.split()) >= 4, told
    assert option.help.endswith((".", "].")), option.help


@pytest.mark.parametrize("name", ["", *cli.commands])
def test_no_line_of_a_help_is_longer_than_80_columns(name):
    words = [name, "--help"] if name else ["--help"]
    told = CliRunner().invoke(cli, words, terminal_width=80, prog_name="lesionkit")
    assert told.exit_code == 0
    assert max(map(len, told.output.splitlines())) <= 80


@pytest.mark.parametrize("said", ["stopped in epoch 3 of 12; run again", ""])
def test_ctrl_c_is_told_as_the_training_tells_it(said, monkeypatch, capsys):
    def stopped(*given, **other):
        raise KeyboardInterrupt(*filter(None, [said]))

    monkeypatch.setattr(cli, "invoke", stopped)
    with pytest.raises(SystemExit) as end:
        main(["models"])
    assert end.value.code == 1
    expected = said or "stopped; the same command goes on from here"
    assert capsys.readouterr().err.strip().splitlines()[-1] == f"lesionkit: {expected}"
