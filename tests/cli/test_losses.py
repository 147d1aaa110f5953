"""The command that puts a loss through the battery."""

from __future__ import annotations

import json

import pytest
from made_commands import command as command

LOSSES = """
def right(logits, mask, floor=1e-6):
    p, y = logits.float().sigmoid(), mask.float()
    return 1 - (2 * (p * y).sum() + floor) / (p.sum() + y.sum() + floor)

def breaks_in_half(logits, mask):
    p = logits.sigmoid()
    return -(mask * (p + 1e-8).log() + (1 - mask) * (1 - p + 1e-8).log()).mean()
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    (tmp_path / "my_losses.py").write_text(LOSSES)
    (tmp_path / "broken.py").write_text("import nothing_like_it\n")
    monkeypatch.chdir(tmp_path)


def test_a_right_loss_is_told_in_lines(command):
    told = command("check", "my_losses.py:right", "--options", '{"floor": 1e-5}')
    first, *lines = told.out.splitlines()
    assert told.code == 0, told.err
    assert first == "my_losses.py:right(floor=1e-05): all 12 checks passed"
    assert all(line.split()[0] in ("passed", "note") for line in lines)
    assert lines[-1].endswith("it is dice, by value and gradient.")


def test_a_wrong_loss_is_status_1_and_json_says_where(command):
    told = command("check", "my_losses.py:breaks_in_half", "--json")
    found = json.loads(told.out)
    assert told.code == 1
    failed = [each for each in found["findings"] if each["passed"] is False]
    assert [each["code"] for each in failed] == ["half"]
    assert failed[0]["says"].startswith("In float16 it is not finite with logits")
    assert [each["name"] for each in found["equals"]] == ["bce"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["check", "my_loses.py:right"], 1, "Did you mean my_losses.py?"),
        (["check", "my_losses.py:rihgt"], 2, "Did you mean 'right'?"),
        (["check", "broken.py:x"], 1, "cannot be run: ModuleNotFoundError"),
        (["check", "dicee"], 2, "Did you mean 'dice'?"),
        (["check", "my_losses.py:right", "--options", "{"], 2, "must be JSON"),
        (
            ["check", "my_losses.py:right", "--options", '{"flor": 1}'],
            2,
            "Did you mean 'floor'?",
        ),
        (["train", "-p", "loss", "nope.py:X"], 1, "no file"),
        (["train", "-p", "loss", "nolibrary:X"], 1, "no installed library"),
        (["train", "-p", "loss", "a b:X"], 2, "neither a .py file nor a module"),
    ],
)
def test_what_is_wrong_is_one_line(command, words, code, says):
    told = command(*words)
    assert (told.code, told.out) == (code, "")
    assert says in told.err
    assert told.err.count("\n") == 1
