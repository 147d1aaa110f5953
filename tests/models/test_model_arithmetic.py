"""What every model computes: its golden numbers, gradients and modes."""

import pytest
import torch
from every_model import (
    GOLDEN,
    PUBLISHED,
    batch_norms,
    every_published_computed,
    every_variant_computed,
    facts,
    images,
    seeded,
)
from golden_rule import distance, fill_, make_input, summarise
from torch import nn

from lesionkit.models import build_model

RESIZED = [pair for pair in PUBLISHED if "forward" in GOLDEN["/".join(pair)]]


@every_published_computed
def test_heads_equal_the_golden_ones(name, variant):
    golden = GOLDEN[f"{name}/{variant}"]
    order = [golden["main"]]
    order += [i for i in range(len(golden["heads"])) if i != golden["main"]]
    model = fill_(build_model(name, variant=variant))
    with torch.no_grad():
        heads = model.heads(make_input(2, golden["size"]))
    got = [summarise(head) for head in heads]
    # float64 sums in another order differ by 1e-12; another graph by 1e-2
    assert distance(got[0], golden["heads"][golden["main"]]) < 1e-6
    assert len(got) == len(order) == facts(name, variant).heads
    assert all(
        min(distance(one, golden["heads"][i]) for one in got) < 1e-6 for i in order
    )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant"), RESIZED)
def test_forward_equals_the_golden_one_where_the_head_is_smaller(name, variant):
    golden = GOLDEN[f"{name}/{variant}"]["forward"]
    model = fill_(build_model(name, variant=variant))
    with torch.no_grad():
        logits = model(make_input(2, golden["size"]))
    assert distance(summarise(logits), golden["head"]) < 1e-6


@every_variant_computed
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_forward_is_the_first_head_at_the_images_size(name, variant, training):
    model = seeded(name, variant).train(training)
    image = images(name, variant)
    with torch.no_grad():
        torch.manual_seed(1)  # dropout
        logits = model(image)
        torch.manual_seed(1)
        first = model.heads(image)[0]
    size = image.shape[-2:]
    resized = nn.functional.interpolate(first, size, mode="bilinear")
    same = first if first.shape == logits.shape else resized
    assert logits.shape == (2, 1, *size)
    torch.testing.assert_close(logits, same)


@every_variant_computed
def test_every_parameter_has_a_finite_gradient(name, variant):
    model = seeded(name, variant).train()
    heads = model.heads(images(name, variant))
    sum(head.square().mean() for head in heads).backward()
    without = [key for key, p in model.named_parameters() if p.grad is None]
    norms = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    assert all(head.isfinite().all() for head in heads)
    assert torch.stack(norms).isfinite().all()
    assert without == []


@every_variant_computed
def test_one_channel_gives_finite_logits(name, variant):
    model = seeded(name, variant, in_channels=1).eval()
    image = images(name, variant, channels=1)
    with torch.no_grad():
        logits = model(image)
    assert logits.shape == image.shape
    assert logits.isfinite().all()


@every_variant_computed
def test_logits_in_eval_mode_do_not_depend_on_the_rest_of_the_batch(name, variant):
    model = seeded(name, variant).eval()
    batch = images(name, variant)
    with torch.no_grad():
        together, alone = model(batch)[:1], model(batch[:1])
    # other batch sizes take other kernels: float32 rounding over many layers
    assert (together - alone).abs().max() <= 1e-3 * alone.abs().max()


@every_variant_computed
def test_eval_mode_reads_the_running_statistics(name, variant):
    model = seeded(name, variant).eval()
    norms = batch_norms(model)
    image = images(name, variant, count=1)
    with torch.no_grad():
        before = model(image)
        for norm in norms.values():
            norm.running_var.mul_(4)
        after = model(image)
    assert torch.equal(before, after) == (not norms)


@every_variant_computed
def test_the_same_weights_in_channels_last_give_the_same_logits(name, variant):
    model = seeded(name, variant).eval()
    image = images(name, variant)
    with torch.no_grad():
        plain = model(image)
        model.to(memory_format=torch.channels_last)
        other = model(image.contiguous(memory_format=torch.channels_last))
    # other kernels, so float32 rounding over many layers; another order of axes in a
    # reshape moves logits by their whole spread
    assert (plain - other).abs().max() <= 1e-3 * plain.std()
