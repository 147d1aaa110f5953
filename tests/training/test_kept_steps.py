"""A captured step for the next run of its kind: the same bits as a run alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from made_models import list_small_model

from lesionkit.config import RunConfig
from lesionkit.prepared.preparing import open_data
from lesionkit.records import runs
from lesionkit.training import building, experiment, graphs
from lesionkit.training.experiment import run

CPU = torch.device("cpu")
SMALL = {"dataset": "tiny", "size": 32, "model": "small", "batch_size": 4}
SMALL |= {"epochs": 3, "threads": 1, "track": "none"}


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tiny: str):
    """Steps are kept, as they are where they cost something; those that were built."""
    list_small_model(monkeypatch)
    monkeypatch.setattr(graphs, "worth_it", lambda config, device: True)
    monkeypatch.setattr(graphs, "_kept", [])
    built = []
    plain = building._new_step

    def counted(setting):
        built.append(setting.config)
        return plain(setting)

    monkeypatch.setattr(building, "_new_step", counted)
    return built


def bits(folder: Path) -> dict[str, bytes]:
    names = ("metrics.json", "history.csv", "images.csv", "best.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


def trained(**more) -> Path:
    return run(RunConfig(**(SMALL | more)), progress=False).folder


def key(**more) -> str | None:
    config = RunConfig(**(SMALL | more))
    data = open_data("tiny", 32, resize="bilinear")
    return graphs.key_of(config, data, CPU)


@pytest.mark.parametrize("how", [{}, {"schedule": "cosine", "warmup": 0.2}])
def test_a_run_on_a_kept_step_has_the_bits_of_one_alone(kept, how, tmp_path) -> None:
    alone = trained(repeat=0, **how)
    expected = bits(alone)
    alone.rename(tmp_path / "alone")
    graphs.keep(None)
    trained(repeat=1, **how)
    assert bits(trained(repeat=0, **how)) == expected
    assert [config.repeat for config in kept] == [0, 1]


def test_another_loss_or_another_rate_has_a_step_of_its_own(kept) -> None:
    trained()
    trained(loss="bce")
    trained(loss="bce", learning_rate=1e-4)
    assert len(kept) == 3


def test_losses_without_any_option_share_no_step(kept) -> None:
    assert key(loss="iou") != key(loss="dice")


def test_a_run_that_failed_leaves_no_step(kept, monkeypatch) -> None:
    trained()

    def fails(*args: object) -> None:
        raise FloatingPointError("the loss is nan")

    monkeypatch.setattr(experiment, "_train", fails)
    with pytest.raises(FloatingPointError):
        trained(repeat=1)
    assert graphs._kept == []


def test_a_run_that_goes_on_builds_its_step_anew(kept, monkeypatch, tmp_path) -> None:
    alone = trained(repeat=2, save_seconds=0.0)
    expected = bits(alone)
    alone.rename(tmp_path / "alone")
    with monkeypatch.context() as patch:
        patch.setattr(runs, "save_state", dies_after(runs.save_state))
        with pytest.raises(KeyboardInterrupt):
            trained(repeat=2, save_seconds=0.0)
    trained(repeat=1)
    assert len(graphs._kept) == 1
    assert bits(trained(repeat=2, save_seconds=0.0)) == expected
    assert [config.repeat for config in kept] == [2, 1, 2]


def dies_after(save):
    """Store one state, and interrupt the run at once."""

    def save_then_die(folder: Path, state: bytes) -> None:
        save(folder, state)
        raise KeyboardInterrupt

    return save_then_die


def test_steps_are_shared_by_data_sets_repeats_and_lengths_alone(kept) -> None:
    same = {"repeat": 3, "epochs": 9, "patience": 2, "split_seed": 4, "init_seed": 5}
    assert key(**same, augment="flips") == key() is not None
    others = [{"loss": "bce"}, {"batch_size": 2}, {"dtype": "bfloat16"}]
    others += [{"memory_format": "channels_last"}, {"weight_decay": 0.1}]
    others += [{"schedule": "cosine"}, {"activation_checkpointing": True}]
    others += [{"deterministic": False}, {"normalise": "imagenet"}, {"sums": "image"}]
    assert len({key(), *(key(**other) for other in others)}) == 1 + len(others)


def test_nothing_is_kept_where_a_step_costs_nothing() -> None:
    cuda = torch.device("cuda")
    plain, graphed = RunConfig().resolved(), RunConfig(graphed=True).resolved()
    compiled = RunConfig(compile=True).resolved()
    assert not graphs.worth_it(plain, cuda)
    assert not graphs.worth_it(graphed, CPU)
    assert graphs.worth_it(graphed, cuda) and graphs.worth_it(compiled, CPU)


def test_a_step_whose_capture_failed_is_not_kept(monkeypatch) -> None:
    monkeypatch.setattr(graphs, "_kept", [])
    weights = torch.nn.Linear(1, 1)
    adam = torch.optim.Adam(weights.parameters())
    parts = graphs.Kept("k", weights, weights, adam, None)
    parts.count = type("Failed", (), {"failed": True})()
    graphs.keep(parts)
    assert graphs.take("k") is None
    parts.forget()
    graphs.keep(parts)
    assert graphs.take("other") is None
    assert graphs.take("k") is None  # what does not fit is freed
    graphs.keep(parts)
    assert graphs.take("k") is parts
