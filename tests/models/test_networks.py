"""What golden numbers cannot see of the networks, and what is promised beside them."""

import importlib
import math
import re
import shutil
from collections import Counter

import pytest
import torch
from every_model import (
    DEFAULTS,
    FAST,
    VARIANTS,
    every_variant,
    every_variant_computed,
    facts,
    images,
    seeded,
    shapes_only,
    slow_unless,
)
from torch import nn

from lesionkit.catalogue import MODELS, several_heads
from lesionkit.losses import build_loss

SEVERAL_HEADS = [pair for pair in VARIANTS if facts(*pair).heads > 1]
POOLED = {"deeplabv3plus", "colonformer"}  # they normalise maps of 1 x 1


# what the catalogue and each file's first lines say


@every_variant_computed
def test_the_catalogue_has_the_macs_that_a_forward_pass_counts(name, variant):
    from torch.utils.flop_counter import FlopCounterMode

    side = facts(name, variant).nearest(224)
    image = torch.empty(1, 3, side, side, device="meta")
    with FlopCounterMode(display=False) as counter:
        shapes_only(name, variant)(image)
    counted = counter.get_total_flops() / 2e9
    assert facts(name, variant).gmacs == pytest.approx(counted, abs=0.006)


@every_variant
def test_a_file_opens_with_the_variants_and_their_numbers(name, variant):
    text = importlib.import_module(f"lesionkit.models.{name}").__doc__
    numbers = (
        rf"{facts(name, variant).parameters:,} +{facts(name, variant).gmacs:.2f} G"
    )
    assert re.search(rf"^    {variant} .*{numbers}", text, re.MULTILINE)


@pytest.mark.parametrize("name", MODELS)
def test_a_file_opens_with_paper_addition_and_diagram(name):
    text = importlib.import_module(f"lesionkit.models.{name}").__doc__
    year, title = str(MODELS[name].year), MODELS[name].title
    assert re.search(r"^Paper: .+[.,:] ", text, re.MULTILINE)
    assert re.search(r"\bIt adds\b", " ".join(text.split()))
    assert year in text or str(MODELS[name].year + 1) in text
    assert text.startswith(title)
    assert "\n    image" in text or "\n    X" in text or "\n    F4" in text


# first weights


def spread(weight, expected, kurtosis):
    """How many standard errors a weight's mean and deviation are off."""
    count = weight.numel()
    error = expected * math.sqrt((kurtosis - 1) / (4 * count))
    deviation = weight.std(unbiased=False).item() if count > 1 else expected
    return abs(weight.mean().item()) / (expected / math.sqrt(count)), (
        abs(deviation - expected) / error
    )


def he(conv, gain=2.0):
    """Standard deviation of He's weights: sqrt(gain / inputs of one output)."""
    taps = math.prod(conv.kernel_size)
    if isinstance(conv, nn.ConvTranspose2d):
        taps /= math.prod(conv.stride)
    return math.sqrt(gain / (conv.in_channels / conv.groups * taps))


def glorot(conv):
    """Standard deviation of Glorot's: sqrt(2 / (fan in + fan out))."""
    taps = math.prod(conv.kernel_size)
    return math.sqrt(2 / (taps * (conv.in_channels + conv.out_channels)))


def ducknet_first(model):
    glorots = {*model.image_down, *model.down, model.output}
    assert len(glorots) == 11
    for conv in convolutions(model):
        yield conv, glorot(conv) if conv in glorots else he(conv), 1.8  # uniform


def convolutions(model):
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    return [layer for layer in model.modules() if isinstance(layer, kinds)]


# variant -> its layers with the standard deviation and kurtosis of their first weights
FIRST_WEIGHTS = {
    ("ducknet", "ducknet"): ducknet_first,
    ("segnet", "segnet_vgg16"): lambda m: ((c, he(c), 3) for c in convolutions(m)),
    ("unet", "unet_2015_same_padding"): lambda m: (
        (c, he(c), 3) for c in convolutions(m)
    ),
    ("emcadnet", "emcadnet_b0"): lambda m: (
        (c, 0.02, 3) for c in convolutions(m.decoder)
    ),
    ("colonformer", "colonformer_s"): lambda m: [(m.decoder.output, 0.01, 3)],
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant"), FIRST_WEIGHTS)
def test_first_weights_have_the_published_spread_and_biases_are_zero(name, variant):
    model = seeded(name, variant)
    layers = list(FIRST_WEIGHTS[name, variant](model))
    off = [spread(c.weight, sigma, kurtosis) for c, sigma, kurtosis in layers]
    off = torch.tensor(off).flatten()
    # of a thousand layers three are off by three standard errors; none by five
    assert (off > 3).float().mean() < 0.02
    assert off.max() < 5
    assert all((c.bias == 0).all() for c, *_ in layers if c.bias is not None)


def test_segnet_starts_with_the_shifts_of_the_authors_solver():
    model = seeded("segnet", None)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 25
    assert all((norm.bias == 0.001).all() for norm in norms)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["caranet", "colonformer", "enet"])
def test_slopes_start_at_a_quarter_and_attention_at_zero(name):
    values = seeded(name, None).named_parameters()
    gamma = [p.item() for key, p in values if key.endswith("gamma")]
    slopes = [m for m in seeded(name, None).modules() if isinstance(m, nn.PReLU)]
    assert gamma == [0.0] * (0 if name == "enet" else 6)
    assert slopes
    assert all((m.weight == 0.25).all() for m in slopes)


# dropout


def dropouts(name, variant=None):
    """Rates above zero and how often they occur, by class of the layer."""
    found = Counter()
    for layer in shapes_only(name, variant).modules():
        rate = getattr(layer, "p", 0) or getattr(layer, "drop_prob", 0) or 0
        if rate:
            found[type(layer).__name__, round(rate, 6)] += 1
    return found


@pytest.mark.parametrize(
    ("name", "variant", "expected"),
    [
        ("enet", "enet_port", {0.01: 5, 0.1: 17 + 5}),
        ("enet", "enet_authors", {0.01: 5, 0.1: 17}),
    ],
)
def test_enet_drops_maps_little_at_first_and_more_later(name, variant, expected):
    rates = {("Dropout2d", rate): count for rate, count in expected.items()}
    assert dropouts(name, variant) == rates


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "blocks"), [("colonformer_s", 16), ("esfpnet", 16), ("esfpnet_t", 8)]
)
def test_mix_transformers_drop_paths_from_0_to_a_tenth(name, blocks):
    model = name.partition("_")[0]
    rates = dropouts(model, name)
    paths = sorted(rate for kind, rate in rates if kind == "DropPath")
    expected = [round(0.1 * i / (blocks - 1), 6) for i in range(1, blocks)]
    assert paths == pytest.approx(expected, abs=1e-6)
    assert rates.get(("Dropout2d", 0.1), 0) == (model == "colonformer")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["colonsegnet", "fatnet", "fcbformer", "caranet", "ducknet", "emcadnet"]
)
def test_these_drop_nothing(name):
    assert dropouts(name) == {}


# training


@pytest.mark.parametrize(("name", "variant"), slow_unless(SEVERAL_HEADS, FAST))
def test_the_supervised_maps_are_the_heads_at_the_images_size(name, variant):
    model = shapes_only(name, variant)
    image = torch.empty(2, 3, 64, 64, device="meta")
    weights, maps = zip(*model.supervised(image), strict=True)
    more = name == "emcadnet"
    expected = 1 / 4 if name == "unetplusplus" else 1
    assert len(maps) == facts(name, variant).heads + more
    assert {m.shape for m in maps} == {(2, 1, 64, 64)}
    assert set(weights) == {expected}


def test_emcadnet_also_trains_the_sum_of_its_heads():
    model = seeded("emcadnet", "emcadnet_b0").eval()
    with torch.no_grad():
        *maps, total = [
            m for _, m in model.supervised(images("emcadnet", "emcadnet_b0"))
        ]
    torch.testing.assert_close(total, torch.stack(maps).sum(0))


@every_variant_computed
def test_several_heads_are_told_by_name(name, variant):
    named = f"{name} ({variant})" in several_heads()
    assert named == (facts(name, variant).heads > 1)
    assert hasattr(shapes_only(name, variant), "supervised") >= named


@pytest.mark.parametrize(
    ("name", "variant"), slow_unless([v for v in VARIANTS if v[0] not in POOLED], FAST)
)
def test_a_batch_of_one_trains(name, variant):
    model = seeded(name, variant).train()
    model(images(name, variant, count=1)).mean().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant"), [v for v in VARIANTS if v[0] in POOLED])
def test_a_batch_of_one_is_refused_where_maps_of_one_pixel_are_normalised(
    name, variant
):
    model = shapes_only(name, variant).train()
    image = torch.empty(1, 3, 64, 64, device="meta")
    with pytest.raises(ValueError, match="a training batch must have at least two"):
        model(image)
    assert model.eval()(image).shape == (1, 1, 64, 64)


def mask_like(logits):
    """A disc, in the shape of the logits."""
    line = torch.linspace(-1, 1, logits.shape[-1])
    disc = (line[:, None] ** 2 + line**2 < 0.4).float()
    return disc.expand_as(logits)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("name", "variant"), DEFAULTS)
def test_a_step_at_224_is_finite(name, variant, dtype):
    model = seeded(name, variant).train()
    image = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype=dtype, enabled=dtype is torch.bfloat16):
        logits = model(image)
    loss = build_loss("ioufocal")(logits, mask_like(logits))
    loss.backward()
    norms = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    assert logits.shape == (2, 1, 224, 224)
    assert logits.isfinite().all() and loss.isfinite()
    assert torch.stack(norms).isfinite().all()
    assert loss.item() > 0


# torch.compile

COMPILED_SLOW = [
    ("unet", "unet_bn_transposed"),
    ("enet", "enet_port"),
    ("esfpnet", "esfpnet_t"),
]
COMPILED = [pytest.param(*pair, marks=pytest.mark.slow) for pair in COMPILED_SLOW] + [
    pytest.param(*pair, marks=pytest.mark.long)
    for pair in DEFAULTS
    if pair[0] not in {name for name, _ in COMPILED_SLOW}
]


@pytest.mark.skipif(
    not shutil.which("g++"), reason="torch.compile needs a C++ compiler"
)
@pytest.mark.parametrize(("name", "variant"), COMPILED)
def test_the_compiled_network_gives_the_same_logits(name, variant):
    model = seeded(name, variant).eval()
    image = images(name, variant)
    with torch.no_grad():
        plain, compiled = model(image), torch.compile(model)(image)
    # fused arithmetic: float32 rounding over many layers
    assert (plain - compiled).abs().max() <= 1e-3 * plain.std()
