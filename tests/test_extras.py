"""What is said where an extra is missing."""

from __future__ import annotations

import sys

import pytest

from lesionkit import extras
from lesionkit.cli import main


@pytest.mark.parametrize(
    ("checkout", "command"),
    [
        (True, "uv sync --extra ray, or pip install --editable '.[ray]'"),
        (False, "pip install 'lesionkit[ray]'"),
    ],
)
def test_an_extra_is_installed_by_the_means_of_the_place(
    monkeypatch, checkout, command
):
    monkeypatch.setattr(extras, "in_checkout", lambda: checkout)
    assert extras.install("ray") == command


def test_the_bayesian_test_without_its_package_is_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "baycomp", None)
    with pytest.raises(SystemExit) as end:
        main(["rank", "public-rerun", "--bayes"])
    line = capsys.readouterr().err.splitlines()[-1]
    needs = f"the Bayesian test needs baycomp: {extras.install('bayes')}"
    assert (end.value.code, line) == (1, f"lesionkit: {needs}")
