"""Tasks of a job: what comes of runs, tasks and time limits that end in the middle."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from made_slurm import done, ended, seal
from made_slurm import fake as fake
from made_slurm import submitted as submitted
from made_slurm import task as task
from made_worker import break_cuda, configs, events
from patience import comes

from lesionkit.engines import slurm, slurm_task
from lesionkit.records import leases, runs


def test_a_task_trains_every_run_and_starts_at_its_own(submitted, task) -> None:
    folder = submitted(4)
    assert task(folder, 2).wait(60) == 0
    assert [event["repeat"] for event in events("began")] == [2, 3, 0, 1]
    assert done(4) == [True] * 4
    assert list((folder / "begun").iterdir()) == []
    assert not any((c.folder / runs.LEASE).exists() for c in configs(4))


@pytest.mark.slow
def test_tasks_on_one_list_run_nothing_twice_and_lose_nothing(submitted, task) -> None:
    folder = submitted(24)
    tasks = [task(folder, 0), task(folder, 0), task(folder, 1)]
    assert [each.wait(60) for each in tasks] == [0, 0, 0]
    assert ended() == list(range(24))
    assert len(events("began")) == 24


@pytest.mark.slow
def test_leases_alone_keep_a_run_for_one_task(submitted, task, monkeypatch) -> None:
    folder = submitted(1)
    with leases.lease(configs(1)[0].folder / runs.LEASE, 2.0):
        assert task(folder, 0, LEASE="2").wait(60) == 0  # it saw a sign of life
    assert events("began") == []


@pytest.mark.slow
def test_a_run_that_killed_two_is_not_given_up_while_a_third_trains_it(
    submitted, task
) -> None:
    folder = submitted(1)
    for name in ("0-0-a", "0-1-b", "0-2-c"):
        (folder / "begun" / name).touch()
    with leases.lease(configs(1)[0].folder / runs.LEASE, 2.0):
        assert task(folder, 0, LEASE="2").wait(60) == 0
    assert not (folder / "failed" / "0").exists()


@pytest.mark.slow
def test_a_killed_task_that_starts_again_finishes_exactly_the_rest(
    submitted, task
) -> None:
    folder = submitted(5)
    killed = task(folder, 0, FAULTS=json.dumps({2: "hang"}), LEASE="1")
    assert comes(lambda: len(events("began")) == 3)
    killed.kill()
    killed.wait()
    assert ended() == [0, 1]
    assert task(folder, 0, LEASE="1").wait(60) == 0
    assert ended() == [0, 1, 2, 3, 4]
    assert [event["repeat"] for event in events("began")] == [0, 1, 2, 2, 3, 4]


@pytest.mark.slow
def test_a_failed_run_is_noted_and_not_tried_again_by_this_submission(
    submitted, task
) -> None:
    folder = submitted(2)
    for _ in range(2):
        assert task(folder, 0, FAULTS=json.dumps({0: "refuse"})).wait(60) == 0
    assert [event["repeat"] for event in events("began")] == [0, 1]
    outcome, good = slurm._follow(configs(2), folder, 0.01)
    assert outcome.error == "ValueError: no such thing and much more on it"
    assert good.error is None
    slurm.submit(configs(2), "study", tasks=1)
    assert task(folder, 0).wait(60) == 0
    assert done(2) == [True, True]


def test_a_run_without_a_record_failed(submitted, task) -> None:
    folder = submitted(1)
    assert task(folder, 0, FAULTS=json.dumps({0: "leave no record"})).wait(60) == 0
    (outcome,) = slurm._follow(configs(1), folder, 0.01)
    assert outcome.error == slurm_task.NO_RECORD


@pytest.mark.slow
def test_a_run_in_which_every_process_dies_is_given_up(submitted, task) -> None:
    folder = submitted(2)
    faults = {"FAULTS": json.dumps({0: "die"}), "LEASE": "0.3"}
    statuses = [task(folder, 0, **faults).wait(60) for _ in range(4)]
    assert statuses == [-signal.SIGKILL] * 3 + [0]
    outcome, good = slurm._follow(configs(2), folder, 0.01)
    assert outcome.error.startswith("3 processes died in this run")
    assert runs.failure(configs(2)[0].folder) == outcome.error
    assert good.error is None


@pytest.mark.slow
def test_an_error_that_may_damage_a_process_gives_the_task_a_new_one(
    submitted, task
) -> None:
    folder = submitted(2)
    assert task(folder, 0, FAULTS=json.dumps({0: "break cuda"})).wait(60) == 0
    assert ended() == [1]
    assert (folder / "failed" / "0").read_text().startswith("RuntimeError: CUDA")
    lease = configs(2)[0].folder / runs.LEASE / "0"
    assert lease.read_bytes() == leases.FREE  # given back before the change
    assert len({event["pid"] for event in events("began")}) == 1  # Slurm sees none


def test_the_new_process_of_a_task_has_the_command_of_the_old(
    submitted, monkeypatch
) -> None:
    folder, begun = submitted(1), []
    monkeypatch.setattr(os, "execv", lambda *given: begun.append(given))
    found = slurm_task.Task(folder, 0, load=lambda: break_cuda)
    found.take(0)
    assert begun == [(sys.executable, sys.orig_argv)]


def test_a_run_that_was_done_between_look_and_lease_is_not_begun(
    submitted, monkeypatch
) -> None:
    folder, looks = submitted(1), iter([False])  # the first look comes too early
    seal(configs(1)[0])
    look = slurm_task.Task._over
    early = lambda task, number: next(looks, look(task, number))  # noqa: E731
    monkeypatch.setattr(slurm_task.Task, "_over", early)
    assert slurm_task.Task(folder, 0, load=lambda: 1 / 0).take(0) is None


@pytest.mark.slow
def test_sigterm_stops_a_run_as_ctrl_c_does_and_frees_it_at_once(
    submitted, task
) -> None:
    folder = submitted(2)
    stopped = task(folder, 0, FAULTS=json.dumps({0: "hang"}))
    assert comes(lambda: events("began"))
    stopped.terminate()
    assert stopped.wait(20) == 128 + signal.SIGTERM
    assert [event["repeat"] for event in events("interrupted")] == [0]
    assert list((folder / "begun").iterdir()) == []
    assert task(folder, 0).wait(60) == 0
    assert ended() == [0, 1]


@pytest.mark.slow
def test_a_second_signal_does_not_disturb_the_storing(submitted, task) -> None:
    folder = submitted(1)
    stopped = task(folder, 0, FAULTS=json.dumps({0: "hang on"}))
    assert comes(lambda: events("hangs"))
    for _ in range(3):
        stopped.terminate()
        time.sleep(0.3)
    assert stopped.poll() is None


@pytest.mark.slow
def test_near_the_time_limit_a_task_goes_back_into_the_queue(
    submitted, task, fake
) -> None:
    folder = submitted(1)
    noted = fake("scontrol", "true")
    stopped = task(folder, 0, FAULTS=json.dumps({0: "hang"}))
    assert comes(lambda: events("began"))
    stopped.send_signal(signal.SIGUSR1)
    assert stopped.wait(20) == 128 + signal.SIGUSR1
    assert noted.read_text() == "requeue 12_0\n"
    assert len(events("interrupted")) == 1


def used_up(task, folder: Path) -> None:
    """A task whose time limit comes while its last run is under way."""
    count = len(events("hangs"))
    under_way = task(folder, 0, FAULTS=json.dumps({0: "hang"}))
    assert comes(lambda: len(events("hangs")) > count)
    under_way.send_signal(signal.SIGUSR1)
    assert under_way.wait(20) == 128 + signal.SIGUSR1


@pytest.mark.slow
def test_a_run_whose_epoch_is_longer_than_the_time_limit_is_given_up(
    submitted, task, fake
) -> None:
    folder = submitted(1)
    noted = fake("scontrol", "true")
    used_up(task, folder)
    assert not (folder / "failed" / "0").exists()
    used_up(task, folder)
    (outcome,) = slurm._follow(configs(1), folder, 0.01)
    assert outcome.error.startswith("2 time limits passed without a stored epoch")
    assert runs.failure(configs(1)[0].folder) == outcome.error
    assert noted.read_text() == "requeue 12_0\n" * 2  # others may be left


@pytest.mark.slow
def test_a_new_submission_gives_a_run_two_time_limits_again(
    submitted, task, fake
) -> None:
    folder = submitted(1)
    fake("scontrol", "true")
    used_up(task, folder)
    slurm.submit(configs(1), "study", tasks=1)
    used_up(task, folder)
    assert not (folder / "failed" / "0").exists()


def test_a_run_that_gets_on_may_use_up_any_number_of_time_limits(
    submitted, task, fake, monkeypatch
) -> None:
    folder, config = submitted(1), configs(1)[0]
    fake("scontrol", "true")
    monkeypatch.setattr(slurm_task, "put_back", lambda: None)
    for epoch in range(3):
        found = slurm_task.Task(folder, 0, load=lambda: None)
        found.attempts, found.under_way = 1, (0, slurm_task._states(config))
        runs.save_state(runs.start(config), b"of epoch %d" % epoch)
        found.judge()
    assert not (folder / "stuck").exists() or not list((folder / "stuck").iterdir())


def test_a_time_limit_that_other_runs_used_up_counts_for_none(submitted, task) -> None:
    folder, config = submitted(1), configs(1)[0]
    for _ in range(3):
        found = slurm_task.Task(folder, 0, load=lambda: None)
        found.attempts, found.under_way = 2, (0, slurm_task._states(config))
        found.judge()
    assert not (folder / "failed" / "0").exists()


@pytest.mark.slow
def test_a_run_that_a_process_outside_the_job_trains_is_left_to_it(
    submitted, task
) -> None:
    folder = submitted(2)
    with runs.claim(runs.start(configs(2)[0])):
        assert task(folder, 0).wait(60) == 0
    assert done(2) == [False, True]
    assert not (folder / "failed" / "0").exists()


def test_a_task_with_nothing_to_do_loads_nothing(submitted, task) -> None:
    folder = submitted(1)
    seal(configs(1)[0])
    found = slurm_task.Task(folder, 0, load=lambda: 1 / 0)
    found.work()
    assert events("began") == []
