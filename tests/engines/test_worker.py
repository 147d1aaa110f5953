"""A worker answers, and ends with its driver, by a kill or by Ctrl-C."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_worker import configs, events, full
from patience import alive, comes
from patience import nothing_is_left as nothing_is_left

from lesionkit.engines import worker

# A driver as a program of its own: COUNT runs with the faults of the environment.
DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
from made_worker import START, configs
from lesionkit.engines.pool import Pool
list(Pool([{}], START).run_all(configs(3)))
"""


@pytest.fixture
def driver(
    monkeypatch: pytest.MonkeyPatch, data_home: Path
) -> Iterator[Callable[[str], subprocess.Popen]]:
    """Starts a driver whose first run hangs in some way, and waits until it does."""
    started = []

    def start(fault: str, *before: str, **environment: str) -> subprocess.Popen:
        environment |= {"FAULTS": json.dumps({0: fault})}
        here = str(Path(__file__).parents[1] / "made")
        started.append(
            subprocess.Popen(
                [*before, sys.executable, "-c", DRIVER, here],
                env={**os.environ, **environment},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        assert comes(lambda: events("hangs"))
        return started[0]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def test_an_error_is_answered_when_the_log_has_no_space(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=full, flush=full))
    found = worker.attempt(full, configs(1)[0])
    reason = "OSError: [Errno 28] No space left on device"
    assert found == {"error": reason, "held": False, "died": False, "sound": True}


def test_a_worker_whose_log_finds_no_room_answers_all_the_same(monkeypatch) -> None:
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    def fails(config):
        raise ValueError("why")

    monkeypatch.setattr(worker.traceback, "print_exc", full)
    assert worker.attempt(fails, configs(1)[0])["error"] == "ValueError: why"


@pytest.mark.slow
@pytest.mark.parametrize("before", [(), ("sh", "-c", 'trap "" INT; exec "$@"', "-")])
def test_a_worker_stops_when_its_driver_is_killed(driver, before) -> None:
    process = driver("hang", *before)  # also one that ignores Ctrl-C, as nohup's does
    process.kill()
    assert comes(lambda: events("interrupted"), 20)  # as by Ctrl-C
    assert comes(lambda: not alive(events("began")[0]["pid"]), 20)


@pytest.mark.slow
def test_a_worker_that_will_not_stop_ends_when_its_driver_is_killed(
    driver, data_home: Path
) -> None:
    process = driver("hang on", GRACE="0.5")
    process.kill()
    assert comes(lambda: not alive(events("began")[0]["pid"]), 20)
    assert events("interrupted") == []
    assert comes(lambda: not alive(int((data_home / "child").read_text())), 20)


@pytest.mark.slow
def test_ctrl_c_stops_the_runs_and_is_raised(driver) -> None:
    process = driver("hang")
    # what the terminal sends to the driver's group does not reach the worker
    assert os.getpgid(events("began")[0]["pid"]) != os.getpgid(process.pid)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert said.strip().splitlines()[-1] == "KeyboardInterrupt"
    assert [event["repeat"] for event in events("interrupted")] == [0]
    assert [event["repeat"] for event in events("began")] == [0]
    assert not alive(events("began")[0]["pid"])


@pytest.mark.slow
def test_a_second_ctrl_c_kills_a_worker_that_will_not_stop(
    driver, data_home: Path
) -> None:
    process = driver("hang on", GRACE="600")
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)  # waits for nothing
    process.communicate(timeout=10)
    assert not alive(events("began")[0]["pid"])
    assert comes(lambda: not alive(int((data_home / "child").read_text())), 20)
