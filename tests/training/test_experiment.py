"""A config to a record: the whole way on a small set."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from made_models import PARAMETERS
from made_training import FILES, SMALL, train, visible
from made_training import small_model as small_model
from safetensors.torch import load_file

from lesionkit.config import RunConfig
from lesionkit.metrics import scores
from lesionkit.prepared import open_prepared
from lesionkit.records import runs
from lesionkit.training import building, evaluation, experiment


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
    named = setting.data.index["content_hash"].iloc[kept["positions"]]
    assert kept["content_hash"].tolist() == named.tolist()
    with torch.no_grad():
        logits = setting.model.eval()(image.permute(0, 3, 1, 2))[:, 0]
    assert np.abs(logits.numpy() - kept["logits"]).max() < 2e-3


def test_curves_hold_every_pixel_of_every_scored_image(tiny: str) -> None:
    arrays = train().arrays("curves")
    for part in ("validation", "test"):
        pixels = arrays[f"{part}_lesion"].sum(1) + arrays[f"{part}_background"].sum(1)
        assert pixels.tolist() == [32 * 32] * 4
        assert arrays[f"{part}_extent"].shape == (4, 3)


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


def test_the_order_of_training_images_is_that_of_the_starts_seed(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def heard(*_, rules, **__) -> None:
        seen.append(rules.seed)
        raise RuntimeError("heard")

    monkeypatch.setattr(experiment, "train", heard)
    with pytest.raises(RuntimeError, match="heard"):
        train(split_seed=1, init_seed=2)
    assert seen == [2]


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("kept", "flipped", "refused"),
    [("best", 0, False), ("best", 5, True), ("half", 5, False), ("half", 60, True)],
)
def test_a_replay_that_is_not_the_records_own_is_refused(kept, flipped, refused):
    stored = pd.DataFrame(
        {"threshold": "probability", "tp": [900], "fp": [96], "fn": 100, "tn": 3000}
    )
    record = SimpleNamespace(
        images=stored, config={"execution": {"keep_weights": kept}}, folder="a run"
    )
    counts = np.array([[900 - flipped, 96, 100 + flipped, 3000]])
    if not refused:
        experiment._same_counts(record, counts)
        return
    with pytest.raises(ValueError, match="a run: 1 of 1 test images are not predicted"):
        experiment._same_counts(record, counts)
