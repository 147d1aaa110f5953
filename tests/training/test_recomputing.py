"""That a training with recomputed blocks has the same bits, and keeps less."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from every_model import DEFAULTS, images, seeded, shapes_only
from made_blocks import (
    Block,
    after_training,
    batch,
    differing,
    made,
    made_recomputing,
    saved_bytes,
    supervised,
)
from made_models import SmallNet
from torch import nn

from lesionkit.training import recomputing
from lesionkit.training.recomputing import LAYERS, recompute

# one of each kind: a U-Net, residual blocks, dropout of maps, drop path in transformers
KINDS = {"unet", "colonsegnet", "enet", "esfpnet"}
SEVERAL = [pair for pair in DEFAULTS if pair[0] in KINDS]
every_default = pytest.mark.parametrize(("name", "variant"), DEFAULTS)


@pytest.fixture
def recomputed(monkeypatch):
    """A list that grows with every block that is called as a recomputed one."""
    calls, real = [], recomputing.checkpoint

    def checkpoint(function, *args, **options):
        calls.append(function)
        return real(function, *args, **options)

    monkeypatch.setattr(recomputing, "checkpoint", checkpoint)
    return calls


# the same bits


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_two_adam_steps_have_the_same_bits(dtype):
    plain = after_training(made(), batch(), dtype=dtype)
    again = after_training(made_recomputing(), batch(), dtype=dtype)
    assert differing(plain, again) == []


def test_running_statistics_move_once_a_step():
    model = made_recomputing()
    after_training(model, batch(), steps=2)
    assert model.steps[0].convs[1].num_batches_tracked == 2
    assert model.steps[1].convs[6].level == 1.5**2


def test_buffers_are_the_same_tensors_after_a_step():
    model = made_recomputing()
    before = list(model.buffers())
    after_training(model, batch(), steps=1)
    assert list(map(id, model.buffers())) == list(map(id, before))


def test_recomputing_twice_from_a_retained_graph_gives_the_same_bits():
    gradients = []
    for build in (made, made_recomputing):
        model = build()
        loss = supervised(model, batch())
        loss.backward(retain_graph=True)
        loss.backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(map(torch.equal, *gradients))


def test_a_second_forward_pass_before_backward_changes_no_bit():
    gradients = []
    for build in (made, made_recomputing):
        model = build()
        losses = [supervised(model, batch()) for _ in range(2)]
        losses[0].backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(map(torch.equal, *gradients))


@every_default
@pytest.mark.slow
def test_a_training_step_of_every_network_has_the_same_bits(name, variant):
    image = images(name, variant)
    plain = after_training(seeded(name, variant).train(), image, steps=1)
    model = seeded(name, variant).train()
    recompute(model)
    assert differing(plain, after_training(model, image, steps=1)) == []


@every_default
@pytest.mark.long
def test_a_step_in_bfloat16_of_every_network_has_the_same_bits(name, variant):
    image, how = images(name, variant), {"steps": 1, "dtype": torch.bfloat16}
    plain = after_training(seeded(name, variant).train(), image, **how)
    model = seeded(name, variant).train()
    recompute(model)
    assert differing(plain, after_training(model, image, **how)) == []


# less memory


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant"), SEVERAL)
def test_less_than_half_is_kept_for_backward(name, variant):
    model, image = seeded(name, variant).train(), images(name, variant)
    before = saved_bytes(model, image)
    recompute(model)
    assert saved_bytes(model, image) < before / 2


@every_default
@pytest.mark.slow
def test_every_network_keeps_less_for_backward(name, variant):
    model, image = seeded(name, variant).train(), images(name, variant)
    before = saved_bytes(model, image)
    recompute(model)
    assert saved_bytes(model, image) < before


def test_a_block_keeps_what_goes_in_and_nothing_else():
    block = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sigmoid(), nn.Tanh())
    model, image = nn.Sequential(block), batch()
    before = saved_bytes(model, image, summed)
    recompute(model)
    assert before == 3 * image.nbytes
    assert saved_bytes(model, image, summed) == image.nbytes


def summed(model, image):
    """The sum of what a network gives; a sum keeps nothing."""
    return model(image).sum()


# which blocks


def test_the_blocks_of_a_unet_are_its_double_convs_and_its_expanding_steps():
    model = copy.deepcopy(shapes_only("unet", "unet_bn_transposed"))
    assert recompute(model) == 9
    assert chosen(model) == [f"contracting.{i}" for i in range(5)] + [
        f"expanding.{i}" for i in range(4)
    ]


def test_the_blocks_of_a_deep_network_are_no_whole_stages():
    model = copy.deepcopy(shapes_only("fcn", "tv_fcn_resnet101"))
    assert recompute(model) == 34
    kinds = {type(model.get_submodule(key)).__name__ for key in chosen(model)}
    assert kinds == {"Bottleneck", "FCNHead"}


def chosen(model):
    """Names of the blocks of a network."""
    return [name for name, part in model.named_modules() if "forward" in vars(part)]


@pytest.mark.slow
@every_default
def test_a_network_calls_each_of_its_blocks(name, variant):
    model = copy.deepcopy(shapes_only(name, variant))
    count, called = recompute(model), set()
    for key in chosen(model):
        part = model.get_submodule(key)
        part.register_forward_hook(lambda *_, key=key: called.add(key))
    model(torch.empty_like(images(name, variant), device="meta"))
    assert sorted(called) == sorted(chosen(model))
    assert len(called) == count


@pytest.mark.slow
@every_default
def test_no_block_lies_in_another_or_is_too_large(name, variant):
    model = copy.deepcopy(shapes_only(name, variant))
    recompute(model)
    blocks = [model.get_submodule(key) for key in chosen(model)]
    assert [chosen(block)[1:] for block in blocks] == [[]] * len(blocks)
    layers = [{k.rpartition(".")[0] for k, _ in b.named_parameters()} for b in blocks]
    assert max(map(len, layers)) <= LAYERS


def test_a_network_without_blocks_stays_as_it_is(recomputed):
    model = SmallNet().train()
    assert recompute(model) == 0
    model(batch())
    assert recomputed == []


# when


def test_each_block_recomputes_in_training(recomputed):
    made_recomputing()(batch())
    assert len(recomputed) == 2


def test_eval_mode_and_no_grad_take_the_plain_forward(recomputed):
    model = made_recomputing()
    with torch.no_grad():
        model(batch())
    model.eval()(batch())
    assert recomputed == []


def test_asking_twice_is_asking_once(recomputed):
    model = made_recomputing()
    assert recompute(model) == 2
    model(batch())
    assert len(recomputed) == 2


def test_a_tensor_changed_after_a_block_took_it_is_refused():
    step = nn.Sequential(Block(8))
    recompute(step)
    skip = batch(side=8)[:, :1].clone()
    features, _ = step[0]([torch.ones(2, 8, 8, 8)], skip=skip)
    skip.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        features.sum().backward()


# what else is done to networks


def test_names_in_the_state_dict_stay():
    names = list(made().state_dict())
    assert list(made_recomputing().state_dict()) == names


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_a_copy_recomputes_with_weights_and_buffers_of_its_own(again, recomputed):
    model = made_recomputing()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    plain = after_training(made(), batch())
    assert differing(plain, after_training(again(model), batch())) == []
    assert len(recomputed) == 4
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(model.state_dict()[key], before[key]) for key in before)


@pytest.mark.slow
def test_a_compiled_network_recomputes_and_moves_its_buffers_once():
    plain = after_compiled_training(seeded("colonsegnet", None).train())
    model = seeded("colonsegnet", None).train()
    recompute(model)
    again = after_compiled_training(model)
    assert again.pop("kept") < plain.pop("kept") / 2
    assert again["encoder1.strided.1.num_batches_tracked"] == 1
    # the compiler may sum in another order
    assert all(torch.allclose(plain[key], again[key], atol=1e-5) for key in plain)


def after_compiled_training(model):
    """Bytes that one compiled forward pass keeps, buffers and gradients after it."""
    forward = torch.compile(model, backend="aot_eager", fullgraph=True)
    found = {}

    def loss(_, image):
        found["loss"] = forward(image).square().mean()
        return found["loss"]

    found["kept"] = saved_bytes(model, images("colonsegnet", "colonsegnet"), loss)
    found["loss"].backward()
    found |= {f"gradient {k}": p.grad for k, p in model.named_parameters()}
    return found | dict(model.named_buffers())
