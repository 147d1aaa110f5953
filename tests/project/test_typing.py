"""What a type checker says of the public names, to their users."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import lesionkit
from lesionkit.catalogue.protocols import PROTOCOLS
from lesionkit.config import RunConfig

PACKAGE = Path(lesionkit.__file__).parent
LOSS_NUMBERS = {"alpha", "gamma", "beta", "focal_form", "alpha_form"}  # None for some
RIGHT = """
from typing import assert_type

from pandas import DataFrame
from torch import Tensor, nn, zeros

import lesionkit as lk

loss: nn.Module = lk.build_loss("ioufocal", definition="A-gamma2")
model: nn.Module = lk.build_model("unet", in_channels=1)
assert_type(lk.build_model("unet").heads(zeros(2, 3, 64, 64)), list[Tensor])
assert_type(lk.build_model("unet")(zeros(2, 3, 64, 64)), Tensor)
config = lk.RunConfig(loss="dice", model="unet", dataset="toy", size=None)
assert_type(lk.run(config), lk.RunRecord)
assert_type(lk.run(config).images, DataFrame)
assert_type(lk.load_table("runs.csv"), DataFrame)
lk.rank(lk.load_table("runs.csv"), metric="dice")
assert_type(lk.data_of(lk.run(config)).index, DataFrame)
lk.tables.select(lk.load_table("runs.csv"), "loss=dice")
"""
WRONG = {
    "lk.bulid_loss('iou')": "missing-attribute",
    "lk.build_loss(3)": "bad-argument-type",
    "lk.build_model('unet', channels=1)": "unexpected-keyword",
    "lk.RunConfig(modle='unet')": "unexpected-keyword",
    "lk.RunConfig(repeat='0')": "bad-argument-type",
    "lk.run('config.json')": "bad-argument-type",
    "lk.load_table(3)": "bad-argument-type",
    "lk.rank('runs.csv')": "bad-argument-type",
    "lk.run(lk.RunConfig()).metric": "missing-attribute",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[int, str]]]:
    """What the checker says of two files of a user: line and kind, by file."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text("\n".join(["import lesionkit as lk", *WRONG]))
    (folder / "pyrefly.toml").write_text(f"search-path = [{str(PACKAGE.parent)!r}]\n")
    asked = [sys.executable, "-m", "pyrefly", "check", "--output-format", "json"]
    asked += ["--python-interpreter-path", sys.executable, "-c", "pyrefly.toml"]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True)
    found: dict[str, list[tuple[int, str]]] = {"right.py": [], "wrong.py": []}
    for error in json.loads(done.stdout)["errors"]:
        found[Path(error["path"]).name].append((error["line"], error["name"]))
    return found


@pytest.mark.slow
def test_right_use_of_the_public_names_has_no_type_error(said: dict) -> None:
    assert said["right.py"] == []


@pytest.mark.slow
def test_every_wrong_use_is_reported_for_what_it_is(said: dict) -> None:
    assert said["wrong.py"] == [*enumerate(WRONG.values(), start=2)]


def seen_by_checkers() -> dict[str, str]:
    """Name to the full name, of the imports under TYPE_CHECKING in the package."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {a.asname or "": f"{n.module}.{a.name}" for n in imports for a in n.names}


def test_checkers_see_the_names_that_are_loaded_lazily() -> None:
    names = {name: f"{room}.{name}" for name, room in lesionkit._PUBLIC.items()}
    assert seen_by_checkers() == names | lesionkit._MODULES


def test_the_package_says_that_it_has_types() -> None:
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_resolved_config_has_every_value_that_its_type_says(protocol: str) -> None:
    tree = ast.parse((PACKAGE / "config" / "__init__.py").read_text())
    (resolved_type,) = (
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.ClassDef) and n.name == "Resolved"
    )
    fields = [n for n in resolved_type.body if isinstance(n, ast.AnnAssign)]
    named = {ast.unparse(n.target) for n in fields}
    unset = {n for n in vars(RunConfig()) if getattr(RunConfig(), n) is None}
    own = {f"{k}_{n}" for k in ("loss", "model") for n in ("options", "code", "file")}
    assert named == unset - LOSS_NUMBERS - own
    run = RunConfig(protocol=protocol, model="unet", loss="focal").resolved()
    assert [name for name in named if getattr(run, name) is None] == []
