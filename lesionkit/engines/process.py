"""The body of a worker on this machine: a process, asked and answering by its pipes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from lesionkit.config import data_folder
from lesionkit.engines.pool import Tell
from lesionkit.extras import CHECKOUT, in_checkout


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
        """Write the line; False if nobody reads it."""
        try:
            self.input.write(line.encode() + b"\n")
            self.input.flush()
        except OSError:
            return False
        return True

    def leave(self) -> None:
        """Close its stdin."""
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
