"""A run that was interrupted, killed, spoiled or failed, and what comes after."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from made_training import FILES, SMALL, train, visible
from made_training import small_model as small_model

from lesionkit.config import RunConfig
from lesionkit.records import runs
from lesionkit.training import building, evaluation, experiment, run


def test_a_finished_run_is_found_and_not_trained_again(tiny: str) -> None:
    record = train()
    before = (record.folder / "DONE").stat().st_mtime_ns
    assert train().folder == record.folder
    assert (record.folder / "DONE").stat().st_mtime_ns == before


def test_a_finished_run_says_that_it_was_found(tiny: str, capsys) -> None:
    train()
    run(RunConfig(**SMALL))
    said = capsys.readouterr().err
    assert "is finished, and is not trained again" in said
    assert "epoch" not in said


def interrupt_after(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the process 'die' right after an epoch's state was stored."""
    save = runs.save_state
    count = 0

    def save_then_die(folder: Path, state: bytes) -> None:
        nonlocal count
        save(folder, state)
        count += 1
        if count == epoch:
            raise KeyboardInterrupt

    monkeypatch.setattr(runs, "save_state", save_then_die)


def test_a_run_goes_on_where_it_stopped_and_ends_the_same(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(epochs=4, save_seconds=0)
    wanted = {n: (whole.folder / n).read_bytes() for n in FILES - {"environment.json"}}
    whole.folder.rename(whole.folder.with_name("kept"))
    with monkeypatch.context() as patch:
        interrupt_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            train(epochs=4, save_seconds=0)
    assert runs.state(whole.folder) == "unfinished"
    resumed = train(epochs=4, save_seconds=0)
    sessions = resumed.environment["sessions"]
    assert [session["first_epoch"] for session in sessions] == [1, 3]
    for name in wanted.keys() - {"DONE"}:
        assert (resumed.folder / name).read_bytes() == wanted[name], name


def test_a_resumed_run_records_the_execution_of_each_session(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            train(epochs=4, save_seconds=0)
    record = train(epochs=4, save_seconds=0, keep_weights="half", loader="streamed")
    assert record.config["execution"]["keep_weights"] == "half"
    assert record.config["execution"]["loader"] == "streamed"
    one, two = record.environment["sessions"]
    kept = [each["execution"]["keep_weights"] for each in (one, two)]
    assert kept == ["best", "half"]
    for name in ("threads", "device", "dtype", "host", "torch", "numpy", "platform"):
        assert one[name] == two[name] != "", name
    assert record.problems() == []


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_practice_goes_on_after_any_epoch_and_ends_the_same(
    tiny: str, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    how = {"protocol": "practice", "epochs": 4, "save_seconds": 0.0, "warmup": 0.4}
    whole = train(**how)
    names = FILES - {"environment.json", "DONE"}
    wanted = {name: (whole.folder / name).read_bytes() for name in names}
    whole.folder.rename(whole.folder.with_name("kept"))
    with monkeypatch.context() as patch:
        interrupt_after(epoch, patch)
        with pytest.raises(KeyboardInterrupt):
            train(**how)
    torch.manual_seed(99)  # a process with another past
    resumed = train(**how)
    sessions = resumed.environment["sessions"]
    assert [session["first_epoch"] for session in sessions] == [1, epoch + 1]
    for name in names:
        assert (resumed.folder / name).read_bytes() == wanted[name], name


@pytest.mark.parametrize(
    "piece",
    [
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"schedule": "cosine"},
        {"warmup": 0.5},
        {"augment": "flips"},
        {"augment": "full"},
        {"normalise": "imagenet"},
    ],
)
def test_each_piece_of_practice_changes_what_is_learned(tiny: str, piece: dict) -> None:
    decay = {"weight_decay": piece.get("weight_decay", 0.0)}
    plain, mine = train(**decay), train(**piece)
    assert mine.folder != plain.folder
    assert mine.weights() != plain.weights()


def test_a_damaged_state_is_left_for_the_one_before(
    tiny: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(3, patch)
        with pytest.raises(KeyboardInterrupt):
            train(epochs=4, save_seconds=0)
    folder = RunConfig(**(SMALL | {"epochs": 4})).folder
    content = bytearray((folder / "state.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "state.pt").write_bytes(content)
    record = train(epochs=4, save_seconds=0)
    assert record.environment["sessions"][-1]["first_epoch"] == 3
    assert "state.pt: the stored state is damaged" in capsys.readouterr().err
    assert record.history["epoch"].tolist() == [1, 2, 3, 4]


def test_a_loss_that_becomes_nan_leaves_its_history_and_the_reason(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, count = building.build_loss, 0

    def build_loss(*args, **kwargs):
        def loss(logits, mask):
            nonlocal count
            count += 1
            value = plain(*args, **kwargs)(logits, mask)
            return value * (float("inf") if count == 3 * 1 + 2 else 1.0)

        made = torch.nn.Module()
        made.forward = loss
        return made

    monkeypatch.setattr(building, "build_loss", build_loss)
    told = "ioufocal: the loss is inf at epoch 2, batch 2, learning rate 0.001"
    with pytest.raises(FloatingPointError, match=told):
        train()
    folder = RunConfig(**SMALL).folder
    assert runs.state(folder) == "failed"
    assert runs.failure(folder).startswith(told)
    assert pd.read_csv(folder / "history.csv")["epoch"].tolist() == [1]
    monkeypatch.undo()


def test_a_run_that_failed_is_tried_again_and_sealed(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "evaluate", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train()
    folder = RunConfig(**SMALL).folder
    assert runs.failure(folder) == "division by zero"
    assert visible(train().folder) == FILES


def test_the_reason_of_a_failure_is_gone_while_the_run_is_tried_again(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runs.start(RunConfig(**SMALL))
    runs.note_failure(folder, "before")
    seen, plain = [], experiment.train

    def look(*args, **how):
        seen.append((runs.failure(folder), runs.state(folder)))
        return plain(*args, **how)

    monkeypatch.setattr(experiment, "train", look)
    train()
    assert seen == [(None, "running")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "protocol", [{}, {"protocol": "practice", "pretrained": False}]
)
def test_kill_minus_9_in_the_middle_changes_no_bit(
    tiny: str, data_home: Path, protocol: dict
) -> None:
    """Four epochs at once equal some epochs, kill -9, and the rest."""
    own = {"model": "unet", "epochs": 4, "save_seconds": 0.0, "threads": 1} | protocol
    parameters = SMALL | own
    config = RunConfig(**parameters)
    pairs = [["-p", name, str(value)] for name, value in parameters.items()]
    command = [sys.executable, "-m", "lesionkit.cli", "train", *sum(pairs, [])]

    def finish() -> dict[str, bytes]:
        subprocess.run(command, check=True, capture_output=True)
        names = ("best.safetensors", "history.csv", "metrics.json", "curves.npz")
        return {name: (config.folder / name).read_bytes() for name in names}

    whole = finish()
    for path in config.folder.iterdir():
        path.unlink()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (config.folder / "state.previous.pt").exists():  # two epochs are stored
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert runs.state(config.folder) == "unfinished"
    assert finish() == whole
    sessions = json.loads((config.folder / "environment.json").read_text())["sessions"]
    assert len(sessions) == 2
    assert sessions[1]["first_epoch"] > 1
    table = pd.read_csv(config.folder / "history.csv")
    assert table["epoch"].tolist() == [1, 2, 3, 4]
