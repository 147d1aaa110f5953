"""Leases: one holder at a time, and what comes of those who die or sleep."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from patience import comes

from lesionkit.records import leases
from lesionkit.records.leases import Held, Lost, lease

FLOCK = fcntl.flock
# Holds a lease until it is told otherwise; says when it has it and how it ended.
HOLDER = """
import sys, time
from pathlib import Path
from lesionkit.records.leases import Lost, lease
try:
    with lease(Path(sys.argv[1]), float(sys.argv[2]), owner="task 7,"):
        print("held", flush=True)
        time.sleep(60)
except Lost:
    print("lost", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a lease"


@pytest.fixture
def holder(path: Path) -> Iterator[Callable[[float], subprocess.Popen]]:
    """Starts another process and waits until it holds the lease."""
    started = []

    def start(seconds: float) -> subprocess.Popen:
        command = [sys.executable, "-c", HOLDER, str(path), str(seconds)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "held\n"
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process believes to be on another machine, where no lock is seen."""
    monkeypatch.setattr(leases, "machine", lambda: "another machine")


def taken(path: Path, seconds: float) -> bool:
    """Whether the lease is to be had now, by a thread that holds nothing yet."""

    def take() -> bool:
        try:
            with lease(path, seconds):
                return True
        except BlockingIOError:
            return False

    with ThreadPoolExecutor(1) as other:
        return other.submit(take).result()


def test_a_lease_is_free_again_after_its_block(path: Path) -> None:
    with lease(path):
        assert not taken(path, 120)
    assert taken(path, 120)


def test_a_lease_is_free_again_after_an_error_in_its_block(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lease(path):
        1 / 0  # noqa: B018
    assert taken(path, 120)


def test_a_lease_tells_who_holds_it(path: Path, holder) -> None:
    who = f"is held by task 7, process {holder(120).pid} on "
    with pytest.raises(Held, match=who), lease(path):
        pass


@pytest.mark.slow
def test_a_living_process_keeps_its_lease_however_long_another_waits(
    path: Path, holder, elsewhere
) -> None:
    holder(1.0)
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert not taken(path, 1.0)
        time.sleep(0.02)


def test_a_sign_of_life_is_told_to_those_who_look_twice(
    path: Path, holder, elsewhere
) -> None:
    holder(1.0)
    with pytest.raises(Held) as first, lease(path, 1.0):
        pass
    time.sleep(0.5)
    with pytest.raises(Held) as second, lease(path, 1.0):
        pass
    assert (first.value.alive, second.value.alive) == (False, True)


def test_a_lease_whose_holder_was_killed_is_taken_over_after_the_time(
    path: Path, holder, elsewhere
) -> None:
    killed = holder(1.0)
    killed.kill()
    killed.wait()
    began = time.monotonic()
    assert not taken(path, 1.0)
    assert comes(lambda: taken(path, 1.0), 10)
    assert time.monotonic() - began >= 1.0


def test_a_file_whose_maker_died_before_writing_is_taken_over(path: Path) -> None:
    path.mkdir()
    (path / "0").touch()
    assert not taken(path, 0.3)
    time.sleep(0.4)
    assert taken(path, 0.3)


def test_a_paused_holder_that_comes_back_is_stopped(
    path: Path, holder, elsewhere
) -> None:
    paused = holder(0.5)
    paused.send_signal(signal.SIGSTOP)
    assert not taken(path, 0.5)
    time.sleep(0.7)
    with lease(path, 0.5):
        paused.send_signal(signal.SIGCONT)
        assert paused.communicate(timeout=20)[0] == "lost\n"
        assert not taken(path, 0.5)  # what the other did at its end freed nothing


def test_a_holder_that_lost_its_lease_says_so(path: Path) -> None:
    with pytest.raises(Lost, match="was taken over"), lease(path, 0.2):
        (path / "1").write_text("of another")
        time.sleep(20)


def test_a_holder_in_the_background_is_stopped_and_ignores_ctrl_c(path: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as `nohup ... &` has it
    with pytest.raises(Lost, match="was taken over"), lease(path, 0.2):
        signal.raise_signal(signal.SIGINT)
        began = time.monotonic()
        (path / "1").write_text("of another")
        time.sleep(20)
    assert time.monotonic() - began < 15
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_ctrl_c_in_the_block_stays_ctrl_c(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), lease(path):
        signal.raise_signal(signal.SIGINT)
    assert taken(path, 120)


@pytest.mark.slow
def test_a_clock_that_jumps_takes_no_lease_and_frees_none(
    path: Path, holder, elsewhere, monkeypatch
) -> None:
    living = holder(2.0)
    for jump in (1e6, -1e6, 3600, -3600):
        monkeypatch.setattr(time, "time", lambda jump=jump: 1.8e9 + jump)
        assert not taken(path, 2.0)
    living.kill()
    living.wait()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert comes(lambda: taken(path, 2.0), 20)


def test_a_taker_that_judged_an_older_holder_takes_nothing(
    path: Path, monkeypatch
) -> None:
    path.mkdir()
    (path / "0").write_bytes(leases.FREE)
    late = os.listdir(path)
    with lease(path):
        monkeypatch.setattr(os, "listdir", lambda _: late)  # as a stale cache has it
        assert not taken(path, 120)


def test_a_cleared_lease_leaves_nothing(path: Path) -> None:
    with lease(path):
        pass
    leases.clear(path)
    assert not path.exists()
    assert taken(path, 120)


def test_on_one_machine_a_killed_holder_is_seen_at_once(path: Path, holder) -> None:
    killed = holder(1000)
    assert not taken(path, 1000)
    killed.kill()
    killed.wait()
    assert taken(path, 1000)


def test_on_one_machine_a_living_holder_is_known_to_live(path: Path, holder) -> None:
    holder(1000)
    with pytest.raises(Held) as first, lease(path, 1000):
        pass
    assert first.value.alive


def test_a_paused_process_of_this_machine_keeps_its_lease(path: Path, holder) -> None:
    holder(0.2).send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    assert not taken(path, 0.2)


def test_where_locks_do_not_work_the_signs_of_life_decide(
    path: Path, holder, monkeypatch
) -> None:
    killed = holder(1.0)
    monkeypatch.setattr(leases, "is_locked", lambda file: None)
    killed.kill()
    killed.wait()
    assert not taken(path, 1.0)
    assert comes(lambda: taken(path, 1.0), 10)


def as_on_nfs(handle, operation) -> None:
    """The lock of a file on NFS, where the server wants it open for writing."""
    mode = fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE
    if operation & fcntl.LOCK_EX and mode == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor")
    FLOCK(handle, operation)


def test_on_nfs_a_holder_has_its_lock(path: Path, monkeypatch) -> None:
    monkeypatch.setattr(fcntl, "flock", as_on_nfs)
    with lease(path):
        assert leases.is_held_here(path)
    assert taken(path, 120)


def test_a_holder_that_got_no_lock_is_not_taken_for_gone(
    path: Path, monkeypatch
) -> None:
    def shared_alone(handle, operation) -> None:
        if operation & fcntl.LOCK_EX:
            raise OSError(errno.ENOLCK, "No locks available")
        FLOCK(handle, operation)

    monkeypatch.setattr(fcntl, "flock", shared_alone)
    with lease(path):
        assert (leases.is_held(path), leases.is_held_here(path)) == (True, None)
        assert not taken(path, 120)
    assert taken(path, 120)


def test_where_the_disk_has_no_locks_at_all_signs_of_life_decide(
    path: Path, holder, monkeypatch
) -> None:
    def refuse(handle, operation) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    holder(120).kill()
    assert (leases.is_held(path), leases.is_held_here(path)) == (True, None)
    assert not taken(path, 120)


@pytest.mark.parametrize("call", ["listdir", "read_bytes"])
def test_a_lease_that_cannot_be_read_counts_as_held(
    path: Path, monkeypatch, call: str
) -> None:
    def stale(*_) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    with lease(path):
        monkeypatch.setattr(os if call == "listdir" else Path, call, stale)
        assert (leases.is_held(path), leases.is_held_here(path)) == (True, None)
        monkeypatch.undo()


def test_a_holder_behind_another_mount_of_the_disk_is_judged_by_its_life(
    path: Path, holder
) -> None:
    living = holder(120)
    # as a container that mounted the disk once more: its lock is not seen here
    found = json.loads((path / "0").read_text())
    living.kill()
    living.wait()
    (path / "0").write_text(json.dumps(found | {"disk": found["disk"] + 1}))
    assert leases.is_held_here(path) is None
    assert leases.is_held(path)
    assert not taken(path, 120)


def test_a_thread_that_holds_a_lease_may_take_it_again(path: Path) -> None:
    with lease(path):
        with lease(path):
            assert os.listdir(path) == ["0"]
        assert not taken(path, 120)  # the inner end freed nothing
    assert taken(path, 120)


def test_a_child_of_a_holder_may_use_its_lease_and_a_later_one_not(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from lesionkit.records.leases import lease\n"
        "with lease(Path(sys.argv[1])): pass"
    )
    command = [sys.executable, "-c", code, str(path)]
    with lease(path):
        assert subprocess.run(command, check=False).returncode == 0
        assert os.listdir(path) == ["0"]
        environment = os.environ | {leases.OURS: ""}
        other = subprocess.run(command, env=environment, stderr=subprocess.PIPE)
    assert b"Held" in other.stderr
    assert os.environ.get(leases.OURS, "") == ""


def test_a_look_tells_whether_a_lease_is_held(path: Path, holder) -> None:
    assert (leases.is_held(path), leases.is_held_here(path)) == (False, False)
    held = holder(120)
    assert (leases.is_held(path), leases.is_held_here(path)) == (True, True)
    held.kill()
    held.wait()
    assert (leases.is_held(path), leases.is_held_here(path)) == (False, False)


def test_a_holder_elsewhere_counts_for_as_long_as_its_file_is_young(
    path: Path, holder, elsewhere
) -> None:
    holder(120)
    assert (leases.is_held(path), leases.is_held_here(path)) == (True, None)
    old = time.time() - 121
    os.utime(path / "0", (old, old))
    assert not leases.is_held(path)


def test_the_clock_of_the_disk_judges_a_holder_elsewhere(
    path: Path, holder, elsewhere, monkeypatch
) -> None:
    holder(120)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert leases.is_held(path)


def test_a_look_changes_nothing(path: Path, holder, elsewhere) -> None:
    holder(120)
    leases.is_held(path)
    assert os.listdir(path) == ["0"]


def test_a_lease_that_was_cleared_while_it_was_held_ends_well(path: Path) -> None:
    with lease(path):
        leases.clear(path)
    assert not path.exists()


def test_a_holder_in_a_thread_that_lost_its_lease_stops_nobody(path: Path) -> None:
    def hold() -> None:
        with lease(path, 0.2):
            (path / "1").write_text("of another")
            time.sleep(0.5)

    with ThreadPoolExecutor(1) as other, pytest.raises(Lost):
        other.submit(hold).result()
