"""A config to the objects of its run, or to the reason why not."""

from __future__ import annotations

import pytest
import torch
from made_training import SMALL, train
from made_training import small_model as small_model

from lesionkit.config import RunConfig
from lesionkit.training import building


def test_each_part_of_the_split_is_batched_as_itself(tiny: str) -> None:
    setting = building.build(RunConfig(**SMALL))
    for name in ("train", "validation", "test"):
        given = setting.batches[name].positions.tolist()
        assert given == setting.parts.part(name).tolist()


def test_split_and_start_of_a_run_are_drawn_by_seeds_of_their_own(
    tiny: str,
) -> None:
    def made(**seeds: int) -> tuple[list, list, list]:
        own = SMALL | {"augment": "full"} | seeds
        setting = building.build(RunConfig(**own))
        weights = [p.flatten()[:4].tolist() for p in setting.model.parameters()]
        batch = setting.data.images[:4], setting.data.masks[:4]
        images, _ = setting.augment(*map(torch.tensor, batch), 1, 0)
        return setting.parts.test.tolist(), weights, images.tolist()

    parts, weights, images = made(split_seed=1, init_seed=2)
    assert made(split_seed=1, init_seed=2) == (parts, weights, images)
    split = made(split_seed=3, init_seed=2)
    assert split[0] != parts
    assert split[1:] == (weights, images)
    start = made(split_seed=1, init_seed=4)
    assert start[0] == parts
    assert start[1] != weights
    assert start[2] != images


def test_the_optimizer_has_the_learning_rate_and_weight_decay_of_the_run(
    tiny: str,
) -> None:
    own = SMALL | {"learning_rate": 0.02, "weight_decay": 0.03}
    (group,) = building.build(RunConfig(**own)).optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.02, 0.03)


@pytest.mark.parametrize("asked", [True, False])
def test_activations_are_computed_again_where_that_is_asked_for_alone(
    tiny: str, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    changed = []
    monkeypatch.setattr(building, "recompute", changed.append)
    own = SMALL | {"activation_checkpointing": asked}
    setting = building.build(RunConfig(**own))
    assert changed == [setting.model] * asked


def test_the_step_is_that_of_the_parameters(tiny: str) -> None:
    own = {"model": "unet", "variant": "unet_2015_same_padding", "loss": "bce"}
    own |= {"accumulate": 2, "dtype": "bfloat16", "memory_format": "channels_last"}
    step = building.build_step(building.build(RunConfig(**(SMALL | own))))
    assert (step.accumulate, step.dtype) == (2, "bfloat16")
    assert (step.memory_format, step.compiled) == ("channels_last", False)


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


def test_practice_is_built_as_its_parameters_say(tiny: str) -> None:
    own = SMALL | {"protocol": "practice", "epochs": 20}
    setting = building.build(RunConfig(**own))
    assert isinstance(setting.optimizer, torch.optim.AdamW)
    (group,) = setting.optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (5e-4, 1e-2)
    schedule = setting.schedule
    assert (schedule.kind, schedule.warmup, schedule.epochs) == ("cosine", 1.0, 20)
    batch = setting.batches["train"].store.take(torch.arange(4))
    assert not torch.equal(setting.augment(*batch, 1, 0)[0], batch[0])
    assert {b.normalise for b in setting.batches.values()} == {"imagenet"}
    plain = building.build(RunConfig(**SMALL)).optimizer
    assert isinstance(plain, torch.optim.Adam)
    assert not isinstance(plain, torch.optim.AdamW)


def test_the_network_trains_on_the_pixels_that_it_is_scored_on(tiny: str) -> None:
    own = SMALL | {"normalise": "imagenet"}
    setting, seen = building.build(RunConfig(**own)), []
    setting.model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    chosen = torch.arange(4)
    building.build_step(setting)(*setting.batches["train"].store.take(chosen))
    assert torch.equal(seen[0], setting.batches["train"].batch(chosen)[0])
    assert seen[0].min() < -1


def test_the_model_lies_in_memory_as_asked(tiny: str) -> None:
    setting = building.build(RunConfig(**SMALL, memory_format="channels_last"))
    weight = setting.model[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    formats = {batches.memory_format for batches in setting.batches.values()}
    assert formats == {"channels_last"}
    assert train(memory_format="channels_last").folder != train().folder
