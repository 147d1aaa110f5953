"""A sweep of two runs."""

import pytest

from lesionkit.config import RunConfig
from lesionkit.sweeps.sweep import Sweep


@pytest.fixture
def two():
    """A sweep of two runs, dice and iou."""
    return Sweep("two", (RunConfig(loss="dice"), RunConfig(loss="iou")))
