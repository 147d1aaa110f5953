"""Rar archives through a program: here one that does as the test says."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from lesionkit.datasets.fetching import archives
from lesionkit.datasets.fetching.archives import PROGRAMS, BadArchive, Limits, unpack

# Writes what its script holds where it is told to unpack.
PROGRAM = """#!{python}
import json, os, sys, time
from pathlib import Path
script = json.loads(Path({script!r}).read_text())
name, words = Path(sys.argv[0]).name, sys.argv[1:]
with open({log!r}, "a") as log:
    print(name, *words, file=log)
if script.get("broken"):
    sys.exit("Cannot open encrypted archive. Wrong password?")
folder = next(w for w in words if "/into/." in w)
folder = Path(folder)
for name, content in script["files"].items():
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.symlink_to("/etc/passwd")
    else:
        path.write_text(content)
time.sleep(script.get("seconds", 0))
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Installs programs that do as the script says; gives what they were asked."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    monkeypatch.setenv("PATH", str(bin_folder))
    log = tmp_path / "log"
    log.write_text("")

    def install(*names, **script):
        told = tmp_path / "script.json"
        told.write_text(json.dumps(script))
        for name in names:
            path = bin_folder / name
            text = PROGRAM.format(python=sys.executable, script=str(told), log=str(log))
            path.write_text(text)
            path.chmod(0o755)
        return lambda: log.read_text().splitlines()

    return install


@pytest.fixture
def archive(tmp_path):
    """A file that says it is a rar."""
    path = tmp_path / "CVC-ClinicDB.rar"
    path.write_bytes(b"Rar!\x1a\x07\x00" + bytes(1000))
    return path


@pytest.fixture
def folder(tmp_path):
    """An empty folder."""
    path = tmp_path / "into"
    path.mkdir()
    return path


def below(folder):
    """Every file below a folder with its text."""
    found = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_text() for p in found}


FILES = {"CVC/Original/1.tif": "image", "CVC/Ground Truth/1.tif": "mask"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_program_unpacks_it(name, programs, archive, folder):
    asked = programs(name, files=FILES)
    unpack(archive, folder)
    assert below(folder) == {"Original/1.tif": "image", "Ground Truth/1.tif": "mask"}
    assert [line.split()[0] for line in asked()] == [name]
    assert all(str(archive) in line for line in asked())
    assert {path.name for path in folder.iterdir()} == {"Original", "Ground Truth"}


def test_without_a_program_it_says_what_to_install(programs, archive, folder):
    with pytest.raises(FileNotFoundError, match="none is .*one of bsdtar, unar"):
        unpack(archive, folder)


def test_a_program_that_cannot_read_it_leaves_it_to_the_next(
    programs, archive, folder, tmp_path
):
    programs("unar", files=FILES)
    broken = tmp_path / "bin" / "bsdtar"
    broken.write_text("#!/bin/sh\necho 'is not RAR archive' >&2\nexit 10\n")
    broken.chmod(0o755)
    unpack(archive, folder)
    assert len(below(folder)) == 2


def test_where_no_program_can_read_it_each_reason_is_told(programs, archive, folder):
    programs("bsdtar", "unar", broken=True)
    with pytest.raises(FileNotFoundError, match="says: Cannot .*: Cannot .*install"):
        unpack(archive, folder)


def test_a_link_that_was_unpacked_is_refused(programs, archive, folder):
    programs("bsdtar", files={"CVC/link": None})
    with pytest.raises(BadArchive, match="holds a link or a device: 'CVC/link'"):
        unpack(archive, folder)


def test_a_program_that_writes_too_much_is_stopped(
    programs, archive, folder, monkeypatch
):
    monkeypatch.setattr(archives, "LOOK_SECONDS", 0.05)
    programs("bsdtar", files={"zeros": "0" * 50_000}, seconds=30)
    begun = time.monotonic()
    with pytest.raises(BadArchive, match="unpacks to more than 10.1 kB"):
        unpack(archive, folder, limits=Limits(ratio=10))
    assert time.monotonic() - begun < 20  # it would have taken 30 s


def test_too_many_files_are_refused(programs, archive, folder):
    programs("bsdtar", files=FILES)
    with pytest.raises(BadArchive, match="holds more than 1 files"):
        unpack(archive, folder, limits=Limits(files=1))


def test_one_folder_of_the_archive_can_be_all_that_is_wanted(programs, archive, folder):
    programs("bsdtar", files=FILES)
    unpack(archive, folder, part="CVC/Original")
    assert below(folder) == {"1.tif": "image"}
    with pytest.raises(BadArchive, match="holds no file in 'CVC/none'"):
        unpack(archive, folder, part="CVC/none")


def test_a_program_that_unpacks_nothing_is_noticed(programs, archive, folder):
    programs("bsdtar", files={})
    with pytest.raises(BadArchive, match="holds no file"):
        unpack(archive, folder)


def test_no_program_may_ask_for_anything(programs, archive, folder):
    programs("bsdtar", files=FILES)
    assert os.path.isabs(archive)  # never taken for an option
    unpack(Path(os.path.relpath(archive)), folder)
    assert len(below(folder)) == 2
