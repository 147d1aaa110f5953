"""What doctor finds under conditions that are made, and that nothing ends it."""

import json

import pytest
from made_doctor import no_kernel as no_kernel

from lesionkit import doctor as examination
from lesionkit.cli import main
from lesionkit.doctor import software
from lesionkit.doctor.section import Section


@pytest.fixture
def checks(monkeypatch):
    """Puts these checks in the place of all others."""

    def only(*those):
        monkeypatch.setattr(examination, "CHECKS", {"made": those})

    return only


def doctor(*options):
    """Run the command; its exit status."""
    try:
        main(["doctor", *options])
    except SystemExit as end:
        return end.code
    return 0


def stopping(section):
    """A check that finds what stops the demo."""
    section.facts["a"] = "b"
    section.stops("why: way out")


def warning(section):
    """A check that finds something else."""
    section.warn("later")


def broken(section):
    """A check that cannot be made."""
    raise RuntimeError("two\nlines")


def test_a_check_that_fails_says_so_and_stops_no_other(checks):
    checks(broken, stopping)
    (section,) = examination.examine()
    assert section.facts == {"a": "b"}
    assert [(finding.level, finding.says) for finding in section.findings] == [
        ("warning", "the check test_doctor.broken did not work: two lines"),
        ("stops", "why: way out"),
    ]


def test_a_finding_is_always_one_line():
    section = Section("made")
    section.warn("a\n  b")
    section.stops("c\nd")
    assert [finding.says for finding in section.findings] == ["a b", "c d"]


def test_what_stops_the_demo_is_told_first_and_gives_exit_status_1(checks, capsys):
    checks(warning, stopping)
    assert doctor() == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[-2:] == ["stops: why: way out", "warning: later"]
    assert err.splitlines() == [
        "looking at made ...",
        "lesionkit: 1 of these stop the demo; correct them and run doctor again",
    ]


@pytest.mark.parametrize("check", [warning, broken])
def test_a_warning_leaves_the_exit_status_0(checks, capsys, check):
    checks(check)
    assert doctor() == 0
    assert "\nwarning: " in capsys.readouterr().out


def test_nothing_wrong_is_said_in_words(checks, capsys):
    checks(lambda section: None)
    assert doctor() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing is wrong"


def test_json_has_facts_findings_and_whether_the_demo_can_run(checks, capsys):
    checks(stopping)
    assert doctor("--json") == 1
    assert json.loads(capsys.readouterr().out) == {
        "demo": False,
        "sections": {"made": {"a": "b"}},
        "findings": [{"section": "made", "level": "stops", "says": "why: way out"}],
    }


def test_every_check_works_here_where_nothing_stops_the_demo(monkeypatch):
    facts = {"torch": "2", "cuda": None, "threads": 1, "said": []}
    facts |= {"available": False, "gpus": [], "architectures": [], "torchvision": "0"}
    monkeypatch.setattr(software, "torch_facts", lambda: facts)
    sections = list(examination.examine())
    said = [finding.says for section in sections for finding in section.findings]
    assert [line for line in said if "did not work" in line] == []
    assert examination.stops(sections) == []
    assert [section.name for section in sections] == list(examination.CHECKS)
