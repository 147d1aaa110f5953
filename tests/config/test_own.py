"""A loss or network of one's own in the parameters of a run, its file never run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lesionkit.catalogue import own
from lesionkit.config import RunConfig
from lesionkit.records.runs import start
from lesionkit.sweeps.sweep import read_sweep
from lesionkit.training.building import loss_of

MARKED = "raise RuntimeError('this file was run')\n"
DICE = """
class Mine:
    def __init__(self, weight=1.0):
        self.weight = weight

    def __call__(self, logits, mask):
        p = logits.sigmoid()
        return self.weight * (1 - 2 * (p * mask).sum() / (p.sum() + mask.sum() + 1))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with my_losses.py, which may not be run."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "my_losses.py").write_text(MARKED)
    monkeypatch.chdir(folder)
    return folder


def test_a_name_becomes_a_run_and_no_code_runs(here: Path) -> None:
    run = RunConfig(loss="my_losses.py:Mine")
    assert run.loss == "my_losses.py:Mine"
    assert run.loss_file == str(here / "my_losses.py")
    folder, _, digest = run.run_id.rpartition("-")
    assert folder == "demo/toy/unet/my_losses.py.Mine/A-gamma2/repeat0"
    assert len(digest) == 8


def test_an_edited_file_is_another_run_and_a_moved_one_the_same(here: Path) -> None:
    first = RunConfig(loss="my_losses.py:Mine")
    (here / "away").mkdir()
    moved = Path("away/my_losses.py")
    moved.write_text(MARKED)
    assert RunConfig(loss=f"{moved}:Mine").run_id == first.run_id
    moved.write_text(MARKED + "# edited\n")
    assert RunConfig(loss=f"{moved}:Mine").run_id != first.run_id


def test_options_as_json_and_as_a_dict_are_one_run(here: Path) -> None:
    name = "my_losses.py:Mine"
    as_text = RunConfig(loss=name, loss_options='{"weight": 2, "by": [1, 2]}')
    as_dict = RunConfig(loss=name, loss_options={"by": [1, 2], "weight": 2})
    assert as_text.run_id == as_dict.run_id
    assert as_text.run_id != RunConfig(loss=name).run_id
    assert RunConfig(loss=name, loss_options={}).run_id == RunConfig(loss=name).run_id


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"loss": "my_loses.py:Mine"}, FileNotFoundError, "Did you mean my_losses.py"),
        ({"loss": "my_losses.py:"}, ValueError, r"must be FILE.py:NAME"),
        ({"loss": "my losses:Mine"}, ValueError, "neither a .py file nor a module"),
        ({"loss": "nolibrary.x:Y"}, ModuleNotFoundError, "no installed library"),
        ({"loss_code": "abc"}, ValueError, "loss_code is only for a loss of your own"),
        ({"loss_options": "{weight: 2}"}, ValueError, "must be JSON such as"),
        ({"loss_options": [1]}, TypeError, "must be a mapping"),
        ({"model_options": {"a": 1}}, ValueError, "is for your own network, not unet"),
        (
            {"loss": "my_losses.py:Mine", "accumulate": 2},
            ValueError,
            "accumulate cuts a batch",
        ),
    ],
)
def test_what_is_wrong_is_told(here: Path, wrong: dict, error, says: str) -> None:
    with pytest.raises(error, match=says) as found:
        RunConfig(**wrong)
    assert "\n" not in str(found.value)


def test_a_file_edited_before_training_is_refused(here: Path) -> None:
    file = here / "my_losses.py"
    file.write_text(DICE)
    run = RunConfig(loss="my_losses.py:Mine")
    loss_of(run.resolved())
    file.write_text(DICE + "# edited\n")
    with pytest.raises(ValueError, match=r"Mine is .* here, and the run is of"):
        loss_of(run)
    with pytest.raises(ValueError, match="my_losses.py was changed"):
        start(run)
    assert not run.folder.joinpath("config.json").exists()


def test_a_config_holds_no_path_of_this_machine(here: Path) -> None:
    run = RunConfig(loss="my_losses.py:Mine", model="my_losses.py:Net")
    folder = start(run)
    assert str(here) not in (folder / "config.json").read_text()
    identity = json.loads((folder / "config.json").read_text())["identity"]
    assert identity["loss_code"] == own.code_of(
        "loss", own.reference("loss", "my_losses.py:Mine")
    )
    assert (folder / "loss.py").read_text() == MARKED
    assert (folder / "model.py").read_text() == MARKED


def test_the_cells_of_a_notebook_take_names_and_options(here: Path) -> None:
    cell = 'loss: str = "my_losses.py:Mine"\nloss_options: dict = {"weight": 2}'
    values = {"loss": "my_losses.py:Mine", "loss_options": {"weight": 2}}
    run = RunConfig.from_notebook({"In": [cell], **values})
    assert run.run_id == RunConfig(**values).run_id


def test_a_library_is_known_by_its_version(here: Path) -> None:
    run = RunConfig(loss="torch.nn:BCEWithLogitsLoss")
    assert (run.loss_code or "").startswith("torch ")
    assert run.loss_file is None


# Sweeps

GRID = 'axes: {loss: ["my_losses.py:Mine", dicebce], repeat: 0-1}\n'


def test_a_sweep_takes_a_file_of_the_working_directory(here: Path, tmp_path) -> None:
    file = tmp_path / "grid.yaml"
    file.write_text(GRID)
    configs = read_sweep(file).configs
    assert [c.loss for c in configs] == ["my_losses.py:Mine"] * 2 + ["dicebce"] * 2
    assert configs[0].loss_file == str(here / "my_losses.py")


def test_a_sweep_takes_a_file_beside_it(tmp_path, monkeypatch) -> None:
    beside, elsewhere = tmp_path / "beside", tmp_path / "elsewhere"
    for folder in (beside, elsewhere):
        folder.mkdir()
    (beside / "my_losses.py").write_text(MARKED)
    (beside / "grid.yaml").write_text(GRID)
    monkeypatch.chdir(elsewhere)
    first = read_sweep(beside / "grid.yaml").configs[0]
    assert first.loss_file == str(beside / "my_losses.py")
    (elsewhere / "my_losses.py").write_text(MARKED)  # the same content, the same run
    assert read_sweep(beside / "grid.yaml").configs[0].run_id == first.run_id
    (elsewhere / "my_losses.py").write_text(MARKED + "# other\n")
    with pytest.raises(ValueError, match=r"my_losses.py is two files") as found:
        read_sweep(beside / "grid.yaml")
    assert str(elsewhere) in str(found.value)
