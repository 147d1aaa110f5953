"""A Slurm cluster: the sweep as a job array, in a script that one can read.

    <data>/runs/.slurm/<sweep>/
        job.sh         what sbatch was given
        configs.jsonl  a run a line: the fields of RunConfig
        job.json       job_id, submitted, tasks
        logs/<k>.log   what array task k said; a requeued one goes on in the same file
        failed/<i>     why run i was given up in this submission
        begun/<i>-*    processes that began run i and have not ended it
        stuck/<i>-*    time limits that run i used up without a new state

There are fewer tasks than runs: each takes one missing run after the other, so a
requeued task simply goes on. The records alone say what is done. The nodes must see
the data folder and this interpreter at the same paths.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from lesionkit import lookup
from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import HOWS, Outcome
from lesionkit.engines.local import ask, module_command
from lesionkit.records import runs
from lesionkit.records.files import write_bytes, write_json

WARN_SECONDS = 90  # before the time limit, to store the run's state
OURS = ("--array", "-a", "--output", "-o")
SCRIPT = """\
#!/bin/sh
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output={log}
#SBATCH --signal=B:USR1@{warn}
{options}
# {runs} runs: each of the {tasks} tasks takes one after the other until none is left.
export LESIONKIT_DATA={data}
exec {command}
"""


def sweep_folder(name: str) -> Path:
    """Where the files of a sweep's job are; a name unfit for a folder is hashed."""
    if not re.fullmatch(r"\w[\w.-]{0,79}", name, re.ASCII):
        name = hashlib.sha256(name.encode()).hexdigest()[:12]
    return data_folder() / "runs" / ".slurm" / name


def script(
    configs: Sequence[RunConfig],
    folder: Path,
    *,
    tasks: int,
    options: Sequence[str] = (),
    how: str = "worker",
) -> str:
    """The script for sbatch.

    Args:
        configs: the runs.
        folder: of the sweep, see `sweep_folder`.
        tasks: array tasks, each of which works through runs.
        options: of sbatch, such as "--gres=gpu:1" or "--time=4:00:00".
        how: one of HOWS.

    Raises:
        ValueError: an unknown `how`, no task, what is no option of sbatch or is set
            here already, or a path that a line of sbatch cannot hold.
    """
    lookup.find("how", how, HOWS)
    if tasks < 1:
        raise ValueError(f"tasks must be at least 1, got {tasks}")
    log = str(folder / "logs").replace("%", "%%") + "/%a.log"
    if re.search(r"[\\\x00-\x1f]", log):  # sbatch reads escapes of its own
        raise ValueError(f"Slurm takes no path with a backslash or line break: {log!r}")
    for option in options:
        form = r"(--[a-z][\w-]*|-[A-Za-z])([= ]?[^\x00-\x1f\x7f]*)?"
        if not re.fullmatch(form, option):
            raise ValueError(
                "an option of sbatch is one line such as --time=4:00:00 or"
                f" --gres=gpu:1, got {option!r}"
            )
        if re.split(r"[= ]", option)[0] in OURS:
            raise ValueError(
                f"{option!r} is set by lesionkit; say how many tasks instead"
            )
    return SCRIPT.format(
        name=f"lesionkit-{folder.name}",
        last=tasks - 1,
        log=shlex.quote(log),
        warn=WARN_SECONDS,
        options="".join(f"#SBATCH {option}\n" for option in options),
        runs=len(configs),
        tasks=tasks,
        data=shlex.quote(str(data_folder())),
        command=shlex.join(task_command(folder, how)),
    )


def task_command(folder: Path, how: str) -> list[str]:
    """What an array task runs."""
    return module_command("slurm_task", str(folder), "--how", how)


def submit(
    configs: Sequence[RunConfig],
    name: str,
    *,
    tasks: int,
    options: Sequence[str] = (),
    how: str = "worker",
) -> str:
    """Hand the runs to Slurm; the id of the job.

    Args:
        configs, tasks, options, how: as for `script`.
        name: the sweep's; its job files go to `sweep_folder(name)`.

    Raises:
        ValueError: see `script`, or no run.
        RuntimeError: an earlier job of this sweep is queued or may be, sbatch is not
            here, or it refused; the text has its own words.
    """
    folder = sweep_folder(name)
    if not configs:
        raise ValueError(f"no run to submit for {name}")
    tasks = min(tasks, len(configs))  # no task without a run
    text = script(configs, folder, tasks=tasks, options=options, how=how)
    queued, job = queue(folder), _job(folder)
    if queued is None:
        raise RuntimeError(f"squeue does not tell if job {job} is queued: try later")
    if queued:
        raise RuntimeError(f"job {job} of {name} is queued: wait, or scancel {job}")
    for kind in ("failed", "begun", "stuck"):
        shutil.rmtree(folder / kind, ignore_errors=True)
    for kind in ("begun", "failed", "logs"):  # Slurm makes no folder
        (folder / kind).mkdir(parents=True, exist_ok=True)
    (folder / "job.json").unlink(missing_ok=True)
    lines = "".join(_line(config) + "\n" for config in configs)
    write_bytes(folder / "configs.jsonl", lines.encode())
    write_bytes(folder / "job.sh", text.encode())
    told = ask("sbatch", "--parsable", str(folder / "job.sh"))
    if told is None:
        raise RuntimeError("sbatch is not here: start the sweep on a login node")
    if told.returncode:
        raise RuntimeError(f"sbatch refused: {' '.join(told.stderr.split())}")
    job = told.stdout.strip().split(";")[0]  # "id;cluster" where there are several
    when = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(folder / "job.json", {"job_id": job, "submitted": when, "tasks": tasks})
    return job


def _line(config: RunConfig) -> str:
    return json.dumps(asdict(config))


def _listed(folder: Path) -> list[str]:
    return (folder / "configs.jsonl").read_text().splitlines()


def _job(folder: Path) -> str | None:
    """The job that the folder tells of."""
    try:
        return json.loads((folder / "job.json").read_text())["job_id"]
    except (OSError, ValueError, KeyError):
        return None


def queue(folder: Path) -> dict[int, str] | None:
    """The state of each array task that has not ended, such as {0: "RUNNING"}.

    Empty where there is no job or it is gone; None where that cannot be known.
    """
    job = _job(folder)
    if job is None:
        return {}
    told = ask("squeue", "--job", job, "--array", "-h", "-o", "%i %T")
    if told is None or (told.returncode and "Invalid job id" not in told.stderr):
        return None
    # lines such as `12_3 PENDING`
    found = re.findall(r"^\d+_(\d+) (\w+)$", told.stdout, re.MULTILINE)
    return {int(task): state for task, state in found}


def run_all(
    configs: Sequence[RunConfig],
    *,
    name: str,
    tasks: int,
    options: Sequence[str] = (),
    how: str = "worker",
    poll_seconds: float = 10.0,
) -> Generator[Outcome]:
    """The outcome of every run, as soon as its record or its failure is seen.

    A job of the same runs that is still in the queue is followed, not submitted again.
    Ctrl-C ends this; the job goes on.

    Args:
        configs, name, tasks, options, how: as for `submit`.
        poll_seconds: between two looks at the records and the queue.

    Raises:
        ValueError, RuntimeError: see `submit`.
    """
    looked = [(config, runs.is_done(config.folder)) for config in configs]
    yield from (Outcome(config, None, 0.0, 0) for config, done in looked if done)
    missing = [config for config, done in looked if not done]
    folder = sweep_folder(name)
    if not missing:
        return
    if not (queue(folder) and set(map(_line, missing)) <= set(_listed(folder))):
        submit(missing, name, tasks=tasks, options=options, how=how)
    try:
        yield from _follow(missing, folder, poll_seconds)
    except (KeyboardInterrupt, GeneratorExit):
        job = _job(folder)
        print(f"job {job} goes on; to end it: scancel {job}", file=sys.stderr)
        raise


def _follow(
    missing: Sequence[RunConfig], folder: Path, poll_seconds: float
) -> Generator[Outcome]:
    """Outcomes as they are seen, until none is left or the job has been gone twice."""
    numbers = {line: number for number, line in enumerate(_listed(folder))}
    left = {numbers[_line(config)]: config for config in missing}
    gone = 0
    while left:
        gone = gone + 1 if queue(folder) == {} else 0  # first this, then the records
        for number, config in list(left.items()):
            if outcome := _seen(config, folder, number, gone=gone > 1):
                del left[number]
                yield outcome
        if left:
            time.sleep(poll_seconds)


def _seen(
    config: RunConfig, folder: Path, number: int, *, gone: bool
) -> Outcome | None:
    """What came of a run, or None if that is still open."""
    begun = [p.name.split("-")[1] for p in (folder / "begun").glob(f"{number}-*")]
    failed = folder / "failed" / str(number)
    if runs.is_done(config.folder):
        sessions = runs.RunRecord(config.folder).environment["sessions"]
        seconds = sessions[-1].get("wall_seconds", 0.0)
        return Outcome(config, None, seconds, len(sessions))
    if failed.is_file():
        return Outcome(config, failed.read_text(), 0.0, max(1, len(begun)))
    if not gone:
        return None
    log = folder / "logs" / (f"{begun[-1]}.log" if begun else "")
    error = f"job {_job(folder)} ended without this run; log: {log}"
    return Outcome(config, error, 0.0, len(begun))
