"""A record of a later version is refused in a line, by every command that reads it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from made_commands import command as command
from made_records import made_record
from PIL import Image

import lesionkit as lk
from lesionkit.config import RunConfig
from lesionkit.records import formats, runs, stores
from lesionkit.records.runs import RunRecord, find_records

RUN = RunConfig(loss="dice")
FORMAT = r"a run record of format 9, and this version of lesionkit reads 1 to \d+"
NAME = r"what this version of lesionkit does not know \(lr_decay\)"
CHOICE = r"what this version of lesionkit does not know \(optimizer 'lion'\)"
LATER = {
    "format": ({"format": 9}, {}, FORMAT),
    "no number": ({"format": "2b"}, {}, "a run record of format '2b'"),
    "parameter": ({}, {"lr_decay": 0.5}, NAME),
    "choice": ({}, {"optimizer": "lion"}, CHOICE),
}


def later(folder: Path, top: dict, identity: dict) -> Path:
    """A sealed record, made by a version that writes this into config.json."""
    path = folder / "config.json"
    content = json.loads(path.read_text()) | top
    content["identity"] |= identity
    path.write_text(json.dumps(content))
    done = json.loads((folder / "DONE").read_text())
    sealed = path.read_bytes()
    digest = hashlib.sha256(sealed).hexdigest()
    done["files"]["config.json"] = {"bytes": len(sealed), "sha256": digest}
    (folder / "DONE").write_text(json.dumps(done))
    return folder


@pytest.fixture
def folder(data_home) -> Path:
    """The finished record of a run, beside a good one of another loss."""
    made_record(RunConfig(loss="iou"))
    return made_record(RUN)


@pytest.mark.parametrize("kind", LATER)
def test_a_later_record_is_named_and_ranked_with_no_others(folder, kind: str) -> None:
    top, identity, says = LATER[kind]
    later(folder, top, identity)
    with pytest.raises(ValueError, match=says) as caught:
        find_records(folder.parents[3])
    told = str(caught.value)
    assert told.startswith(str(folder))
    assert told.endswith(formats.WAY_OUT)
    assert "\n" not in told


@pytest.mark.parametrize("kind", LATER)
def test_a_later_record_is_read_by_nobody(folder, kind: str) -> None:
    top, identity, says = LATER[kind]
    record = RunRecord(later(folder, top, identity))
    assert re.search(says, record.problems()[0])
    assert re.search(says, runs.state_of(RUN)[1])
    assert runs.state_of(RUN)[0] == runs.state(folder) == "damaged"
    for ask in (lambda: record.identity, lambda: lk.run(RUN, progress=False)):
        with pytest.raises(ValueError, match=says):
            ask()
    with pytest.raises(ValueError, match=says):
        runs.finished(folder)


COMMANDS = [
    ["rank", "{runs}"],
    ["claims", "{runs}"],
    ["report", "{runs}", "-o", "{out}/report.html"],
    ["advise", "{runs}"],
    ["cite", "{runs}"],
    ["card", "{record}"],
    ["predict", "{record}", "{out}/images", "-o", "{out}/masks"],
    ["export", "{record}", "-o", "{out}/model"],
    ["browse", "{record}", "-o", "{out}/browse.html"],
    ["thresholds", "{runs}", "--html", "{out}/page.html"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_every_command_refuses_a_later_record_in_a_line(
    folder, tmp_path, command, words: list[str]
) -> None:
    later(folder, {"format": 9}, {})
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "images" / "one.png")
    places = {"runs": folder.parents[5], "record": folder, "out": tmp_path}
    found = command(*[word.format_map(places) for word in words])
    assert found.code == 1, found.out
    (line,) = found.err.strip().splitlines()
    assert re.search(FORMAT, line)
    assert str(folder) in line


def test_status_shows_a_later_record_with_the_reason(folder, command) -> None:
    later(folder, {"format": 9}, {})
    states = {row["run_id"]: row for row in json.loads(command("status", "--json").out)}
    row = states[RUN.run_id]
    assert row["state"] == "damaged"
    assert re.search(FORMAT, row["reason"])
    assert [r["state"] for n, r in states.items() if n != RUN.run_id] == ["done"]


def test_a_later_seal_is_refused_before_anything_is_read(folder) -> None:
    done = json.loads((folder / "DONE").read_text()) | {"format": 9}
    (folder / "DONE").write_text(json.dumps(done))
    with pytest.raises(ValueError, match=FORMAT):
        RunRecord(folder).metrics  # noqa: B018
    with pytest.raises(ValueError, match=FORMAT):
        find_records(folder)


def test_an_unfinished_run_of_a_later_version_is_left_alone(data_home) -> None:
    path = runs.start(RUN) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 9}))
    with pytest.raises(ValueError, match=FORMAT):
        runs.start(RUN)
    assert json.loads(path.read_text())["format"] == 9


def test_a_later_record_behind_a_url_is_refused_and_shown_as_damaged(folder) -> None:
    later(folder, {}, {"lr_decay": 0.5})
    url = f"file://{folder}"
    with pytest.raises(ValueError, match=NAME) as caught:
        find_records(url)
    assert str(caught.value).startswith(f"{url}: ")
    ((_, state, reason),) = stores.standing(url)
    assert state == "damaged"
    assert re.search(NAME, reason)


def test_an_edited_record_is_told_as_edited_and_not_as_later(folder) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"dice"', '"dicf"'))
    assert RunRecord(folder).problems(hashes=False) == []
    assert "was changed after" in RunRecord(folder).problems()[0]


def test_a_blank_data_folder_is_a_refusal_and_no_wrong_argument(
    command, monkeypatch
) -> None:
    monkeypatch.setenv("LESIONKIT_DATA", " ")
    found = command("train", "-p", "loss", "dice")
    assert (found.code, found.out) == (1, "")
    assert found.err == (
        "lesionkit: LESIONKIT_DATA=' ' is blank: name a folder, or unset it\n"
    )


def test_a_damaged_record_is_a_refusal_and_no_wrong_argument(folder, command) -> None:
    (folder / "images.csv").write_text("")
    found = command("rank", folder)
    assert found.code == 1
    assert f"{folder}/images.csv is 0 bytes, not" in found.err
