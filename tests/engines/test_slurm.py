"""Slurm: the script, the job and its queue, with false commands."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_slurm import DEAF, GONE, seal
from made_slurm import fake as fake
from made_slurm import submitted as submitted
from made_worker import configs

from lesionkit.config import data_folder
from lesionkit.engines import Outcome, slurm, slurm_task

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
    assert slurm.queue(slurm.sweep_folder("study")) == {}


def test_a_sweep_in_the_queue_is_not_submitted_twice(fake, submitted) -> None:
    submitted(2)
    fake("squeue", 'echo "12_0 RUNNING"')
    with pytest.raises(RuntimeError, match="is queued: wait, or scancel 12"):
        slurm.submit(configs(2), "study", tasks=1)


def test_nothing_is_submitted_while_nobody_tells_if_the_last_job_runs(
    fake, submitted
) -> None:
    folder = submitted(2)
    (folder / "begun" / "0-0-abc").touch()
    fake("squeue", DEAF)
    with pytest.raises(RuntimeError, match="not tell if job 12 is queued: try later"):
        slurm.submit(configs(2), "study", tasks=1)
    assert (folder / "begun" / "0-0-abc").exists()


def test_the_queue_is_a_state_for_each_task(fake, submitted) -> None:
    folder = submitted(2)
    noted = fake("squeue", 'echo "12_10 PENDING"; echo "12_3 RUNNING"')
    assert slurm.queue(folder) == {10: "PENDING", 3: "RUNNING"}
    assert noted.read_text() == "--job 12 --array -h -o %i %T\n"


@pytest.mark.parametrize(("body", "told"), [(GONE, {}), (DEAF, None), ("true", {})])
def test_a_job_that_is_gone_has_an_empty_queue_and_one_not_asked_for_none(
    fake, submitted, body: str, told: dict | None
) -> None:
    folder = submitted(2)
    fake("squeue", body)
    assert slurm.queue(folder) == told


def test_without_squeue_or_a_job_there_is_no_queue(fake, submitted, tmp_path) -> None:
    folder = submitted(2)
    (tmp_path / "bin" / "squeue").unlink()
    assert slurm.queue(folder) is None
    assert slurm.queue(tmp_path) == {}


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
