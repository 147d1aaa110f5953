"""Actors of Ray: what comes of runs, nodes and drivers that end in the middle."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from made_ray import broken, load
from made_worker import configs, events, seal
from patience import children, comes

from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import Outcome, local, pool, worker
from lesionkit.engines import ray as on_ray
from lesionkit.records import leases, runs

HERE = str(Path(__file__).parents[1] / "made")
needs_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray, the extra ray, is not installed"
)
# A driver as a program of its own, whose runs have these faults.
DRIVER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from functools import partial
from made_ray import load
from made_worker import configs
from lesionkit.engines import worker
from lesionkit.engines import ray as on_ray
faults = json.loads(sys.argv[2])
worker.HOWS["worker"] = partial(load, sys.argv[2])
list(on_ray.run_all(configs(len(faults))))
"""
SMALL = {"dataset": "tiny", "size": 32, "batch_size": 4, "epochs": 2, "model": "enet"}


def left() -> list[str]:
    """Processes that a sweep in this data folder started, Ray's own among them."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            home = process.environ().get("LESIONKIT_DATA")
            if home == str(data_folder()) and process.pid != os.getpid():
                found.append(" ".join(process.cmdline()))
    return found


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Iterator[Outcome]]:
    """Stand-in runs with these faults, one a run, through Ray with these options."""
    monkeypatch.setenv("PYTHONPATH", HERE, prepend=os.pathsep)

    def outcomes(*faults: str, **options) -> Iterator[Outcome]:
        text = json.dumps(dict(enumerate(faults)))
        monkeypatch.setitem(worker.HOWS, "worker", partial(load, text))
        return on_ray.run_all(configs(len(faults)), **options)

    return outcomes


@pytest.fixture(scope="module")
def cluster() -> Iterator:
    """A cluster with one core, whose nodes see the modules of the tests."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", HERE, prepend=os.pathsep)
        store = {"object_store_memory": on_ray.STORE_BYTES, "num_cpus": 1}
        made = Cluster(initialize_head=True, head_node_args=store)
        made.store = store
        yield made
        made.shutdown()


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    """The test leaves no process of Ray and no zombie behind."""
    before = children()
    yield
    assert comes(lambda: not left(), 20), left()
    assert children() <= before


def sorted_runs(outcomes: Iterator[Outcome]) -> list[Outcome]:
    """By repeat."""
    return sorted(outcomes, key=lambda outcome: outcome.config.repeat)


@needs_ray
@pytest.mark.long
def test_each_run_has_its_outcome_and_ray_leaves_nothing(
    stand_ins, monkeypatch, nothing_is_left
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")  # a cluster that is no more
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    faults = ("", "refuse", "die", "die once", "die late", "leave no record", "", "")
    found = sorted_runs(stand_ins(*faults, slots=2))
    assert [outcome.config for outcome in found] == configs(8)
    good, refused, died, once, late, empty, *more = found
    assert refused.error == "ValueError: no such thing and much more on it"
    assert refused.attempts == 1
    assert died.error == "the worker died (its worker process has died)"
    assert runs.failure(died.config.folder) == died.error
    assert (died.attempts, once.attempts) == (2, 2)
    assert (empty.error, empty.attempts) == (pool.NO_RECORD, 1)
    assert [o.error for o in (good, once, late, *more)] == [None] * 5
    assert all(runs.is_done(o.config.folder) for o in (good, once, late, *more))
    ended = Counter(event["repeat"] for event in events("ended"))
    assert ended == {0: 1, 3: 1, 5: 1, 6: 1, 7: 1}
    assert len(events("cuda ''")) == len(events("began")) == 10  # no GPU is seen
    pids = {event["pid"] for event in events("began")}
    assert len(pids) < 8  # those that live are warm


@needs_ray
@pytest.mark.long
def test_an_error_of_the_driver_leaves_nothing(stand_ins, nothing_is_left) -> None:
    found = stand_ins("", "hang")
    next(found)
    assert comes(lambda: events("began")[1:])
    with pytest.raises(ZeroDivisionError):
        found.throw(ZeroDivisionError)
    assert runs.state(configs(2)[1].folder) == "unfinished"


@needs_ray
@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_after_the_end_of_a_driver_only_what_is_missing_is_run(
    stand_ins, nothing_is_left, how: signal.Signals
) -> None:
    faults = json.dumps({0: "", 1: "", 2: "hang", 3: ""})
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, HERE, faults])
    assert comes(lambda: len(events("began")) == 3)
    driver.send_signal(how)
    driver.wait(60)
    assert comes(lambda: not left(), 30), left()
    assert comes(lambda: not leases.is_held(configs(3)[2].folder / runs.LEASE), 10)
    found = sorted_runs(stand_ins("", "", "", ""))
    assert [(o.error, o.attempts) for o in found] == [
        (None, 0),
        (None, 0),
        (None, 1),
        (None, 1),
    ]
    began = Counter(event["repeat"] for event in events("began"))
    assert began == {0: 1, 1: 1, 2: 2, 3: 1}


@needs_ray
@pytest.mark.long
def test_a_run_that_hangs_or_is_frozen_is_killed_and_others_finish(
    stand_ins, cluster
) -> None:
    options = {"address": cluster.address, "timeout_seconds": 3.0, "retries": 0}
    hangs, frozen, good = sorted_runs(stand_ins("hang", "freeze", "", **options))
    assert (hangs.error, hangs.attempts) == ("it took longer than 3 s", 1)
    assert (frozen.error, frozen.attempts) == ("it took longer than 3 s", 1)
    assert runs.failure(frozen.config.folder) == frozen.error
    assert good.error is None
    assert comes(lambda: not leases.is_held(frozen.config.folder / runs.LEASE), 20)


@needs_ray
@pytest.mark.long
def test_a_run_held_by_another_process_is_asked_again_at_the_end(
    stand_ins, cluster
) -> None:
    held, free = configs(2)
    with runs.claim(runs.start(held)):
        found = stand_ins("", "", address=cluster.address)
        assert next(found).config == free
        seal(held)
    assert next(found) == Outcome(held, None, 0.0, 0)
    assert list(found) == []
    assert [event["repeat"] for event in events("began")] == [1]


@needs_ray
@pytest.mark.long
def test_actors_that_cannot_start_end_the_sweep_and_not_the_cluster(
    stand_ins, cluster, monkeypatch
) -> None:
    monkeypatch.setitem(worker.HOWS, "worker", partial(broken, "no torch here"))
    with pytest.raises(RuntimeError, match="started: .*ImportError: no torch here"):
        list(on_ray.run_all(configs(2), address=cluster.address))
    (outcome,) = stand_ins("", address=cluster.address)
    assert outcome.error is None


@needs_ray
@pytest.mark.long
def test_a_process_that_uses_ray_already_keeps_its_cluster(cluster) -> None:
    import ray

    ray.init(address=cluster.address, log_to_driver=False)
    try:
        with pytest.raises(RuntimeError, match="uses Ray already"):
            list(on_ray.run_all(configs(1)))
        assert ray.is_initialized()
    finally:
        ray.shutdown()


@needs_ray
@pytest.mark.long
def test_when_a_node_dies_its_runs_are_finished_on_the_rest(stand_ins, cluster) -> None:
    second = cluster.add_node(**cluster.store)
    found = stand_ins("", *["long once"] * 2, *[""] * 5, address=cluster.address)
    first = next(found)
    with ThreadPoolExecutor(
        1
    ) as driver:  # a slow actor is given a run when it is there
        rest = driver.submit(list, found)
        assert comes(lambda: len({event["pid"] for event in events("began")}) == 2)
        assert comes(lambda: len(events("began")) == 3)
        cluster.remove_node(second, allow_graceful=False)
        outcomes = sorted_runs([first, *rest.result()])
    assert [o.error for o in outcomes] == [None] * 8
    assert all(runs.is_done(o.config.folder) for o in outcomes)
    assert sorted(event["repeat"] for event in events("ended")) == list(range(8))
    assert max(o.attempts for o in outcomes) == 2


@needs_ray
@pytest.mark.long
def test_a_real_run_leaves_the_same_as_on_this_machine_alone(
    tiny: str, cluster
) -> None:
    config = RunConfig(**SMALL, loss="dice", threads=1, device="cpu")
    (outcome,) = on_ray.run_all([config], address=cluster.address)
    assert (outcome.error, outcome.attempts) == (None, 1)
    by_ray = config.folder.rename(config.folder.with_name("by_ray"))
    (outcome,) = local.run_all([config])
    assert outcome.error is None
    for name in ("metrics.json", "history.csv", "best.safetensors"):
        assert (config.folder / name).read_bytes() == (by_ray / name).read_bytes()
