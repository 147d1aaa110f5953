"""One worker process as its driver sees it: asked, heard, ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from lesionkit.config import RunConfig, data_folder
from lesionkit.extras import CHECKOUT, in_checkout

TERM_SECONDS = 10.0  # between SIGTERM and SIGKILL
LEAVE_SECONDS = 15.0  # for a worker to end after stdin was closed
TAIL_BYTES = 8192  # of a log, where the reason of a death stands


@dataclass
class Pending:
    """A run that is on its way, and what was tried so far."""

    config: RunConfig
    attempts: int = 0
    seconds: float = 0.0
    ask_at: float = 0.0  # on the monotonic clock


class Worker:
    """A running worker process.

    Args:
        command: what starts it.
        environment: what its environment has besides that of this process.
        log: the file for all that it prints.
        inbox: takes (worker, message), and (worker, None) when there is no message.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        inbox: queue.SimpleQueue,
    ) -> None:
        self.log, self.inbox = log, inbox
        self.process = _start(command, environment, log)
        self.input: Any = self.process.stdin  # both are pipes
        self.output: Any = self.process.stdout
        self.family: list[psutil.Process] = []
        self.pending: Pending | None = None
        self.ready = self.leaving = False
        self.reason: str | None = None  # why it is being killed
        self.limit_bytes: int | None = None
        self.kill_at = float("inf")
        self.heard = self.began = time.monotonic()
        self.dead_since: float | None = None
        self.log_start = 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        """Pass on what it says; a line that is no message is left out."""
        with self.output as lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    message = json.loads(line)
                    self.inbox.put((self, message if type(message) is dict else None))
        self.inbox.put((self, None))

    @property
    def idle(self) -> bool:
        """Whether it can be asked for a run."""
        return self.ready and self.pending is None and not self.leaving

    def ask(self, pending: Pending) -> bool:
        """Ask for a run; False if the worker is no longer there."""
        line = json.dumps(asdict(pending.config)) + "\n"
        self.log_start = self.log.stat().st_size
        try:
            self.input.write(line.encode())
            self.input.flush()
        except OSError:
            return False
        self.began = self.heard = time.monotonic()
        self.pending = pending
        pending.attempts += 1
        return True

    def release(self) -> Pending:
        """The run it was asked for, which has ended one way or the other."""
        return released(self)

    def leave(self) -> None:
        """Ask it to end; a run under way stops as by Ctrl-C."""
        self.leaving = True
        self.kill_at = min(self.kill_at, time.monotonic() + LEAVE_SECONDS)
        with contextlib.suppress(OSError):
            self.input.close()

    def terminate(self, reason: str) -> None:
        """Begin to kill it; `watch` goes on with that."""
        self.leaving, self.reason = True, reason
        self.kill_at = time.monotonic() + TERM_SECONDS
        self._note_family()
        self.process.terminate()

    def watch(self) -> None:
        """Kill it if its time to end has passed."""
        if time.monotonic() > self.kill_at:
            self._note_family()
            self.process.kill()

    def ended(self) -> bool:
        """Whether the process is gone and all that it said was passed on."""
        if self.process.poll() is None:
            return False
        self.dead_since = self.dead_since or time.monotonic()
        # a child that it left behind may keep the pipe open
        return not self.reader.is_alive() or time.monotonic() > self.dead_since + 1

    def bury(self, until: float = 0.0) -> None:
        """Wait until it has ended, kill it and its children, leave no zombie.

        Args:
            until: how long to wait, on the monotonic clock.
        """
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(max(0.0, until - time.monotonic()))
        finally:
            self._note_family()
            self.process.kill()
            self.process.wait()
            for child in self.family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            with contextlib.suppress(OSError):
                self.input.close()
            if self.log.exists() and not self.log.stat().st_size:
                self.log.unlink()

    def _note_family(self) -> None:
        """Remember its children: a kernel is in a session of its own."""
        if self.process.poll() is None:  # else its number may be another process's
            with contextlib.suppress(psutil.NoSuchProcess):
                self.family += psutil.Process(self.process.pid).children(recursive=True)

    def death(self) -> str:
        """Why it died, in one line, with the place of its log."""
        status = self.process.returncode
        how = f"exit status {status}" if status >= 0 else f"signal {-status}"
        if status == -signal.SIGKILL:
            how += ", as when memory runs out"
        return account(self, how)


def _start(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen:
    """The process, all that it prints in its log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    home = {"LESIONKIT_DATA": str(data_folder())}
    if in_checkout():  # it need not be installed
        paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
        home["PYTHONPATH"] = os.pathsep.join(paths)
    with log.open("wb") as stream:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            env={**os.environ, **home, **environment},
            start_new_session=True,  # Ctrl-C in the terminal reaches the driver only
        )


def released(worker: Any) -> Pending:
    """The run that a worker, or an actor, was asked for; it has none any more."""
    pending, worker.pending = worker.pending, None
    if pending is None:
        raise RuntimeError("the worker was asked for no run")
    pending.seconds = time.monotonic() - worker.began
    return pending


def account(worker: Any, how: str) -> str:
    """Why a worker, or an actor, died: in one line, with the place of its log."""
    last = last_words(worker.log, worker.log_start)
    died = f"the worker died ({how}){last and ': ' + last}"
    place = f"; log: {worker.log}" if worker.log.stat().st_size else ""
    return (worker.reason or died) + place


def last_words(log: Path, start: int = 0) -> str:
    """The line of a log that tells best why a process died; "" if there is none."""
    with log.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(start, end - TAIL_BYTES))
        lines = stream.read().decode(errors="replace").splitlines()
    said = [line.strip() for line in lines if line.strip()]
    fatal = [line for line in said if line.startswith("Fatal Python error")]
    return (fatal or said or [""])[-1]


def messages(
    inbox: queue.SimpleQueue, wait: float
) -> list[tuple[Worker, dict[str, Any] | None]]:
    """All that came, waiting so long for the first."""
    found = []
    with contextlib.suppress(queue.Empty):
        found.append(inbox.get(timeout=wait) if wait else inbox.get_nowait())
        while True:
            found.append(inbox.get_nowait())
    return found
