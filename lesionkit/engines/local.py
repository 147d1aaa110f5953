"""This machine: warm workers on its GPUs or its CPU, or notebooks through papermill."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from lesionkit import lookup
from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import HOWS, Outcome
from lesionkit.engines.pool import Pool, Tell
from lesionkit.extras import CHECKOUT, in_checkout, notebook_folder

ANSWER_SECONDS = 120.0  # nvidia-smi wakes every GPU; Slurm under load answers late


def run_all(
    configs: Sequence[RunConfig],
    *,
    how: str = "worker",
    slots: int | None = None,
    slots_per_gpu: int = 1,
    retries: int = 1,
    timeout_seconds: float | None = None,
) -> Generator[Outcome]:
    """The outcome of every run, as soon as it has ended; several run at once.

    Args:
        configs: the runs.
        how: one of HOWS; both leave the same record.
        slots: runs at once; None: slots_per_gpu on each GPU, or one on the CPU.
        slots_per_gpu: runs that share a GPU.
        retries: how often a run is tried again whose worker died or took too long; an
            error that Python raised is not tried again.
        timeout_seconds: the longest that a run may take; None: any time.

    Raises:
        ValueError: an unknown `how`, or fewer than one slot.
        RuntimeError: no worker can be started.
    """
    lookup.find("how", how, HOWS)
    asked = {"slots": slots, "slots_per_gpu": slots_per_gpu}
    places = environments(gpus_for(configs), at_most=len(configs), **asked)
    start = partial(Process, module_command("worker", "--how", how))
    again = {"retries": retries, "timeout_seconds": timeout_seconds}
    return Pool(places, start, **again).run_all(configs)


def module_command(name: str, *arguments: str) -> list[str]:
    """What starts a module of `engines` in a process of its own.

    A crash in compiled code leaves its place in the log, and a file in the working
    directory is never taken for a library (-P).
    """
    python = [sys.executable, "-P", "-X", "faulthandler"]
    return [*python, "-m", f"lesionkit.engines.{name}", *arguments]


def gpus_for(configs: Sequence[RunConfig]) -> list[str]:
    """What CUDA_VISIBLE_DEVICES is to be for each GPU that these runs may take.

    None for runs that are all on the CPU. Where the variable is set, by the user or a
    scheduler, it says which GPUs there are. No torch is loaded.
    """
    if all(config.device == "cpu" for config in configs):
        return []
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        names = [name.strip() for name in allowed.split(",")]
        return [name for name in names if name not in ("", "-1")]
    told = ask("nvidia-smi", "-L")
    # no driver, or it does not work
    return [] if told is None or told.returncode else listed(told.stdout)


def ask(*command: str) -> subprocess.CompletedProcess[str] | None:
    """What a program answers; None if it is not here or does not end."""
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def listed(text: str) -> list[str]:
    """The GPUs of `nvidia-smi -L` by UUID; one that is cut up is its MIG parts.

    By UUID, because CUDA counts the fastest GPU as 0 and nvidia-smi the first one.
    """
    found: list[list[str]] = []
    for whole, uuid in re.findall(r"^(GPU)?.*\(UUID: (\S+)\)", text, re.MULTILINE):
        if whole:
            found.append([])
        found[-1].append(uuid)
    return [name for gpu in found for name in gpu[1:] or gpu]


def environments(
    gpus: Sequence[str], *, at_most: int, slots: int | None, slots_per_gpu: int
) -> list[dict[str, str]]:
    """What the environment of each slot has besides that of this process.

    Args:
        gpus: as `gpus_for` gives them; without any, slots are on the CPU.
        at_most: the number of runs; more slots have no use.
        slots, slots_per_gpu: see `run_all`.

    Raises:
        ValueError: fewer than one.
    """
    check_counts(slots, slots_per_gpu)
    count = max(1, min(slots or len(gpus) * slots_per_gpu, at_most))
    threads = {}
    if count > 1 and not os.environ.get("OMP_NUM_THREADS", "").strip():
        # each would take every core, and threads that share one wait for each other
        threads = {"OMP_NUM_THREADS": str(max(1, cores() // count))}
    places = [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus] or [{}]
    return [threads | places[i % len(places)] for i in range(count)]


def check_counts(slots: int | None, slots_per_gpu: int) -> None:
    """Refuse to run in no slot at all.

    Raises:
        ValueError: one of the two is below 1.
    """
    for name, value in (("slots", slots), ("slots_per_gpu", slots_per_gpu)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be 1 or more, got {value}")


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def execute(config: RunConfig) -> None:
    """Train one run through papermill; the executed notebook lies beside the record.

    Raises:
        Exception: the notebook stopped; `ename` and `evalue` are of the error in it.
    """
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this interpreter's kernel, no other
    os.environ["LESIONKIT_DATA"] = str(data_folder())  # the kernel starts elsewhere
    import papermill

    # It warns of every parameter that the notebook's cell does not list; the notebook
    # itself knows them all and refuses what is misspelt.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    output = config.folder.with_name(config.folder.name + ".ipynb")
    output.parent.mkdir(parents=True, exist_ok=True)
    defaults = {rule.name: rule.default for rule in fields(config)}
    papermill.execute_notebook(
        notebook_folder() / "03_train.ipynb",
        output,
        parameters={n: v for n, v in asdict(config).items() if v != defaults[n]},
        kernel_name="python3",
        progress_bar=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # it warns of loopback TCP
        cwd=None,
    )


class Process:
    """A running worker process; what its methods promise says `pool.Body`.

    Args:
        command: what starts it (see `engines.worker`).
        environment: what its environment has besides that of this process.
        log: the file for all that it prints.
        tell: takes each message, and None when there is no message.
    """

    beats = True

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        tell: Tell,
    ) -> None:
        home = {"LESIONKIT_DATA": str(data_folder())}
        if in_checkout():  # it need not be installed
            paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
            home["PYTHONPATH"] = os.pathsep.join(paths)
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                env={**os.environ, **home, **environment},
                start_new_session=True,  # Ctrl-C in the terminal reaches us only
            )
        self.input: Any = self.process.stdin  # both are pipes
        self.output: Any = self.process.stdout
        self.family: list[psutil.Process] = []
        self.dead_since: float | None = None
        self.reader = threading.Thread(target=self._read, args=(tell,), daemon=True)
        self.reader.start()

    def _read(self, tell: Tell) -> None:
        """Pass on what it says; a line that is no message is left out."""
        with self.output as lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    message = json.loads(line)
                    tell(message if type(message) is dict else None)
        tell(None)

    def ask(self, line: str) -> bool:
        try:
            self.input.write(line.encode() + b"\n")
            self.input.flush()
        except OSError:
            return False
        return True

    def leave(self) -> None:
        with contextlib.suppress(OSError):
            self.input.close()

    def kill(self) -> None:
        """Kill it; its children are remembered, to end with it."""
        if self.process.poll() is None:  # else its number may be another process's
            with contextlib.suppress(psutil.NoSuchProcess):
                # a kernel is in a session of its own
                self.family += psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()

    def gone(self) -> str | None:
        """Its exit status or signal, once it has ended."""
        status = self.process.poll()
        if status is None:
            return None
        self.dead_since = self.dead_since or time.monotonic()
        # a child that it left behind may keep the pipe open
        if self.reader.is_alive() and time.monotonic() <= self.dead_since + 1:
            return None
        if status == -signal.SIGKILL:
            return f"signal {-status}, as when memory runs out"
        return f"exit status {status}" if status >= 0 else f"signal {-status}"

    def bury(self, until: float) -> None:
        """Wait until it has ended, kill it and its children, leave no zombie."""
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(max(0.0, until - time.monotonic()))
        finally:
            self.kill()
            self.process.wait()
            for child in self.family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            self.leave()
