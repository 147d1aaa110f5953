"""A command of the kit run in this process, and a file for it to read."""

from types import SimpleNamespace

import pytest

from lesionkit.cli import main


@pytest.fixture
def command(capsys):
    """Runs a command here: its exit status, stdout, stderr."""

    def call(*arguments):
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return call


@pytest.fixture
def file(tmp_path):
    """Writes a file of this name and text and gives its path."""

    def write(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write
