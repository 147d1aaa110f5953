"""Slurm: the script, the job and its tasks, with false commands and with a real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_worker import break_cuda, configs, events
from own_slurm import lacking, left_behind, own_slurm
from patience import comes

from lesionkit import leases, runs
from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import Outcome, slurm, slurm_task

# An array task whose runs do as FAULTS says, on records like real ones.
TASK = """
import os, sys
sys.path.insert(0, sys.argv.pop(1))
import made_worker
from lesionkit import runs
from lesionkit.engines import slurm_task, worker
smallest = made_worker.seal
def seal(config):
    session = {"wall_seconds": 1.5}
    runs.store_json(config.folder, "environment", {"sessions": [session]})
    smallest(config)
made_worker.seal = seal
slurm_task.LEASE_SECONDS = float(os.environ.get("LEASE", "120"))
slurm_task.LOOK_SECONDS = 0.1
worker.HOWS["worker"] = lambda: made_worker.train
slurm_task.main()
"""
PLAIN = """\
#!/bin/sh
#SBATCH --job-name=lesionkit-study
#SBATCH --array=0-1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=/disk/runs/.slurm/study/logs/%a.log
#SBATCH --signal=B:USR1@90
#SBATCH --gres=gpu:1
#SBATCH -p long

# 3 runs: each of the 2 tasks takes one after the other until none is left.
export LESIONKIT_DATA=/disk
exec /bin/python -P -X faulthandler -m lesionkit.engines.slurm_task \
/disk/runs/.slurm/study --how worker
"""
GONE = 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1'
DEAF = 'echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1'


def command(folder: Path, how: str = "worker") -> list[str]:
    """In place of `slurm.task_command`."""
    return [sys.executable, "-c", TASK, str(Path(__file__).parent), str(folder)]


def seal(config: RunConfig) -> None:
    """A finished record with the time it took."""
    folder = runs.start(config)
    session = {"wall_seconds": 1.5}
    runs.store_json(folder, "environment", {"sessions": [session, session]})
    runs.finish(folder)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch) -> Callable[[str, str], Path]:
    """Puts a false command in place of a real one; gives where it notes arguments."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def put(name: str, body: str) -> Path:
        noted = programs / f"{name}.args"
        (programs / name).write_text(f'#!/bin/sh\necho "$@" >>"{noted}"\n{body}\n')
        (programs / name).chmod(0o755)
        return noted

    return put


@pytest.fixture
def task(monkeypatch) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts a task of the array as Slurm would."""
    started = []

    def start(folder: Path, number: int, **environment: str) -> subprocess.Popen:
        mine = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": str(number)}
        mine[leases.OURS] = ""  # not what the test itself holds
        given = {**os.environ, **mine, **environment}
        started.append(subprocess.Popen(command(folder), env=given))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


@pytest.fixture
def submitted(fake) -> Callable[[int], Path]:
    """The folder of a job of so many runs."""

    def make(count: int) -> Path:
        fake("squeue", GONE)
        fake("sbatch", "echo 12")
        slurm.submit(configs(count), "study", tasks=2)
        return slurm.sweep_folder("study")

    return make


def done(count: int) -> list[bool]:
    """For each run whether it is done."""
    return [runs.is_done(config.folder) for config in configs(count)]


def ended() -> list[int]:
    """The runs that were trained to the end, each as often as that was."""
    return sorted(event["repeat"] for event in events("ended"))


def test_the_script_is_what_a_reader_expects(monkeypatch) -> None:
    monkeypatch.setenv("LESIONKIT_DATA", "/disk")
    monkeypatch.setattr(sys, "executable", "/bin/python")
    options = ["--gres=gpu:1", "-p long"]
    folder = slurm.sweep_folder("study")
    assert slurm.script(configs(3), folder, tasks=2, options=options) == PLAIN


def test_a_script_runs_with_every_name_that_a_folder_can_have(
    tmp_path: Path, monkeypatch
) -> None:
    odd = tmp_path / 'it\'s $HOME; `a` "b" %a é'
    odd.mkdir()
    program = odd / "python"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$LESIONKIT_DATA" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("LESIONKIT_DATA", str(odd))
    monkeypatch.setattr(sys, "executable", str(program))
    folder = slurm.sweep_folder("study")
    text = slurm.script(configs(1), folder, tasks=1)
    told = subprocess.run(["sh", "-c", text], capture_output=True, text=True)
    arguments = [*slurm.task_command(folder, "worker")[1:]]
    assert told.stdout.splitlines() == [str(odd), *arguments]
    assert "%%a" in text.split("--output=")[1].split("\n")[0]


@pytest.mark.parametrize("option", ["gpu", "--time=1\n#SBATCH -n 9", "", "-", "--a\r"])
def test_what_is_no_option_is_refused(option: str) -> None:
    folder = slurm.sweep_folder("study")
    with pytest.raises(ValueError, match="an option of sbatch is one line such as"):
        slurm.script(configs(1), folder, tasks=1, options=[option])


@pytest.mark.parametrize("option", ["--array=0-9", "-o x", "--output=x", "-a 1"])
def test_what_lesionkit_sets_is_no_option(option: str) -> None:
    folder = slurm.sweep_folder("study")
    with pytest.raises(ValueError, match="is set by lesionkit"):
        slurm.script(configs(1), folder, tasks=1, options=[option])


def test_a_path_that_sbatch_would_change_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("LESIONKIT_DATA", "/disk/a\\b")
    with pytest.raises(ValueError, match="no path with a backslash"):
        slurm.script(configs(1), slurm.sweep_folder("study"), tasks=1)


def test_at_least_one_task_and_a_known_how_are_asked_for() -> None:
    folder = slurm.sweep_folder("study")
    with pytest.raises(ValueError, match="tasks must be at least 1, got 0"):
        slurm.script(configs(1), folder, tasks=0)
    with pytest.raises(ValueError, match="notebook"):
        slurm.script(configs(1), folder, tasks=1, how="notebok")


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "a b", "x" * 90, "é"])
def test_a_name_unfit_for_a_folder_is_hashed(name: str) -> None:
    folder = slurm.sweep_folder(name)
    assert folder.parent == data_folder() / "runs" / ".slurm"
    assert len(folder.name) == 12


def test_a_submission_leaves_all_that_a_task_needs(fake) -> None:
    fake("squeue", GONE)
    noted = fake("sbatch", 'echo "12;cluster"')
    assert slurm.submit(configs(3), "study", tasks=8) == "12"
    folder = slurm.sweep_folder("study")
    assert noted.read_text() == f"--parsable {folder / 'job.sh'}\n"
    assert slurm_task.Task(folder, 0, load=list).configs == configs(3)
    assert "--array=0-2\n" in (folder / "job.sh").read_text()  # no task without a run
    job = json.loads((folder / "job.json").read_text())
    assert (job["job_id"], job["tasks"]) == ("12", 3)
    assert (folder / "logs").is_dir()


def test_without_sbatch_one_clear_error_is_raised(fake) -> None:
    with pytest.raises(RuntimeError, match="sbatch is not here: .* a login node"):
        slurm.submit(configs(1), "study", tasks=1)


def test_a_refusal_is_told_in_the_words_of_sbatch(fake) -> None:
    fake("sbatch", 'echo "sbatch: error: Invalid\npartition" >&2; exit 1')
    with pytest.raises(RuntimeError, match="refused: sbatch: error: Invalid partition"):
        slurm.submit(configs(1), "study", tasks=1)
    assert slurm.queue(slurm.sweep_folder("study")) is None


def test_a_sweep_in_the_queue_is_not_submitted_twice(fake, submitted) -> None:
    submitted(2)
    fake("squeue", 'echo "12_0 RUNNING"')
    with pytest.raises(RuntimeError, match="is queued: wait, or scancel 12"):
        slurm.submit(configs(2), "study", tasks=1)


def test_the_queue_is_a_state_for_each_task(fake, submitted) -> None:
    folder = submitted(2)
    noted = fake("squeue", 'echo "12_10 PENDING"; echo "12_3 RUNNING"')
    assert slurm.queue(folder) == {10: "PENDING", 3: "RUNNING"}
    assert noted.read_text() == "--job 12 --array -h -o %i %T\n"


@pytest.mark.parametrize("body", [GONE, DEAF, "true"])
def test_a_job_that_is_gone_or_cannot_be_asked_for_has_no_queue(
    fake, submitted, body: str
) -> None:
    folder = submitted(2)
    fake("squeue", body)
    assert slurm.queue(folder) is None


def test_without_squeue_or_a_job_there_is_no_queue(fake, submitted, tmp_path) -> None:
    folder = submitted(2)
    (tmp_path / "bin" / "squeue").unlink()
    assert slurm.queue(folder) is None
    assert slurm.queue(tmp_path) is None


def test_runs_missing_when_the_job_is_gone_have_an_error_with_the_log(fake) -> None:
    fake("squeue", GONE)
    fake("sbatch", "echo 12")
    before, later, lost = configs(3)
    seal(before)
    options = {"name": "study", "tasks": 2, "poll_seconds": 0.05}
    found = slurm.run_all([before, later, lost], **options)
    assert next(found) == Outcome(before, None, 0.0, 0)
    seal(later)
    folder = slurm.sweep_folder("study")
    (folder / "begun").mkdir(parents=True)
    error = f"job 12 ended without this run; log: {folder / 'logs'}"
    assert list(found) == [Outcome(later, None, 1.5, 2), Outcome(lost, error, 0.0, 0)]


def test_the_log_is_that_of_the_task_that_died_in_the_run(fake, submitted) -> None:
    folder = submitted(1)
    (folder / "begun" / "0-7-abc").touch()
    (outcome,) = slurm._follow(configs(1), folder, 0.01)
    assert outcome.error.endswith(f"log: {folder / 'logs' / '7.log'}")


def test_a_controller_that_does_not_answer_loses_no_run(fake, submitted) -> None:
    folder = submitted(1)
    fake("squeue", DEAF)
    timer = threading.Timer(1.0, seal, configs(1))
    timer.start()
    (outcome,) = slurm._follow(configs(1), folder, 0.05)
    timer.join()
    assert outcome.error is None


def test_a_job_in_the_queue_is_followed_and_not_submitted_again(
    fake, submitted
) -> None:
    submitted(2)
    fake("squeue", 'echo "12_0 RUNNING"')
    fake("sbatch", "echo 13")
    found = slurm.run_all(configs(2), name="study", tasks=1, poll_seconds=0.05)
    seal(configs(2)[1])
    assert next(found).config == configs(2)[1]
    assert slurm._job(slurm.sweep_folder("study")) == "12"


def test_ctrl_c_leaves_the_job_and_says_how_to_end_it(
    fake, submitted, monkeypatch, capsys
) -> None:
    submitted(1)
    fake("squeue", 'echo "12_0 RUNNING"')

    def ctrl_c(seconds: float) -> None:
        raise KeyboardInterrupt  # by itself: a job in the background ignores SIGINT

    monkeypatch.setattr(slurm, "time", SimpleNamespace(sleep=ctrl_c))
    with pytest.raises(KeyboardInterrupt):
        list(slurm.run_all(configs(1), name="study", tasks=1))
    assert capsys.readouterr().err == "job 12 goes on; to end it: scancel 12\n"


def test_a_task_trains_every_run_and_starts_at_its_own(submitted, task) -> None:
    folder = submitted(4)
    assert task(folder, 2).wait(60) == 0
    assert [event["repeat"] for event in events("began")] == [2, 3, 0, 1]
    assert done(4) == [True] * 4
    assert list((folder / "begun").iterdir()) == []
    assert not any((c.folder / runs.LEASE).exists() for c in configs(4))


def test_tasks_on_one_list_run_nothing_twice_and_lose_nothing(submitted, task) -> None:
    folder = submitted(24)
    tasks = [task(folder, 0), task(folder, 0), task(folder, 1)]
    assert [each.wait(60) for each in tasks] == [0, 0, 0]
    assert ended() == list(range(24))
    assert len(events("began")) == 24


def test_leases_alone_keep_a_run_for_one_task(submitted, task, monkeypatch) -> None:
    folder = submitted(1)
    with leases.lease(configs(1)[0].folder / runs.LEASE, 2.0):
        assert task(folder, 0, LEASE="2").wait(60) == 0  # it saw a sign of life
    assert events("began") == []


def test_a_run_that_killed_two_is_not_given_up_while_a_third_trains_it(
    submitted, task
) -> None:
    folder = submitted(1)
    for name in ("0-0-a", "0-1-b", "0-2-c"):
        (folder / "begun" / name).touch()
    with leases.lease(configs(1)[0].folder / runs.LEASE, 2.0):
        assert task(folder, 0, LEASE="2").wait(60) == 0
    assert not (folder / "failed" / "0").exists()


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


def test_a_failed_run_is_noted_and_not_tried_again_by_this_submission(
    submitted, task
) -> None:
    folder = submitted(2)
    for _ in range(2):
        assert task(folder, 0, FAULTS=json.dumps({0: "refuse"})).wait(60) == 0
    assert [event["repeat"] for event in events("began")] == [0, 1]
    outcome, good = slurm._follow(configs(2), folder, 0.01)
    assert (outcome.error, good.error) == ("ValueError: no such thing", None)
    slurm.submit(configs(2), "study", tasks=1)
    assert task(folder, 0).wait(60) == 0
    assert done(2) == [True, True]


def test_a_run_without_a_record_failed(submitted, task) -> None:
    folder = submitted(1)
    assert task(folder, 0, FAULTS=json.dumps({0: "leave no record"})).wait(60) == 0
    (outcome,) = slurm._follow(configs(1), folder, 0.01)
    assert outcome.error == slurm_task.NO_RECORD


def test_a_run_in_which_every_process_dies_is_given_up(submitted, task) -> None:
    folder = submitted(2)
    faults = {"FAULTS": json.dumps({0: "die"}), "LEASE": "0.3"}
    statuses = [task(folder, 0, **faults).wait(60) for _ in range(4)]
    assert statuses == [-signal.SIGKILL] * 3 + [0]
    outcome, good = slurm._follow(configs(2), folder, 0.01)
    assert outcome.error.startswith("3 processes died in this run")
    assert runs.failure(configs(2)[0].folder) == outcome.error
    assert good.error is None


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


def test_a_second_signal_does_not_disturb_the_storing(submitted, task) -> None:
    folder = submitted(1)
    stopped = task(folder, 0, FAULTS=json.dumps({0: "hang on"}))
    assert comes(lambda: events("hangs"))
    for _ in range(3):
        stopped.terminate()
        time.sleep(0.3)
    assert stopped.poll() is None


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


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch) -> Iterator[None]:
    """A Slurm of our own that is gone after the test."""
    reason = lacking()
    if reason:
        pytest.skip(reason)
    home = tmp_path / "slurm"
    home.mkdir()
    with own_slurm(home):
        monkeypatch.setenv("SLURM_CONF", str(home / "slurm.conf"))
        yield
    assert left_behind(home) == []


@pytest.mark.slow
def test_slurm_itself_runs_every_run_once_though_a_task_is_requeued(
    cluster, monkeypatch
) -> None:
    monkeypatch.setattr(slurm, "task_command", command)
    monkeypatch.setenv("FAULTS", json.dumps({0: "slower"}))
    job = slurm.submit(configs(12), "study", tasks=3)
    assert comes(lambda: 0 in [event["repeat"] for event in events("began")])
    (mark,) = (slurm.sweep_folder("study") / "begun").glob("0-*")
    number = mark.name.split("-")[1]
    subprocess.run(["scontrol", "requeue", f"{job}_{number}"], check=True)
    found = slurm.run_all(configs(12), name="study", tasks=3, poll_seconds=0.5)
    assert [outcome.error for outcome in found] == [None] * 12
    assert ended() == list(range(12))
    assert len(events("interrupted")) == 1  # Slurm's SIGTERM was heard
    assert slurm._job(slurm.sweep_folder("study")) == job


@pytest.mark.slow
def test_slurm_itself_trains_what_this_process_would(cluster, tiny: str) -> None:
    small = {"dataset": tiny, "size": 32, "batch_size": 4, "epochs": 2}
    small |= {"model": "enet", "device": "cpu", "threads": 1}
    missing = [RunConfig(**small, repeat=repeat) for repeat in range(4)]
    found = slurm.run_all(missing, name="a study", tasks=2, poll_seconds=1.0)
    outcomes = sorted(found, key=lambda outcome: outcome.config.repeat)
    assert [o.config for o in outcomes] == missing
    assert [(o.error, o.attempts) for o in outcomes] == [(None, 1)] * 4
    assert len(runs.find_records(data_folder() / "runs")) == 4


@pytest.mark.slow
def test_slurm_itself_refuses_in_its_own_words(cluster) -> None:
    with pytest.raises(RuntimeError, match="refused: .* generic resource"):
        slurm.submit(configs(1), "study", tasks=1, options=["--gres=gpu:1"])
