"""Records of a loss and network of one's own: what runs their code, and what never."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from made_commands import command as command
from made_training import FILES as PLAIN
from made_training import SMALL, visible
from made_training import small_model as small_model

from lesionkit.config import RunConfig
from lesionkit.records import runs
from lesionkit.tables import load_table
from lesionkit.training import experiment

LOSS = """
from pathlib import Path
import torch

Path({mark!r}).open("a").write("loss ")

def mine(logits, mask, weight=1.0):
    p = logits.sigmoid()
    return weight * (1 - 2 * (p * mask).sum() / (p.sum() + mask.sum() + 1))
"""
NETWORK = """
from pathlib import Path
import torch

Path({mark!r}).open("a").write("model ")

class Net(torch.nn.Sequential):
    def __init__(self, in_channels, width=4):
        super().__init__(
            torch.nn.Conv2d(in_channels, width, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(width, 1, 1),
        )
"""
OWN = SMALL | {"loss": "my_losses.py:mine", "model": "my_nets.py:Net"}
OWN |= {"loss_options": {"weight": 2}, "model_options": {"width": 3}}


@pytest.fixture
def mark(tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file to which the two files write when they are run."""
    found = tmp_path / "mark"
    (tmp_path / "my_losses.py").write_text(LOSS.format(mark=str(found)))
    (tmp_path / "my_nets.py").write_text(NETWORK.format(mark=str(found)))
    monkeypatch.chdir(tmp_path)
    yield found
    forget()


def forget() -> None:
    """Unload the files, as a new process has them."""
    for name in [name for name in sys.modules if name.startswith("lesionkit_own_")]:
        del sys.modules[name]


@pytest.fixture
def record(mark: Path, tmp_path: Path) -> runs.RunRecord:
    """A finished run of both, whose two files are gone since."""
    found = experiment.run(RunConfig(**OWN), progress=False)
    assert set(mark.read_text().split()) == {"loss", "model"}
    for name in ("my_losses.py", "my_nets.py"):
        (tmp_path / name).unlink()
    mark.unlink()
    forget()
    return found


def test_the_copies_are_sealed(record: runs.RunRecord) -> None:
    assert visible(record.folder) == PLAIN | {"loss.py", "model.py"}
    assert record.problems() == []
    (record.folder / "loss.py").write_text("raise SystemExit('changed')\n")
    assert "loss.py" in record.problems()[0]


def test_tables_pages_and_commands_never_run_the_code(
    record: runs.RunRecord, mark: Path, command, tmp_path: Path
) -> None:
    other = {"loss": "bce", "loss_options": None}
    shutil.copy(record.folder / "model.py", tmp_path / "my_nets.py")
    experiment.run(RunConfig(**OWN | other), progress=False)
    mark.unlink()
    forget()
    root = str(record.folder.parents[5])
    table = load_table(root)
    assert set(table["loss"]) == {"bce", "my_losses.py:mine(weight=2)"}
    for words in (
        ("status",),
        ("rank", root),
        ("claims", root),
        ("cite", root),
        ("card", record.folder),
    ):
        told = command(*words)
        assert told.code == 0, (words, told.err)
    assert not mark.exists()


def test_predict_and_replay_take_the_copies(record: runs.RunRecord, mark: Path) -> None:
    import lesionkit as lk

    images = [np.zeros((32, 32, 3), np.uint8)]
    (mask,) = lk.predict(record, images)
    assert mask.shape == (32, 32)
    assert set(mark.read_text().split()) == {"model"}
    assert lk.replay(record) is not None


def test_a_changed_copy_is_not_run(record: runs.RunRecord, mark: Path) -> None:
    import lesionkit as lk

    (record.folder / "model.py").write_text(NETWORK.format(mark=str(mark)) + "# other")
    with pytest.raises(
        ValueError, match="results from it would not be those of the run"
    ):
        lk.predict(record, [np.zeros((32, 32, 3), np.uint8)])
    assert not mark.exists()


def test_versions_of_a_file_are_told_apart(mark: Path, tmp_path: Path) -> None:
    first = experiment.run(RunConfig(**OWN), progress=False)
    file = tmp_path / "my_losses.py"
    file.write_text(file.read_text() + "# edited\n")
    second = experiment.run(RunConfig(**OWN), progress=False)
    names = set(load_table(first.folder.parents[5])["loss"])
    codes = {r.identity["loss_code"][:4] for r in (first, second)}
    assert len(names) == len(codes) == 2
    assert all(any(f"@{code}" in name for name in names) for code in codes)


def test_a_run_that_was_stopped_goes_on(
    mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = experiment.run(RunConfig(**OWN, save_seconds=0), progress=False)
    metrics = (whole.folder / "metrics.json").read_bytes()
    shutil.rmtree(whole.folder)
    forget()
    save = runs.save_state

    def save_then_die(folder: Path, state: bytes) -> None:
        save(folder, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runs, "save_state", save_then_die)
        experiment.run(RunConfig(**OWN, save_seconds=0), progress=False)
    assert runs.state(whole.folder) == "unfinished"
    forget()
    again = experiment.run(RunConfig(**OWN, save_seconds=0), progress=False)
    assert len(again.environment["sessions"]) == 2
    assert (again.folder / "metrics.json").read_bytes() == metrics


def test_an_own_network_has_no_stated_size_in_a_price(mark: Path) -> None:
    from lesionkit.sweeps.pricing import price
    from lesionkit.sweeps.sweep import Sweep

    told = price(Sweep("mine", (RunConfig(**OWN), RunConfig(**SMALL))))
    assert "weights of 1 runs: " in told
    assert "1 more: a network of your own, its size is unknown" in told
