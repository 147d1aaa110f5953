"""A network small enough for tests, listed as the model "small"."""

from __future__ import annotations

import pytest
from torch import nn

from lesionkit.catalogue import MODELS, ModelEntry, Variant


class SmallNet(nn.Sequential):
    """Batch normalisation and dropout, so that every random state matters."""

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__(
            nn.Conv2d(in_channels, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout2d(0.3),
            nn.Conv2d(4, 1, 3, padding=1),
        )


PARAMETERS = sum(p.numel() for p in SmallNet().parameters())
ENTRY = ModelEntry(
    "made_models:build",
    "Small net",
    "general",
    2026,
    "the tests",
    "MIT",
    {"small": Variant(PARAMETERS, 0.01)},
)


def build(variant: str, *, in_channels: int, pretrained: bool) -> nn.Module:
    """The target of the entry."""
    return SmallNet(in_channels)


def list_small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make "small" a model of the catalogue for one test."""
    monkeypatch.setitem(MODELS, "small", ENTRY)
