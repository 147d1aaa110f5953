"""Copies of the notebooks, and the first cell that installs the kit elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from lesionkit.cli import main
from lesionkit.cli.machine import copy_notebooks
from lesionkit.extras import notebook_folder

NAMES = ["01_data", "02_losses", "03_train", "04_analysis", "05_thresholds"]
NAMES = [f"{name}.ipynb" for name in (*NAMES, "06_lung_ct", "07_predict")]
# The least that pip takes for this kit: a module and its metadata.
WHEEL = {
    "lesionkit.py": "where = 'the wheel'\n",
    "lesionkit-9.dist-info/METADATA": "Metadata-Version: 2.1\nName: lesionkit\n"
    "Version: 9\n",
    "lesionkit-9.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\n"
    "Root-Is-Purelib: true\nTag: py3-none-any\n",
    "lesionkit-9.dist-info/RECORD": "",
}


def first_cell(path: Path) -> str:
    """The source of a notebook's first cell."""
    return "".join(json.loads(path.read_text())["cells"][0]["source"])


def test_the_copies_are_the_notebooks_byte_for_byte(tmp_path: Path) -> None:
    copies = copy_notebooks(tmp_path / "mine")
    assert [path.name for path in copies] == NAMES
    for path in copies:
        assert path.read_bytes() == (notebook_folder() / path.name).read_bytes()


def test_copying_again_changes_nothing(tmp_path: Path) -> None:
    (first, *_) = copy_notebooks(tmp_path)
    before = first.stat().st_mtime_ns
    copy_notebooks(tmp_path)
    assert first.stat().st_mtime_ns == before


def test_a_changed_copy_is_kept_and_no_other_written(tmp_path: Path) -> None:
    (tmp_path / "03_train.ipynb").write_text("mine")
    with pytest.raises(FileExistsError, match=r"03_train\.ipynb; .* --replace"):
        copy_notebooks(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["03_train.ipynb"]
    assert (tmp_path / "03_train.ipynb").read_text() == "mine"


def test_a_changed_copy_is_overwritten_when_asked(tmp_path: Path) -> None:
    (tmp_path / "03_train.ipynb").write_text("mine")
    copy_notebooks(tmp_path, replace=True)
    source = notebook_folder() / "03_train.ipynb"
    assert (tmp_path / "03_train.ipynb").read_bytes() == source.read_bytes()


def test_a_copy_that_installs_has_one_cell_more_and_is_else_the_same(
    tmp_path: Path,
) -> None:
    for path in copy_notebooks(tmp_path, install=""):
        copy = json.loads(path.read_text())
        source = json.loads((notebook_folder() / path.name).read_text())
        assert f"'lesionkit=={version('lesionkit')}'" in first_cell(path)
        assert copy["cells"].pop(0)["cell_type"] == "code"
        assert copy == source


def test_the_command_prints_what_it_wrote(tmp_path: Path, capsys) -> None:
    main(["notebooks", str(tmp_path), "--install", "here.whl"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [str(tmp_path / name) for name in NAMES]
    assert "\"--quiet\", 'here.whl']" in first_cell(tmp_path / NAMES[0])


def test_the_command_takes_install_without_a_source(tmp_path: Path) -> None:
    main(["notebooks", "--install", "--replace", str(tmp_path)])
    assert f"'lesionkit=={version('lesionkit')}'" in first_cell(tmp_path / NAMES[0])


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as caught:
        main(["notebooks", str(tmp_path / "file")])
    assert caught.value.code == 1
    told = f"lesionkit: {tmp_path / 'file'} is a file; name a folder\n"
    assert capsys.readouterr().err == told


def test_the_cell_leaves_a_kit_that_is_there_alone(tmp_path: Path) -> None:
    (path, *_) = copy_notebooks(tmp_path, install="no such wheel")
    done = subprocess.run([sys.executable, "-c", first_cell(path)], check=False)
    assert done.returncode == 0


@pytest.mark.slow
def test_on_a_machine_without_the_kit_the_cell_installs_it(tmp_path: Path) -> None:
    wheel = tmp_path / "lesionkit-9-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in WHEEL.items():
            archive.writestr(name, text)
    venv.create(tmp_path / "bare", with_pip=True)
    python = tmp_path / "bare" / "bin" / "python"
    (path, *_) = copy_notebooks(tmp_path / "copies", install=str(wheel))
    code = first_cell(path) + "\nimport lesionkit; print(lesionkit.where)"
    done = subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["the wheel"], done.stderr
