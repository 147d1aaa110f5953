"""Warm workers: what comes of runs that work, fail, crash, hang, or are held."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from made_worker import START, configs, events, full, seal
from patience import alive, comes
from patience import nothing_is_left as nothing_is_left

from lesionkit.config import data_folder
from lesionkit.engines import Outcome, pool
from lesionkit.engines.pool import Pool
from lesionkit.records import leases, runs


def logs() -> list[Path]:
    """The logs of workers."""
    return sorted((data_folder() / "runs" / ".logs").glob("*.log"))


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Outcome]]:
    """Runs with these faults, one a run, through a pool with these options."""

    def outcomes(*faults: str, places: int = 1, slot=None, **options) -> list[Outcome]:
        monkeypatch.setenv("FAULTS", json.dumps(dict(enumerate(faults))))
        environments = [{"SLOT": str(i)} | (slot or {}) for i in range(places)]
        found = Pool(environments, START, **options).run_all(configs(len(faults)))
        return sorted(found, key=lambda outcome: outcome.config.repeat)

    return outcomes


def test_runs_that_work_have_no_error_and_one_attempt(faulty) -> None:
    outcomes = faulty("", "", "")
    assert [o.config for o in outcomes] == configs(3)
    assert [(o.error, o.attempts) for o in outcomes] == [(None, 1)] * 3
    assert [runs.state(o.config.folder) for o in outcomes] == ["done"] * 3
    assert len({event["pid"] for event in events("ended")}) == 1  # one warm worker
    assert logs() == []  # it had nothing to say


def test_an_error_is_told_in_one_line_and_not_tried_again(faulty) -> None:
    bad, good = faulty("refuse", "")
    assert bad.error == "ValueError: no such thing and much more on it"
    assert bad.attempts == 1
    assert (good.error, good.attempts) == (None, 1)
    assert len({event["pid"] for event in events("began")}) == 1
    assert "Traceback (most recent call last)" in logs()[0].read_text()


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_that_always_crashes_is_given_up_and_stops_no_other(faulty) -> None:
    killed, left, good = faulty("die", "leave", "", retries=2)
    assert killed.error == "the worker died (signal 9, as when memory runs out)"
    assert left.error.startswith("the worker died (exit status 7): the last words; log")
    assert Path(left.error.split("log: ")[1]).read_text() == "the last words\n"
    assert (killed.attempts, left.attempts, good.attempts) == (3, 3, 1)
    assert good.error is None
    assert runs.failure(killed.config.folder) == killed.error


@pytest.mark.slow
def test_a_run_given_up_on_a_full_disk_is_told_and_stops_no_other(
    faulty, monkeypatch
) -> None:
    monkeypatch.setattr(runs, "note_failure", full)
    killed, good = faulty("die", "", retries=0)
    assert killed.error.startswith("the worker died (signal 9")
    assert good.error is None


@pytest.mark.slow
def test_what_an_earlier_run_said_is_not_why_a_worker_died(faulty) -> None:
    _, killed = faulty("refuse", "die", retries=0)
    assert killed.error == (
        f"the worker died (signal 9, as when memory runs out); log: {logs()[0]}"
    )


def test_the_record_alone_says_whether_a_run_worked(faulty) -> None:
    died, empty = faulty("die late", "leave no record", retries=0)
    assert (died.error, died.attempts) == (None, 1)  # died with the record finished
    assert (empty.error, empty.attempts) == (pool.NO_RECORD, 1)


@pytest.mark.slow
def test_a_run_that_takes_too_long_is_killed_with_its_children(
    faulty, data_home: Path
) -> None:
    slow, good = faulty("hang with a child", "", timeout_seconds=1.0)
    assert (slow.error, slow.attempts) == ("it took longer than 1 s", 2)
    assert slow.seconds >= 1.0
    assert runs.failure(slow.config.folder) == slow.error
    assert good.error is None
    assert not alive(int((data_home / "child").read_text()))


@pytest.mark.slow
def test_a_run_that_took_too_long_to_begin_failed_and_is_not_missing(faulty) -> None:
    (slow,) = faulty("never begin", timeout_seconds=1.0, retries=0)
    assert slow.error == "it took longer than 1 s"
    assert runs.state_of(slow.config) == ("failed", slow.error)


@pytest.mark.slow
def test_a_run_that_ignores_sigterm_is_killed_all_the_same(faulty) -> None:
    (deaf,) = faulty("hang deaf", timeout_seconds=0.5, retries=0)
    assert (deaf.error, deaf.attempts) == ("it took longer than 0.5 s", 1)


@pytest.mark.slow
def test_a_worker_without_a_sign_of_life_is_replaced_and_no_other(
    faulty, monkeypatch
) -> None:
    monkeypatch.setenv("BEAT", "0.1")
    monkeypatch.setattr(pool, "SILENT_SECONDS", 2.0)
    options = {"places": 2, "retries": 0, "timeout_seconds": 30}
    frozen, slower = faulty("freeze", "slower", **options)
    assert frozen.error == "no sign of the worker in 2 s"
    assert slower.error is None


@pytest.mark.slow
def test_what_a_run_prints_or_reads_does_not_reach_the_driver(faulty) -> None:
    outcomes = faulty("print and read", "", timeout_seconds=20.0)
    assert [(o.error, o.attempts) for o in outcomes] == [(None, 1)] * 2
    assert logs()[0].read_text().count('{"run_id"') == 3


@pytest.mark.slow
def test_two_slots_run_two_at_once(faulty) -> None:
    outcomes = faulty("meet", "meet", places=2)  # each waits until both have begun
    assert [(o.error, o.attempts) for o in outcomes] == [(None, 1)] * 2
    assert {event["slot"] for event in events("began")} == {"0", "1"}


@pytest.mark.slow
def test_no_more_workers_are_started_than_there_are_runs(faulty, monkeypatch) -> None:
    started = []
    worker = pool.Worker
    monkeypatch.setattr(
        pool, "Worker", lambda *given: started.append(1) or worker(*given)
    )
    faulty("", "", places=8)
    assert len(started) == 2


@pytest.mark.slow
def test_a_worker_that_has_grown_is_replaced_before_the_next_run(
    faulty, monkeypatch
) -> None:
    monkeypatch.setattr(pool, "GROWTH_BYTES", -(1 << 40))
    faulty("", "", "")
    assert len({event["pid"] for event in events("ended")}) == 3


@pytest.mark.slow
def test_a_run_held_by_another_process_is_waited_for_until_it_is_done(
    faulty, monkeypatch
) -> None:
    monkeypatch.setattr(pool, "HELD_SECONDS", 0.1)
    held, free = configs(2)
    with runs.claim(runs.start(held)):
        found = Pool([{}], START).run_all([held, free])
        assert next(found).config == free
        seal(held)
    assert next(found) == Outcome(held, None, 0.0, 0)
    assert list(found) == []
    assert [event["repeat"] for event in events("began")] == [1]


@pytest.mark.slow
def test_a_run_that_another_process_lets_go_is_trained(faulty, monkeypatch) -> None:
    monkeypatch.setattr(pool, "HELD_SECONDS", 0.1)
    held, free = configs(2)
    with runs.claim(runs.start(held)):
        found = Pool([{}], START).run_all([held, free])
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
    monkeypatch.setattr(Pool, "_put", seal_and_put)
    with runs.claim(runs.start(held)):
        found = list(Pool([{leases.OURS: ""}], START).run_all([held]))
    assert [(o.error, o.attempts) for o in found] == [(None, 0)]
    assert len(events("began")) == 1


def seal_and_put(mine: Pool, pending: pool.Pending, _: float) -> None:
    """The other process ends the run while it waits."""
    seal(pending.config)
    mine.waiting.append(pending)


def test_a_reason_that_finds_no_room_ends_no_sweep(monkeypatch) -> None:
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pool.runs, "note_failure", full)
    tried = Pool([{}], START, retries=0)
    tried.outcomes = []
    tried._died(pool.Pending(configs(1)[0], attempts=1), "it died")
    assert [outcome.error for outcome in tried.outcomes] == ["it died"]


def test_workers_that_cannot_start_end_the_sweep_with_their_reason(faulty) -> None:
    said = "can be started: .* no torch here.*; ask lesionkit doctor$"
    with pytest.raises(RuntimeError, match=said):
        faulty("", "", slot={"BROKEN": "1"}, places=2)


@pytest.mark.slow
def test_a_slot_where_no_worker_starts_is_given_up_and_the_others_go_on(
    capsys,
) -> None:
    mixed = Pool([{"BROKEN": "1"}, {"FAULTS": '{"0": "slower"}'}], START)
    assert [outcome.error for outcome in mixed.run_all(configs(2))] == [None, None]
    assert mixed.started == 1 + pool.STARTS
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("a slot is given up: the worker died (exit status 1)")


@pytest.mark.slow
def test_a_slot_that_works_again_is_as_good_as_new() -> None:
    worn = Pool([{}], START)
    worn.slots[0].failures = pool.STARTS - 1
    list(worn.run_all(configs(1)))
    assert worn.slots[0].failures == 0


def test_a_run_found_finished_is_not_begun(faulty) -> None:
    seal(configs(1)[0])
    assert faulty("die") == [Outcome(configs(1)[0], None, 0.0, 0)]


@pytest.mark.slow
def test_closing_early_stops_the_run_under_way_and_every_worker(monkeypatch) -> None:
    monkeypatch.setenv("FAULTS", '{"1": "hang"}')
    found = Pool([{}], START).run_all(configs(3))
    next(found)
    assert comes(lambda: events("hangs"))
    found.close()
    assert runs.state(configs(2)[1].folder) == "unfinished"
