"""Every test has a data folder of its own; torch counts on one thread."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_data import write_discs


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder that LESIONKIT_DATA names."""
    home = tmp_path / "data"
    monkeypatch.setenv("LESIONKIT_DATA", str(home))
    return home


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Two threads on a busy machine wait for each other far longer than they help."""
    import torch

    torch.set_num_threads(1)
    yield


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_is_heard() -> Iterator[None]:
    """A job in the background ignores SIGINT, and all that it starts does as well."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def tiny(data_home: Path) -> str:
    """The name of a prepared data set of 20 images of 32 x 32."""
    write_discs("tiny")
    return "tiny"
