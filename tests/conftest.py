"""Every test has a data folder of its own; torch counts on one thread."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest
from made_data import write_discs
from made_pages import execute_pages

# An assert of these that fails shows its values, as one in a test does.
pytest.register_assert_rewrite(
    "made_blocks", "made_browser", "made_own_folder", "patience"
)
NUMBERS = count()
# Else each process that a test starts compiles torch anew: ten seconds of its time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
gc.disable()  # while modules are imported, which stay


def pytest_collection_finish() -> None:
    """Look for garbage seldom, and not in what was imported: it was a tenth of all."""
    gc.freeze()
    atexit.register(gc.unfreeze)  # nanobind reports what is left at the end
    gc.set_threshold(10_000)
    gc.enable()


@pytest.fixture
def data_home(tmp_path: Path) -> Path:
    """An empty data folder that LESIONKIT_DATA names."""
    return tmp_path / "data"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A script of benchmarks/ as a module, by its name."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module


@pytest.fixture(autouse=True)
def named_home(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """LESIONKIT_DATA names a folder of each test's own, which nobody made yet."""
    if "tmp_path" in request.fixturenames:
        home = request.getfixturevalue("data_home")
    else:  # most tests touch no disk: making a folder would be half of their time
        home = tmp_path_factory.getbasetemp() / f"data{next(NUMBERS)}"
    monkeypatch.setenv("LESIONKIT_DATA", str(home))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Two threads on a busy machine wait for each other far longer than they help."""
    import torch

    torch.set_num_threads(1)
    yield


@pytest.fixture(autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """A job in the background ignores SIGINT, and so does one that was stopped."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def executed_pages(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder with every page executed, made once for all workers of the session."""
    from filelock import FileLock

    root = tmp_path_factory.getbasetemp()
    folder = (root if worker_id == "master" else root.parent) / "pages"
    with FileLock(f"{folder}.lock"):
        if not (folder / "all").is_file():
            execute_pages(folder)
            (folder / "all").touch()
    return folder


@pytest.fixture
def tiny(data_home: Path) -> str:
    """The name of a prepared data set of 20 images of 32 x 32."""
    write_discs("tiny")
    return "tiny"
