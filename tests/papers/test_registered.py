"""A claim that is written down before the runs, and what is said of it after."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from made_claims import made
from made_commands import command as command

from lesionkit.inference import standing
from lesionkit.papers import registered
from lesionkit.papers.answers import CONTRADICTED, NOT_SUPPORTED, SUPPORTED

WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXT = """\
claim: iou is the best
metric: dice
margin: 0.02
losses: [iou, bce, dice]
repeats: 3
"""


@pytest.fixture(scope="module")
def table():
    """iou is 0.02 above bce and 0.01 above dice."""
    return made({"iou": 0.02, "bce": 0.0, "dice": 0.01})


@pytest.fixture
def file(tmp_path):
    """A registration that is not sealed yet."""
    path = tmp_path / "claim.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("margin", [0.01, 0.03])
def test_a_smaller_and_a_larger_margin_are_told(margin, file, table):
    registered.register(file, now=WHEN)
    said = registered.changes(registered.read(file), table, "dice", margin)
    assert said == [f"margin {margin:g}; registered was 0.02"]


def test_a_cell_with_fewer_runs_than_registered_is_told(file, table):
    registered.register(file, now=WHEN)
    said = registered.changes(registered.read(file), table.iloc[1:], "dice", 0.02)
    assert said == ["2 to 3 runs a cell; registered were 3"]


def test_alike_by_the_means_alone_is_not_shown(file):
    file.write_text(TEXT.replace("iou is the best", "iou is like bce"))
    registered.register(file, now=WHEN)
    noisy = standing.rank(made({"iou": 0.0, "bce": 0.0}, spread=0.05))
    assert abs(noisy.losses["behind"].iloc[0]) < 0.02
    said = registered.decided(registered.read(file), noisy)
    assert said == f"iou is like bce: {NOT_SUPPORTED}"


def test_a_registration_keeps_its_text_and_gets_a_time_and_a_seal(file):
    registered.register(file, now=WHEN)
    assert file.read_text().startswith(TEXT)
    found = registered.read(file)
    assert (found.registered, found.intact) == ("2026-03-01T12:00:00+00:00", True)
    assert (found.metric, found.margin) == ("dice", 0.02)


def test_nothing_is_changed_where_nothing_is(file, table):
    registered.register(file, now=WHEN)
    assert registered.changes(registered.read(file), table, "dice", 0.02) == []


@pytest.mark.parametrize(
    ("old", "new"), [("iou is the best", "dice is the best"), ("12:00", "11:00")]
)
def test_a_word_that_is_changed_after_the_seal_is_told(file, table, old, new):
    registered.register(file, now=WHEN)
    file.write_text(file.read_text().replace(old, new, 1))
    said = registered.changes(registered.read(file), table, "dice", 0.02)
    assert said == ["the file was changed after it was registered"]


def test_each_thing_that_differs_from_the_plan_is_told(file, table):
    registered.register(file, now=WHEN)
    fewer = table[(table["loss"] != "dice") & (table["repeat"] < 2)]
    more = fewer.assign(loss=fewer["loss"].replace("bce", "mine"))
    said = registered.changes(registered.read(file), more, "iou", 0.01)
    assert said == [
        "metric iou; registered was dice",
        "margin 0.01; registered was 0.02",
        "losses registered and not in the table: bce, dice",
        "losses in the table and not registered: mine",
        "2 to 2 runs a cell; registered were 3",
    ]


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ("iou is the best", SUPPORTED),
        ("bce is the best", CONTRADICTED),
        ("iou is better than bce", SUPPORTED),
        ("bce is better than iou", CONTRADICTED),
        ("iou is like dice", SUPPORTED),
        ("mine is the best", "untestable, no run of mine"),
    ],
)
def test_a_claim_of_a_known_form_is_answered(file, table, claim, says):
    file.write_text(TEXT.replace("iou is the best", claim))
    registered.register(file, now=WHEN)
    found = standing.rank(table, margin=0.02)
    assert registered.decided(registered.read(file), found) == f"{claim}: {says}"


def test_losses_further_apart_than_the_margin_are_not_like_each_other(file, table):
    file.write_text(
        TEXT.replace("iou is the best", "iou is like bce").replace("0.02", "0.001")
    )
    registered.register(file, now=WHEN)
    said = registered.decided(registered.read(file), standing.rank(table))
    assert said == f"iou is like bce: {CONTRADICTED}"


def test_what_is_not_shown_is_not_supported(file):
    equal = made({"iou": 0.0, "bce": 0.0, "dice": 0.0}, spread=0.03)
    registered.register(file, now=WHEN)
    said = registered.decided(registered.read(file), standing.rank(equal))
    assert said == f"iou is the best: {NOT_SUPPORTED}"


def test_a_claim_in_other_words_is_repeated(file, table):
    file.write_text("claim: compound losses help\n")
    registered.register(file, now=WHEN)
    said = registered.decided(registered.read(file), standing.rank(table))
    assert said.startswith('registered claim: "compound losses help"')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("metric: dice\n", "claim.yaml: a claim is needed"),
        ("claim: a\nmargn: 1\n", "claim.yaml: unknown key 'margn'.*'margin'"),
        ("claim: a\nmargin: 0\n", "margin must be a number above 0, got 0"),
        ("claim: a\nlosses: iou\n", "losses must be a list, got 'iou'"),
        ("claim: [\n", "is not YAML"),
    ],
)
def test_a_file_of_another_form_is_refused_and_left_as_it_is(file, text, says):
    file.write_text(text)
    with pytest.raises(ValueError, match=says):
        registered.register(file)
    assert file.read_text() == text


def test_a_claim_is_registered_once_and_read_only_then(file):
    with pytest.raises(ValueError, match="is not registered; run: lesionkit register"):
        registered.read(file)
    registered.register(file, now=WHEN)
    before = file.read_text()
    with pytest.raises(ValueError, match="was registered at 2026-03-01"):
        registered.register(file)
    assert file.read_text() == before
    with pytest.raises(FileNotFoundError, match="such as claim: ioufocal is the best"):
        registered.register(file.with_name("none.yaml"))


def test_the_commands_say_the_claim_first_and_what_was_changed(
    command, file, tmp_path, table
):
    assert command("register", file).code == 0
    path = tmp_path / "t.csv"
    table.to_csv(path, index=False)
    lines = command("rank", path, "--registered", file).out.splitlines()
    assert lines[0].startswith("Registered 20")
    assert lines[0].endswith("iou is the best: supported")
    assert lines[1] == "Nothing was changed."
    changed = command("rank", path, "--registered", file, "--margin", "0.01").out
    assert "changed since: margin 0.01; registered was 0.02" in changed
    again = command("register", file)
    assert (again.code, again.err.count("\n")) == (1, 1)
