"""Warm workers: what comes of runs that work, fail, crash, hang, or are held."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from made_worker import COMMAND, configs, events, seal
from patience import comes

from lesionkit import leases, runs
from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import Outcome, local, pool, process, slots, worker
from lesionkit.engines.pool import Pool

# A driver as a program of its own: COUNT runs with the faults of the environment.
DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
from made_worker import COMMAND, configs
from lesionkit.engines.pool import Pool
list(Pool([{}], COMMAND).run_all(configs(3)))
"""
# The same for one real run that would take hours; its argument says how.
ENDLESS = """
import sys
from lesionkit.config import RunConfig
from lesionkit.engines.local import run_all
config = RunConfig(**eval(sys.argv[2]))
list(run_all([config], how=sys.argv[1]))
"""
SMALL = {"dataset": "tiny", "size": 32, "batch_size": 4, "epochs": 2, "model": "enet"}
TWO_GPUS = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-ab4de6ff)
"""
CUT_UP = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736)
  MIG 3g.20gb     Device  1: (UUID: MIG-a28ad590)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-ab4de6ff)
"""


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def children() -> set[int]:
    """Processes that this one started, zombies too."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


def logs() -> list[Path]:
    """The logs of workers."""
    return sorted((data_folder() / "runs" / ".logs").glob("*.log"))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a worker or a zombie behind."""
    before = children()
    yield
    assert children() <= before


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Outcome]]:
    """Runs with these faults, one a run, through a pool with these options."""

    def outcomes(*faults: str, places: int = 1, slot=None, **options) -> list[Outcome]:
        monkeypatch.setenv("FAULTS", json.dumps(dict(enumerate(faults))))
        environments = [{"SLOT": str(i)} | (slot or {}) for i in range(places)]
        found = Pool(environments, COMMAND, **options).run_all(configs(len(faults)))
        return sorted(found, key=lambda outcome: outcome.config.repeat)

    return outcomes


@pytest.fixture
def driver(
    monkeypatch: pytest.MonkeyPatch, data_home: Path
) -> Iterator[Callable[[str], subprocess.Popen]]:
    """Starts a driver whose first run hangs in some way, and waits until it does."""
    started = []

    def start(fault: str, *before: str, **environment: str) -> subprocess.Popen:
        environment |= {"FAULTS": json.dumps({0: fault})}
        here = str(Path(__file__).parent)
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


def test_runs_that_work_have_no_error_and_one_attempt(faulty) -> None:
    outcomes = faulty("", "", "")
    assert [o.config for o in outcomes] == configs(3)
    assert [(o.error, o.attempts) for o in outcomes] == [(None, 1)] * 3
    assert [runs.state(o.config.folder) for o in outcomes] == ["done"] * 3
    assert len({event["pid"] for event in events("ended")}) == 1  # one warm worker
    assert logs() == []  # it had nothing to say


def test_an_error_is_told_in_one_line_and_not_tried_again(faulty) -> None:
    bad, good = faulty("refuse", "")
    assert (bad.error, bad.attempts) == ("ValueError: no such thing", 1)
    assert (good.error, good.attempts) == (None, 1)
    assert len({event["pid"] for event in events("began")}) == 1
    assert "Traceback (most recent call last)" in logs()[0].read_text()


def test_a_worker_that_may_be_damaged_is_replaced(faulty) -> None:
    bad, good = faulty("break cuda", "")
    assert bad.error == "RuntimeError: CUDA error: device-side assert triggered"
    assert (bad.attempts, good.error) == (1, None)
    assert len({event["pid"] for event in events("began")}) == 2


def test_a_run_that_crashes_once_is_tried_again_and_works(faulty) -> None:
    crashed, good = faulty("die once", "")
    assert (crashed.error, crashed.attempts) == (None, 2)
    assert (good.error, good.attempts) == (None, 1)
    assert len({event["pid"] for event in events("began")}) == 2


def test_a_run_that_always_crashes_is_given_up_and_stops_no_other(faulty) -> None:
    killed, left, good = faulty("die", "leave", "", retries=2)
    assert killed.error == "the worker died (signal 9, as when memory runs out)"
    assert left.error.startswith("the worker died (exit status 7): the last words; log")
    assert Path(left.error.split("log: ")[1]).read_text() == "the last words\n"
    assert (killed.attempts, left.attempts, good.attempts) == (3, 3, 1)
    assert good.error is None
    assert runs.failure(killed.config.folder) == killed.error


def full(*_: object) -> None:
    """What a disk without space says."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_run_given_up_on_a_full_disk_is_told_and_stops_no_other(
    faulty, monkeypatch
) -> None:
    monkeypatch.setattr(runs, "note_failure", full)
    killed, good = faulty("die", "", retries=0)
    assert killed.error.startswith("the worker died (signal 9")
    assert good.error is None


def test_an_error_is_answered_when_the_log_has_no_space(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=full, flush=full))
    found = worker.attempt(full, configs(1)[0])
    reason = "OSError: [Errno 28] No space left on device"
    assert found == {"error": reason, "died": False, "sound": True}


def test_what_an_earlier_run_said_is_not_why_a_worker_died(faulty) -> None:
    _, killed = faulty("refuse", "die", retries=0)
    assert killed.error == (
        f"the worker died (signal 9, as when memory runs out); log: {logs()[0]}"
    )


def test_the_record_alone_says_whether_a_run_worked(faulty) -> None:
    died, empty = faulty("die late", "leave no record", retries=0)
    assert (died.error, died.attempts) == (None, 1)  # died with the record finished
    assert (empty.error, empty.attempts) == (pool.NO_RECORD, 1)


def test_a_run_that_takes_too_long_is_killed_with_its_children(
    faulty, data_home: Path
) -> None:
    slow, good = faulty("hang with a child", "", timeout_seconds=1.0)
    assert (slow.error, slow.attempts) == ("it took longer than 1 s", 2)
    assert slow.seconds >= 1.0
    assert runs.failure(slow.config.folder) == slow.error
    assert good.error is None
    assert not alive(int((data_home / "child").read_text()))


def test_a_run_that_took_too_long_to_begin_failed_and_is_not_missing(faulty) -> None:
    (slow,) = faulty("never begin", timeout_seconds=1.0, retries=0)
    assert slow.error == "it took longer than 1 s"
    assert runs.state_of(slow.config) == ("failed", slow.error)


def test_a_run_that_ignores_sigterm_is_killed_all_the_same(faulty, monkeypatch) -> None:
    monkeypatch.setattr(process, "TERM_SECONDS", 0.3)
    (deaf,) = faulty("hang deaf", timeout_seconds=0.5, retries=0)
    assert (deaf.error, deaf.attempts) == ("it took longer than 0.5 s", 1)


def test_a_worker_without_a_sign_of_life_is_replaced_and_no_other(
    faulty, monkeypatch
) -> None:
    monkeypatch.setattr(process, "TERM_SECONDS", 0.3)
    monkeypatch.setenv("BEAT", "0.1")
    options = {"places": 2, "silent_seconds": 2.0, "retries": 0, "timeout_seconds": 30}
    frozen, slower = faulty("freeze", "slower", **options)
    assert frozen.error == "no sign of the worker in 2 s"
    assert slower.error is None


def test_what_a_run_prints_or_reads_does_not_reach_the_driver(faulty) -> None:
    outcomes = faulty("print and read", "", timeout_seconds=20.0)
    assert [(o.error, o.attempts) for o in outcomes] == [(None, 1)] * 2
    assert logs()[0].read_text().count('{"run_id"') == 3


def test_two_slots_run_two_at_once(faulty) -> None:
    outcomes = faulty("meet", "meet", places=2)  # each waits until both have begun
    assert [(o.error, o.attempts) for o in outcomes] == [(None, 1)] * 2
    assert {event["slot"] for event in events("began")} == {"0", "1"}


def test_no_more_workers_are_started_than_there_are_runs(faulty, monkeypatch) -> None:
    started = []
    start = Pool._start
    monkeypatch.setattr(
        Pool, "_start", lambda *given: started.append(1) or start(*given)
    )
    faulty("", "", places=8)
    assert len(started) == 2


def test_a_worker_that_has_grown_is_replaced_before_the_next_run(faulty) -> None:
    faulty("", "", "", recycle_bytes=1)
    assert len({event["pid"] for event in events("ended")}) == 3


def test_a_run_held_by_another_process_is_waited_for_until_it_is_done(
    faulty, monkeypatch
) -> None:
    monkeypatch.setattr(pool, "HELD_SECONDS", 0.1)
    held, free = configs(2)
    with runs.claim(runs.start(held)):
        found = Pool([{}], COMMAND).run_all([held, free])
        assert next(found).config == free
        seal(held)
    assert next(found) == Outcome(held, None, 0.0, 0)
    assert list(found) == []
    assert [event["repeat"] for event in events("began")] == [1]


def test_a_run_that_another_process_lets_go_is_trained(faulty, monkeypatch) -> None:
    monkeypatch.setattr(pool, "HELD_SECONDS", 0.1)
    held, free = configs(2)
    with runs.claim(runs.start(held)):
        found = Pool([{}], COMMAND).run_all([held, free])
        assert next(found).config == free
    (outcome,) = found
    assert (outcome.error, outcome.attempts) == (None, 1)


def test_a_run_that_is_claimed_between_look_and_start_counts_as_held(
    monkeypatch,
) -> None:
    monkeypatch.setattr(pool, "HELD_SECONDS", 0.1)
    (held,) = configs(1)
    looks, look = iter([False]), runs.is_held_here  # the first look comes too early
    monkeypatch.setattr(runs, "is_held_here", lambda folder: next(looks, look(folder)))
    monkeypatch.setattr(pool.Waiting, "put", seal_and_put)
    with runs.claim(runs.start(held)):
        found = list(Pool([{leases.OURS: ""}], COMMAND).run_all([held]))
    assert [(o.error, o.attempts) for o in found] == [(None, 0)]
    assert len(events("began")) == 1


def seal_and_put(waiting: pool.Waiting, pending: process.Pending, _: float) -> None:
    """The other process ends the run while it waits."""
    seal(pending.config)
    waiting.again.append(pending)


def test_a_reason_that_finds_no_room_ends_no_sweep(monkeypatch) -> None:
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pool.runs, "note_failure", full)
    tried = Pool([{}], COMMAND, retries=0)
    tried.outcomes = []
    tried._died(process.Pending(configs(1)[0], attempts=1), "it died")
    assert [outcome.error for outcome in tried.outcomes] == ["it died"]


def test_a_worker_whose_log_finds_no_room_answers_all_the_same(monkeypatch) -> None:
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    def fails(config):
        raise ValueError("why")

    monkeypatch.setattr(worker.traceback, "print_exc", full)
    assert worker.attempt(fails, configs(1)[0])["error"] == "ValueError: why"


def test_workers_that_cannot_start_end_the_sweep_with_their_reason(faulty) -> None:
    said = "can be started: .* no torch here.*; ask lesionkit doctor$"
    with pytest.raises(RuntimeError, match=said):
        faulty("", "", slot={"BROKEN": "1"}, places=2)


def test_a_slot_where_no_worker_starts_is_given_up_and_the_others_go_on(
    capsys,
) -> None:
    mixed = Pool([{"BROKEN": "1"}, {"FAULTS": '{"0": "slower"}'}], COMMAND)
    assert [outcome.error for outcome in mixed.run_all(configs(2))] == [None, None]
    assert mixed.started == 1 + pool.STARTS
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("a slot is given up: the worker died (exit status 1)")


def test_a_slot_that_works_again_is_as_good_as_new() -> None:
    worn = Pool([{}], COMMAND)
    worn.slots[0].failures = pool.STARTS - 1
    list(worn.run_all(configs(1)))
    assert worn.slots[0].failures == 0


def test_files_of_the_working_directory_are_not_taken_for_libraries(
    tmp_path: Path,
) -> None:
    (tmp_path / "queue.py").write_text("raise ImportError")
    command = local.worker_command("notebook")
    done = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_found_finished_is_not_begun(faulty) -> None:
    seal(configs(1)[0])
    assert faulty("die") == [Outcome(configs(1)[0], None, 0.0, 0)]


def test_closing_early_stops_the_run_under_way_and_every_worker(monkeypatch) -> None:
    monkeypatch.setenv("FAULTS", '{"1": "hang"}')
    found = Pool([{}], COMMAND).run_all(configs(3))
    next(found)
    assert comes(lambda: events("hangs"))
    found.close()
    assert runs.state(configs(2)[1].folder) == "unfinished"


@pytest.mark.parametrize("before", [(), ("sh", "-c", 'trap "" INT; exec "$@"', "-")])
def test_a_worker_stops_when_its_driver_is_killed(driver, before) -> None:
    process = driver("hang", *before)  # also one that ignores Ctrl-C, as nohup's does
    process.kill()
    assert comes(lambda: events("interrupted"), 20)  # as by Ctrl-C
    assert comes(lambda: not alive(events("began")[0]["pid"]), 20)


def test_a_worker_that_will_not_stop_ends_when_its_driver_is_killed(
    driver, data_home: Path
) -> None:
    process = driver("hang on", GRACE="0.5")
    process.kill()
    assert comes(lambda: not alive(events("began")[0]["pid"]), 20)
    assert events("interrupted") == []
    assert comes(lambda: not alive(int((data_home / "child").read_text())), 20)


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


def test_a_gpu_is_known_by_its_uuid_and_one_cut_up_by_its_parts() -> None:
    assert slots.listed(TWO_GPUS) == ["GPU-5d5ba0d6", "GPU-ab4de6ff"]
    assert slots.listed(CUT_UP) == ["MIG-c7384736", "MIG-a28ad590", "GPU-ab4de6ff"]
    assert slots.listed("No devices were found\n") == []


@pytest.mark.parametrize(
    ("visible", "names"), [("2, 5", ["2", "5"]), ("", []), ("-1", [])]
)
def test_gpus_given_by_the_environment_are_taken_as_given(
    monkeypatch, visible: str, names: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert slots.find_gpus() == names


def test_gpus_are_asked_of_nvidia_smi(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{TWO_GPUS}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert slots.find_gpus() == ["GPU-5d5ba0d6", "GPU-ab4de6ff"]
    program.write_text("#!/bin/sh\nexit 9\n")
    assert slots.find_gpus() == []


@pytest.mark.parametrize(
    ("gpus", "asked", "given"),
    [
        ([], {}, {None: 1}),
        ([], {"slots": 3}, {None: 3}),
        (["a", "b"], {}, {"a": 1, "b": 1}),
        (["a", "b"], {"slots_per_gpu": 2}, {"a": 2, "b": 2}),
        (["a", "b"], {"slots": 3}, {"a": 2, "b": 1}),
        (["a", "b"], {"at_most": 1}, {"a": 1}),
        (["a", "b"], {"at_most": 0}, {"a": 1}),
    ],
)
def test_slots_are_spread_over_the_gpus(gpus, asked: dict, given: dict) -> None:
    asked = {"at_most": 9, "slots": None, "slots_per_gpu": 1} | asked
    places = slots.environments(gpus, **asked)
    assert Counter(p.get("CUDA_VISIBLE_DEVICES") for p in places) == given


def test_slots_share_the_cores_unless_the_user_says_how(monkeypatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(slots, "cores", lambda: 8)

    def threads(count: int) -> list[str | None]:
        places = slots.environments([], at_most=9, slots=count, slots_per_gpu=1)
        return [place.get("OMP_NUM_THREADS") for place in places]

    assert threads(1) == [None]  # all of them, as without a pool
    assert threads(3) == ["2"] * 3
    assert threads(9) == ["1"] * 9
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads(3) == [None] * 3


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
    monkeypatch.setattr(local, "find_gpus", lambda: ["a"])
    monkeypatch.setattr(local, "Pool", lambda p, *a, **k: seen.append(p) or Pool(p, []))
    assert places("cpu") == [{}]
    assert places("auto") == [{"CUDA_VISIBLE_DEVICES": "a"}]


@pytest.mark.slow
def test_a_real_worker_serves_every_run_and_a_notebook_leaves_the_same(
    tiny: str,
) -> None:
    small = [RunConfig(**SMALL, loss=loss) for loss in ("dice", "iou", "bce")]
    warm = Pool([{}], local.worker_command("worker"))
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
    assert local.executed_notebook(small[2]).is_file()


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
    if comes(lambda: runs.is_running(config.folder), 120):
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
    assert comes(lambda: runs.is_running(folder), 120)
    below = [p.pid for p in psutil.Process(driver.pid).children(recursive=True)]
    driver.kill()
    driver.wait()
    assert comes(lambda: not any(alive(pid) for pid in below), 20)
    assert not runs.is_running(folder)
    assert runs.failure(folder) is None
