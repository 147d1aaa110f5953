"""What a disk refuses, said in one line by everything that writes."""

from __future__ import annotations

import errno
import os
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionkit import prepared
from lesionkit.cli import main
from lesionkit.config import RunConfig
from lesionkit.prepared import preparing, staging
from lesionkit.records import disks, runs

Usage = namedtuple("Usage", "total used free")


def refusal(number: int, path: Path | None = None) -> OSError:
    """The system's error of this number."""
    named = () if path is None else (str(path),)
    return OSError(number, os.strerror(number), *named)


def told_by(call, capsys, code: int = 1) -> str:
    """The only line that a command leaves on stderr, its bar left out."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in call])
    assert end.value.code == code
    out, err = capsys.readouterr()
    (line,) = [text for text in err.splitlines() if text.startswith("lesionkit: ")]
    assert err.splitlines()[-1] == line
    assert out == ""
    return line


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_where_how_much_is_free_and_what_to_do(
    monkeypatch, tmp_path, number
):
    monkeypatch.setattr(disks.shutil, "disk_usage", lambda p: Usage(9, 9, 3 << 19))
    place = tmp_path / "not" / "there"
    with pytest.raises(OSError, match="disk") as caught, disks.refusals_told(place):
        raise refusal(number)
    assert str(caught.value) == (
        f"the disk of {tmp_path} is full (1.5 MiB free): make room, and the same"
        f" command goes on from here; or {disks.ELSEWHERE}"
    )


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EROFS, OSError), (errno.EACCES, PermissionError)],
)
def test_a_closed_disk_names_the_file_and_keeps_its_class(tmp_path, number, kind):
    path = tmp_path / "file"
    with pytest.raises(kind) as caught, disks.refusals_told(tmp_path):
        raise refusal(number, path)
    why = os.strerror(number)
    said = f"{path}: {why}: {disks.ELSEWHERE} that can be written"
    assert str(caught.value) == said


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "a" / "b"
    with pytest.raises(NotADirectoryError) as caught, disks.refusals_told(tmp_path):
        below.mkdir(parents=True)
    said = str(caught.value)
    assert f": {tmp_path / 'file'} is no folder: name another folder" in said


def test_any_other_error_passes_as_it_is(tmp_path):
    error = refusal(errno.EIO)
    with pytest.raises(OSError, match="put") as caught, disks.refusals_told(tmp_path):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("below", ["", "prepared/toy"])
def test_a_place_that_takes_no_folder_is_said_to_be_that(data_home, below):
    with pytest.raises(FileNotFoundError) as caught, disks.refusals_told(data_home):
        raise refusal(errno.ENOENT, data_home.parent)
    said = f"{data_home.parent}: No such file or directory: no folder can be made here"
    assert str(caught.value) == f"{said}; {disks.ELSEWHERE}"
    if below:  # a file of the data that is missing is another matter
        assert (
            disks.in_words(refusal(errno.ENOENT, data_home / below), data_home) is None
        )


def test_a_half_written_file_is_told_by_the_name_that_was_asked_for(tmp_path):
    said = []
    for name in (".r.html.5b4c20ee.part", ".r.html.part", "r.html"):
        said.append(disks.in_words(refusal(errno.EROFS, tmp_path / name), tmp_path))
    named = [words.split(":")[0] for words in said]
    assert named == [str(tmp_path / n) for n in ("r.html", ".r.html.part", "r.html")]


def test_preparing_into_a_data_folder_that_is_a_file_is_one_line(data_home, capsys):
    data_home.write_text("")
    line = told_by(["prepare", "toy"], capsys)
    assert f"{data_home} is no folder: name another folder (for data: export" in line


def test_preparing_on_a_full_disk_is_one_line_and_blames_no_image(
    data_home, tmp_path, capsys, monkeypatch
):
    for part, mode in (("images", "RGB"), ("masks", "L")):
        (tmp_path / "own" / part).mkdir(parents=True)
        for i in range(2):
            picture = Image.new(mode, (20, 20), 9 * i if mode == "L" else (i, 0, 0))
            picture.save(tmp_path / "own" / part / f"{i}.png")

    def full(stream, **arrays):
        stream.write(b"half")
        raise refusal(errno.ENOSPC)

    monkeypatch.setattr(staging.np, "savez", full)
    call = ["prepare", "mine", "--raw", tmp_path / "own", "--size", "16", "--skip-bad"]
    line = told_by(call, capsys)
    assert line.startswith("lesionkit: the disk of ")
    assert "cannot be used" not in line
    left = [path for path in data_home.rglob("*") if path.is_file()]
    assert left == []


def test_a_prepared_form_without_room_is_refused_before_it_is_filled(
    tmp_path, monkeypatch
):
    asked = []

    def full(handle, start, length):
        asked.append(length)
        raise refusal(errno.ENOSPC)

    monkeypatch.setattr(prepared.os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match="No space"):
        prepared._new(tmp_path / "a.npy", (100, 100), "uint8")
    assert asked == [100 * 100 + 128]  # with its header


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_disk_that_cannot_reserve_is_written_all_the_same(
    tmp_path, monkeypatch, number
):
    def cannot(*_):
        raise refusal(number)

    monkeypatch.setattr(prepared.os, "posix_fallocate", cannot, raising=False)
    made = prepared._new(tmp_path / "a.npy", (3,), "uint8")
    made[:] = 7
    made.flush()
    assert np.load(tmp_path / "a.npy").tolist() == [7, 7, 7]


def test_a_read_only_disk_is_told_before_the_samples_are_made(
    data_home, monkeypatch, capsys
):
    filled = []
    monkeypatch.setattr(preparing, "_rows", lambda *given: ([], {}))
    monkeypatch.setattr(preparing, "fill", lambda *given, **more: filled.append(given))
    mkdir = Path.mkdir

    def closed(path, *given, **more):
        if path.name.endswith(".part"):
            raise refusal(errno.EROFS, path)
        mkdir(path, *given, **more)

    monkeypatch.setattr(Path, "mkdir", closed)
    line = told_by(["prepare", "toy", "--size", "16", "--force"], capsys)
    place = data_home / "prepared" / "toy" / "16"
    assert line.startswith(f"lesionkit: {place}: Read-only file system: name another")
    assert filled == []


def test_drawing_the_toy_set_fails_before_the_work_where_nothing_can_be_written(
    data_home, monkeypatch
):
    drawn = []
    monkeypatch.setattr(preparing, "_rows", lambda *given: drawn.append(given))
    data_home.write_text("")
    with pytest.raises(NotADirectoryError, match="is no folder"):
        preparing.prepare("toy", size=16)
    assert drawn == []


def test_a_run_whose_disk_fills_says_so_and_is_no_failed_run(tiny, monkeypatch):
    from lesionkit.training import experiment

    def full(*_, **__):
        raise refusal(errno.ENOSPC)

    monkeypatch.setattr(experiment, "train", full)
    small = {"dataset": tiny, "size": 32, "epochs": 1, "batch_size": 8}
    config = RunConfig(**small, model="colonsegnet")
    with pytest.raises(OSError, match="^the disk of .* is full"):
        experiment.run(config, progress=False)
    assert runs.failure(config.folder) is None
    assert runs.state(config.folder) == "unfinished"  # a sweep tries it again
