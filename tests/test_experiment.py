"""A config to a record: the whole way on a small set, interrupted and not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from made_models import PARAMETERS, list_small_model
from safetensors.torch import load_file

from lesionkit import building, evaluation, experiment, runs
from lesionkit.config import RunConfig
from lesionkit.metrics import scores
from lesionkit.prepared import open_prepared

SMALL = {"dataset": "tiny", "size": 32, "epochs": 2, "batch_size": 4, "model": "small"}
FILES = {
    "DONE",
    "best.safetensors",
    "config.json",
    "curves.npz",
    "environment.json",
    "history.csv",
    "images.csv",
    "logits.npz",
    "metrics.json",
    "split.csv",
}


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network stands in the catalogue."""
    list_small_model(monkeypatch)


def train(**parameters) -> runs.RunRecord:
    """A short run on the tiny set."""
    return experiment.run(RunConfig(**(SMALL | parameters)), progress=False)


def visible(folder: Path) -> set[str]:
    """Names of the files of a record."""
    return {path.name for path in folder.iterdir() if path.name[0] != "."}


def test_a_part_without_any_image_is_refused_as_that(tiny: str, data_home) -> None:
    folder = data_home / "splits" / tiny / "lists"
    folder.mkdir(parents=True)
    files = open_prepared(tiny, 32).index["file"]
    for name, listed in (("train", files[:9]), ("validation", files[9:]), ("test", [])):
        (folder / f"{name}.txt").write_text("\n".join(listed))
    with pytest.raises(ValueError, match="tiny: no image in the test part"):
        building.build(RunConfig(**SMALL, split="lists"))


def test_a_run_leaves_a_sealed_record_of_ten_files(tiny: str) -> None:
    record = train()
    assert visible(record.folder) == FILES
    assert runs.problems(record.folder) == []


def test_a_notebook_shows_data_that_are_not_there_in_one_line(tiny: str) -> None:
    with pytest.raises(FileNotFoundError, match="not prepared at size 64") as caught:
        experiment.run(RunConfig(dataset=tiny, size=64, device="cpu"), progress=False)
    (line,) = caught.value._render_traceback_()
    assert line == f"FileNotFoundError: {caught.value}"


def test_metrics_json_follows_from_images_csv(tiny: str) -> None:
    record = train()
    for threshold in ("probability", "raw_mean"):
        table = record.images[record.images["threshold"] == threshold]
        counts = table[["tp", "fp", "fn", "tn"]].to_numpy()
        for aggregation in ("image", "pooled"):
            stored = record.metrics["test"][threshold][aggregation]
            expected = scores(counts, aggregation=aggregation)
            assert stored["dice"] == pytest.approx(expected["dice"])
            assert stored["recall"] == pytest.approx(expected["recall"])


def test_the_tested_images_are_the_test_part_and_no_other(tiny: str) -> None:
    record = train()
    parts = record.split.groupby("part")["file"].agg(set)
    assert set(record.images["file"]) == parts["test"]
    assert parts["test"] & (parts["train"] | parts["validation"]) == set()
    assert record.split["part"].value_counts().to_dict() == {
        "train": 12,
        "validation": 4,
        "test": 4,
    }


def test_each_part_of_the_split_is_batched_as_itself(tiny: str) -> None:
    setting = building.build(RunConfig(**SMALL))
    for name in ("train", "validation", "test"):
        given = setting.batches[name].positions.tolist()
        assert given == setting.parts.part(name).tolist()


def test_the_optimizer_has_the_learning_rate_and_weight_decay_of_the_run(
    tiny: str,
) -> None:
    own = SMALL | {"learning_rate": 0.02, "weight_decay": 0.03}
    (group,) = building.build(RunConfig(**own)).optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.02, 0.03)


def test_what_is_scored_and_kept_is_the_best_epoch_and_not_the_last(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = iter([30, 90, 20, 10, 30, 90])  # hundredths, of one image
    counts = (torch.tensor([[d, 200 - 2 * d, 0, 0]]) for d in dice)
    monkeypatch.setattr(evaluation, "validation_counts", lambda *a, **k: next(counts))
    longer, shorter = train(epochs=4), train(epochs=2)
    assert longer.metrics["best_epoch"] == 2
    for name in ("images.csv", "curves.npz", "best.safetensors"):
        assert (longer.folder / name).read_bytes() == (
            shorter.folder / name
        ).read_bytes()


def test_the_best_epoch_is_the_one_with_the_best_validation_dice(tiny: str) -> None:
    record = train(epochs=4)
    dice = record.history["validation_dice"]
    assert record.metrics["best_epoch"] == int(dice[::-1].idxmax()) + 1
    validation = record.metrics["validation"]["probability"]["image"]["dice"]
    assert validation == pytest.approx(dice.max(), abs=1e-12)


def test_the_stored_weights_give_the_stored_logits(tiny: str) -> None:
    record = train()
    setting = building.build(RunConfig(**SMALL))
    setting.model.load_state_dict(load_file(record.folder / "best.safetensors"))
    kept = record.arrays("logits")
    image = torch.from_numpy(setting.data.images[kept["positions"]] / np.float32(255))
    with torch.no_grad():
        logits = setting.model.eval()(image.permute(0, 3, 1, 2))[:, 0]
    assert np.abs(logits.numpy() - kept["logits"]).max() < 2e-3


def test_curves_hold_every_pixel_of_every_scored_image(tiny: str) -> None:
    arrays = train().arrays("curves")
    for part in ("validation", "test"):
        pixels = arrays[f"{part}_lesion"].sum(1) + arrays[f"{part}_background"].sum(1)
        assert pixels.tolist() == [32 * 32] * 4
        assert arrays[f"{part}_extent"].shape == (4, 3)


def test_a_finished_run_is_found_and_not_trained_again(tiny: str) -> None:
    record = train()
    before = (record.folder / "DONE").stat().st_mtime_ns
    assert train().folder == record.folder
    assert (record.folder / "DONE").stat().st_mtime_ns == before


def test_equal_runs_have_equal_metrics_and_history(tiny: str) -> None:
    first = train()
    kept = [(first.folder / n).read_bytes() for n in ("metrics.json", "history.csv")]
    for path in first.folder.iterdir():
        path.unlink()
    again = train()
    assert kept == [
        (again.folder / n).read_bytes() for n in ("metrics.json", "history.csv")
    ]


def test_another_repeat_has_another_split_and_another_start(tiny: str) -> None:
    one, other = train(), train(repeat=1)
    assert one.split["part"].tolist() != other.split["part"].tolist()
    assert one.history["train_loss"][0] != other.history["train_loss"][0]


def test_split_and_start_have_seeds_of_their_own(tiny: str) -> None:
    one, other = train(), train(init_seed=7)
    assert one.split["part"].tolist() == other.split["part"].tolist()
    assert one.history["train_loss"][0] != other.history["train_loss"][0]


def test_metrics_json_holds_no_times_and_environment_json_does(tiny: str) -> None:
    record = train()
    assert "second" not in (record.folder / "metrics.json").read_text()
    (session,) = record.environment["sessions"]
    assert (session["first_epoch"], session["last_epoch"]) == (1, 2)
    assert session["wall_seconds"] > 0
    assert session["threads"] == 1
    assert session["device"] == "cpu"


@pytest.mark.parametrize(("keep", "count"), [("best", 4), ("half", 2), ("none", 0)])
def test_weights_are_kept_as_asked(tiny: str, keep: str, count: int) -> None:
    path = train(keep_weights=keep).folder / "best.safetensors"
    stored = load_file(path) if path.exists() else {}
    floats = [t for name, t in stored.items() if "num_batches" not in name]
    held = sum(t.numel() for t in floats)
    assert held == (PARAMETERS + 8 if count else 0)  # 8: running means and variances
    assert all(t.element_size() == count for t in floats)


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


def test_the_step_is_that_of_the_parameters(tiny: str) -> None:
    own = {"model": "unet", "variant": "unet_2015_same_padding", "loss": "bce"}
    own |= {"accumulate": 2, "dtype": "bfloat16", "memory_format": "channels_last"}
    step = building.build_step(building.build(RunConfig(**(SMALL | own))))
    assert (step.accumulate, step.dtype) == (2, "bfloat16")
    assert (step.memory_format, step.compiled) == ("channels_last", False)


def test_every_session_tells_its_speed_and_what_its_states_took(tiny: str) -> None:
    record = train(save_seconds=0)
    (session,) = record.environment["sessions"]
    assert session["images_per_second"] == pytest.approx(
        12 / session["epoch_seconds"], rel=0.01
    )
    assert session["states_stored"] == 2
    assert session["state_bytes"] > 4 * PARAMETERS * 3  # weights and two moments
    assert session["peak_memory_bytes"] > 1e8
    assert session["mfu"] is None


@pytest.mark.parametrize("loader", ["resident", "streamed"])
@pytest.mark.parametrize("recomputed", [False, True])
def test_loader_and_checkpointing_change_no_bit(
    tiny: str, loader: str, recomputed: bool
) -> None:
    plain = train(model="unet", epochs=1)
    kept = {n: (plain.folder / n).read_bytes() for n in ("metrics.json", "history.csv")}
    plain.folder.rename(plain.folder.with_name("kept"))
    other = train(
        model="unet", epochs=1, loader=loader, activation_checkpointing=recomputed
    )
    assert other.folder == plain.folder
    assert kept == {name: (other.folder / name).read_bytes() for name in kept}


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"loss": "ioufocal"}, "Losses that are means over pixels: balanced_bce, bce"),
        ({"loss": "focal", "definition": "A-meanfirst"}, "a mean taken first"),
        ({"loss": "bce"}, "small .small. has batch normalisation"),
    ],
)
def test_a_batch_is_not_cut_where_its_parts_do_not_add_up(
    tiny: str, how: dict, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        train(accumulate=2, **how)


def test_the_model_lies_in_memory_as_asked(tiny: str) -> None:
    setting = building.build(RunConfig(**SMALL, memory_format="channels_last"))
    weight = setting.model[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    formats = {batches.memory_format for batches in setting.batches.values()}
    assert formats == {"channels_last"}
    assert train(memory_format="channels_last").folder != train().folder


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"loss": "custom", "definition": "B"}, ValueError, "alpha"),
        ({"loss": "custom"}, ValueError, "custom"),
        ({"loss": "iou", "gamma": 2.0}, ValueError, "gamma"),
        ({"dataset": "kvasir"}, FileNotFoundError, "lesionkit prepare kvasir"),
        ({"device": "cuda"}, ValueError, "no CUDA device is here"),
        ({"model": "unetplusplus", "size": 48}, FileNotFoundError, "size 48"),
    ],
)
def test_a_run_that_cannot_be_leaves_no_folder(
    tiny: str, data_home: Path, wrong: dict, error: type[Exception], says: str
) -> None:
    if wrong.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    with pytest.raises(error, match=says):
        train(**wrong)
    assert not (data_home / "runs").exists()


def test_a_changed_record_is_refused_and_not_trained_over(tiny: str) -> None:
    record = train()
    (record.folder / "history.csv").write_text("epoch\n")
    with pytest.raises(ValueError, match="move .* away"):
        train()
    assert (record.folder / "history.csv").read_text() == "epoch\n"


def test_an_own_folder_with_few_images_trains_with_full_batches(tiny: str) -> None:
    record = train(scoring="full_batches", batch_size=3)
    assert record.metrics["test"]["images"] == 3
    assert len(record.images) == 2 * 3


def test_a_run_on_every_head_differs_from_one_on_the_main_head(tiny: str) -> None:
    heads = {"model": "emcadnet", "variant": "emcadnet_b0", "epochs": 1}
    plain, deep = train(**heads), train(**heads, deep_supervision=True)
    one, other = (record.history["train_loss"][0] for record in (plain, deep))
    assert other > 3 * one  # five losses of nearly the same size in place of one
    assert deep.identity["deep_supervision"]


def test_a_run_that_cannot_compile_is_trained_plainly_and_says_so(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args, **kwargs):
        raise RuntimeError("no compiler")

    plain = train()
    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.warns(UserWarning, match="training runs without torch.compile"):
        record = train(compile=True)
    assert record.folder != plain.folder
    assert record.environment["sessions"][0]["compiled"] is False
    assert record.history.equals(plain.history)


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which("g++"), reason="torch.compile needs a C++ compiler"
)
def test_a_compiled_run_learns_what_a_plain_one_learns(tiny: str) -> None:
    plain, compiled = train(dtype="float32"), train(compile=True)
    assert compiled.environment["sessions"][0]["compiled"] is True
    one, other = plain.history["train_loss"], compiled.history["train_loss"]
    # dropout draws other maps in compiled code: the losses agree, not the bits
    assert np.allclose(one, other, rtol=0.2)


@pytest.mark.slow
def test_kill_minus_9_in_the_middle_changes_no_bit(tiny: str, data_home: Path) -> None:
    """Four epochs at once equal some epochs, kill -9, and the rest."""
    own = {"model": "unet", "epochs": 4, "save_seconds": 0.0, "threads": 1}
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
