"""The local engine: its options, and real runs by workers and by notebooks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import psutil
import pytest
from made_worker import configs
from patience import alive, comes
from patience import nothing_is_left as nothing_is_left

from lesionkit.config import RunConfig
from lesionkit.engines import local
from lesionkit.engines.local import Process
from lesionkit.engines.pool import Pool
from lesionkit.records import leases, runs

# A driver of one real run that would take hours; its argument says how.
ENDLESS = """
import sys
from lesionkit.config import RunConfig
from lesionkit.engines.local import run_all
config = RunConfig(**eval(sys.argv[2]))
list(run_all([config], how=sys.argv[1]))
"""
SMALL = {"dataset": "tiny", "size": 32, "batch_size": 4, "epochs": 2, "model": "enet"}


@pytest.mark.slow
def test_files_of_the_working_directory_are_not_taken_for_libraries(
    tmp_path: Path,
) -> None:
    (tmp_path / "queue.py").write_text("raise ImportError")
    command = local.module_command("worker", "--how", "notebook")
    done = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": "notebok"}, "unknown how 'notebok'. Did you mean 'notebook'"),
        ({"slots": 0}, "slots must be 1 or more, got 0"),
        ({"slots_per_gpu": 0}, "slots_per_gpu must be 1 or more, got 0"),
    ],
)
def test_wrong_options_are_refused_before_anything_starts(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        local.run_all(configs(1), **options)


def test_runs_on_the_cpu_ask_for_no_gpu(monkeypatch) -> None:
    def places(device: str) -> list[dict[str, str]]:
        local.run_all([RunConfig(device=device)], slots=1)
        return seen[-1]

    seen = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "a")
    monkeypatch.setattr(local, "Pool", lambda p, *a, **k: seen.append(p) or Pool(p, *a))
    assert places("cpu") == [{}]
    assert places("auto") == [{"CUDA_VISIBLE_DEVICES": "a"}]


@pytest.mark.slow
def test_a_real_worker_serves_every_run_and_a_notebook_leaves_the_same(
    tiny: str,
) -> None:
    small = [RunConfig(**SMALL, loss=loss) for loss in ("dice", "iou", "bce")]
    warm = Pool([{}], partial(Process, local.module_command("worker")))
    outcomes = list(warm.run_all(small))
    assert [(o.config, o.error, o.attempts) for o in outcomes] == [
        (config, None, 1) for config in small
    ]
    assert warm.started == 1
    folder = small[2].folder  # the third run of its worker
    folder.rename(folder.with_name("by_worker"))
    (outcome,) = local.run_all(small[2:], how="notebook")
    assert (outcome.error, outcome.attempts) == (None, 1)
    for name in ("metrics.json", "history.csv", "best.safetensors"):
        by_worker = folder.with_name("by_worker") / name
        assert (folder / name).read_bytes() == by_worker.read_bytes()
    assert folder.with_name(f"{folder.name}.ipynb").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["worker", "notebook"])
def test_an_error_reads_the_same_from_a_worker_and_from_a_notebook(
    tiny: str, how: str
) -> None:
    missing = RunConfig(**(SMALL | {"dataset": "kvasir"}))
    (outcome,) = local.run_all([missing], how=how)
    assert outcome.error.startswith("FileNotFoundError: data set 'kvasir' is not prep")
    assert outcome.attempts == 1


def kernels(pid: int) -> list[psutil.Process]:
    """The kernels below a process."""
    below = psutil.Process(pid).children(recursive=True)
    return [child for child in below if "ipykernel_launcher" in child.cmdline()]


def kill_kernel(config: RunConfig) -> None:
    """Kill the kernel of a run that is under way."""
    if comes(lambda: leases.is_held(config.folder / runs.LEASE), 120):
        kernels(os.getpid())[0].kill()


@pytest.mark.slow
def test_a_run_whose_kernel_is_killed_is_tried_again(tiny: str) -> None:
    config = RunConfig(**(SMALL | {"epochs": 60, "stop_rule": "never"}))
    killer = threading.Thread(target=kill_kernel, args=(config,))
    killer.start()
    (outcome,) = local.run_all([config], how="notebook")
    killer.join()
    assert (outcome.error, outcome.attempts) == (None, 2)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["worker", "notebook"])
def test_a_real_run_and_its_kernel_stop_when_the_driver_is_killed(
    tiny: str, how: str
) -> None:
    endless = SMALL | {"epochs": 100_000, "stop_rule": "never"}
    driver = subprocess.Popen([sys.executable, "-c", ENDLESS, how, repr(endless)])
    folder = RunConfig(**endless).folder
    assert comes(lambda: leases.is_held(folder / runs.LEASE), 120)
    below = [p.pid for p in psutil.Process(driver.pid).children(recursive=True)]
    driver.kill()
    driver.wait()
    assert comes(lambda: not any(alive(pid) for pid in below), 20)
    assert not leases.is_held(folder / runs.LEASE)
    assert runs.failure(folder) is None
