"""Every variant of the catalogue, for tests that go through all of them."""

import copy
import functools
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from lesionkit.catalogue import MODELS
from lesionkit.models import build_model

GOLDEN = json.loads((Path(__file__).parents[1] / "fixtures/golden.json").read_text())
VARIANTS = [(name, variant) for name in MODELS for variant in MODELS[name].variants]
OWN = ("unet", "unet_bn_transposed_16")  # the kit's; all others were published
PUBLISHED = [pair for pair in VARIANTS if pair != OWN]
DEFAULTS = [(name, MODELS[name].default) for name in MODELS]
# Those whose arithmetic is run in the fast suite; of the others only shapes and texts.
FAST = {
    ("unet", "unet_bn_transposed"),
    OWN,
    ("esfpnet", "esfpnet_t"),
    ("emcadnet", "emcadnet_b0"),
    ("enet", "enet_port"),
    ("enet", "enet_authors"),
}


def slow_unless(pairs, fast):
    """The pairs as parameters, those that are not in `fast` marked slow."""
    marks = {True: (), False: pytest.mark.slow}
    return [pytest.param(*pair, marks=marks[pair in fast]) for pair in pairs]


every_variant = pytest.mark.parametrize(
    ("name", "variant"), slow_unless(VARIANTS, FAST | set(DEFAULTS))
)
every_variant_computed = pytest.mark.parametrize(
    ("name", "variant"), slow_unless(VARIANTS, FAST)
)
every_published = pytest.mark.parametrize(
    ("name", "variant"), slow_unless(PUBLISHED, FAST | set(DEFAULTS))
)
every_published_computed = pytest.mark.parametrize(
    ("name", "variant"), slow_unless(PUBLISHED, FAST)
)


def facts(name, variant):
    """The catalogue's entry of a variant."""
    return MODELS[name].variants[variant]


def seeded(name, variant, **options):
    """The model with the first weights of seed 0: a copy, as drawing them is slow."""
    made = copy.deepcopy(drawn(name, variant, *options.items()))
    torch.manual_seed(0)
    return made


@functools.lru_cache(maxsize=len(FAST))
def drawn(name, variant, *options):
    """The model that `seeded` copies."""
    torch.manual_seed(0)
    return build_model(name, variant=variant, **dict(options))


def images(name, variant, count=2, channels=3):
    """Random images of a small size that the variant takes."""
    side = facts(name, variant).nearest(64)
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, side, side, generator=generator)


@functools.cache
def shapes_only(name, variant, in_channels=3):
    """The model on the meta device, in eval mode: shapes without numbers."""
    with torch.device("meta"):
        try:
            model = build_model(name, variant=variant, in_channels=in_channels)
        except RuntimeError:  # smp's Mix Transformer reads numbers while it is built
            with torch.device("cpu"):
                model = build_model(name, variant=variant, in_channels=in_channels)
    return model.to("meta").eval()


def batch_norms(model):
    """Every batch normalisation layer of a model, by name."""
    kind = nn.modules.batchnorm._BatchNorm
    return {name: m for name, m in model.named_modules() if isinstance(m, kind)}
