"""What benchmarks/faults.py needs: sweeps as processes, who trains what, a verdict.

A run's record is the witness. environment.json has an entry for each session that
began, with the epoch that it began at; DONE is written once, at the end. A run that
was trained twice has more sessions than cuts explain, or had two different DONE.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import measurements
import psutil

sys.path.append(str(measurements.ROOT / "tests"))
from patience import comes  # noqa: E402

from lesionkit.records.runs import LEASE  # noqa: E402
from lesionkit.sweeps.sweep import Sweep, read_sweep  # noqa: E402

LONG = 280.0  # seconds in which what is waited for must come
WORKERS = ("lesionkit.engines.worker", "ray::")


@dataclass
class Row:
    """What a fault left, judged from the records.

    Attributes:
        fault: what was done.
        runs: of the grid.
        done: runs with a finished record at the end.
        went_on: sessions that began at the state of a session that was cut.
        restarted: sessions that began again at the first epoch.
        twice: runs trained more often than cuts explain.
        equal: runs whose metrics.json has the bytes of the undisturbed one.
        seconds: longest from a cut until the run went on; None where nothing was cut.
        seen: what else was seen, in a few words.
        wrong: what is not as docs/sweeps.md says; empty when all is.
    """

    fault: str
    runs: int
    done: int
    went_on: int
    restarted: int
    twice: int
    equal: int
    seconds: float | None
    seen: str
    wrong: list[str]

    @property
    def well(self) -> bool:
        """Whether nothing was lost, done twice, or otherwise than promised."""
        whole = self.done == self.equal == self.runs and not self.twice
        return whole and not self.wrong

    def line(self) -> str:
        """As a row of the table."""
        seconds = "–" if self.seconds is None else f"{self.seconds:.1f}"
        counts = (self.runs, self.done, self.went_on, self.restarted)
        cells = [self.fault, *counts, self.twice, self.equal, seconds]
        return (
            f"| {' | '.join(map(str, [*cells, '; '.join([self.seen, *self.wrong])]))} |"
        )


@dataclass
class Home:
    """A data folder in which one fault happens, and what was seen in it.

    Args:
        folder: the data folder.
        grid: the sweep file.
        environment: what its processes have besides those of this one.
    """

    folder: Path
    grid: Path
    environment: dict[str, str] = field(default_factory=dict)
    cuts: Counter[str] = field(default_factory=Counter)
    cut_at: list[tuple[str, float]] = field(default_factory=list)
    seals: dict[str, set] = field(default_factory=dict)
    began: list[tuple[str, float]] = field(default_factory=list)

    @property
    def sweep(self) -> Sweep:
        """The grid as runs, whose folders are in this home."""
        os.environ["LESIONKIT_DATA"] = str(self.folder)
        return read_sweep(self.grid)

    def record(self, run_id: str) -> Path:
        """The folder of a run."""
        return self.folder / "runs" / run_id

    def command(self, *words: str) -> subprocess.Popen:
        """A command of the kit on this grid, as a process; its stderr is kept."""
        name, *options = words
        own = {"LESIONKIT_DATA": str(self.folder), "PYTHONPATH": str(measurements.ROOT)}
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "lesionkit.cli", name, self.grid, *options],
            env={**os.environ, **own, "OMP_NUM_THREADS": "1", **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def go(self, *options: str) -> subprocess.Popen:
        """A sweep that has begun; two slots unless told otherwise."""
        return self.command("sweep", "--slots", "2", *options)

    def trainers(self) -> dict[int, str]:
        """Processes that hold a run of this home, with the run's id."""
        found = {}
        for process in workers():
            with contextlib.suppress(psutil.Error, OSError):
                for path in map(Path, (f.path for f in process.open_files())):
                    lease = path.parent  # the holder keeps its lock on it open
                    if lease.name == LEASE and self.folder in path.parents:
                        runs = self.folder / "runs"
                        found[process.pid] = lease.parent.relative_to(runs).as_posix()
        return found

    def processes(self) -> list[int]:
        """Workers of this home, whether they train or not."""
        found = []
        for process in workers():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("LESIONKIT_DATA") == str(self.folder):
                    found.append(process.pid)
        return found

    def note_cut(self, *run_ids: str) -> None:
        """These runs are cut at this moment."""
        self.cuts.update(run_ids)
        self.cut_at += [(run_id, time.monotonic()) for run_id in run_ids]

    def kill_trainer(self, only: str | None = None) -> str | None:
        """Kill -9 a process that trains a run; the run, or None if there is none."""
        for pid, run_id in self.trainers().items():
            if only not in (None, run_id):
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)  # so that what it holds is certain
                held = self.trainers().get(pid)
                if held == run_id:
                    self.note_cut(run_id)
                os.kill(pid, signal.SIGKILL if held == run_id else signal.SIGCONT)
                if held == run_id:
                    return run_id
        return None

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """See every seal and every session of the block, as they are written."""
        stop = threading.Event()
        thread = threading.Thread(target=self._watch, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _watch(self, stop: threading.Event) -> None:
        """Look at every run again and again, and once more after the stop."""
        ids = [config.run_id for config in self.sweep.configs]
        sessions: dict[str, int] = {}
        while True:
            last = stop.is_set()
            for run_id in ids:
                with contextlib.suppress(OSError):
                    seal = (self.record(run_id) / "DONE").stat()
                    self.seals.setdefault(run_id, set()).add(
                        (seal.st_ino, seal.st_mtime_ns)
                    )
                count = len(self.sessions(run_id))
                if count != sessions.get(run_id, 0):
                    self.began.append((run_id, time.monotonic()))
                sessions[run_id] = count
            if last:
                return
            time.sleep(0.03)

    def sessions(self, run_id: str) -> list[dict]:
        """The entries of a run's environment.json."""
        try:
            text = (self.record(run_id) / "environment.json").read_text()
            return json.loads(text)["sessions"]
        except FileNotFoundError:
            return []

    def pause(self) -> float | None:
        """The longest time from a cut until the run went on."""
        waits = []
        for run_id, cut in self.cut_at:
            later = [t - cut for other, t in self.began if other == run_id and t > cut]
            waits += later[:1]
        return max(waits, default=None)

    def judge(self, reference: Home, fault: str, seen: str, *wrong: str) -> Row:
        """The row of a fault."""
        ids = [config.run_id for config in reference.sweep.configs]
        standing = self.sweep.standing(verify=True)
        states = {config.run_id: state for config, state, _ in standing}
        lists = {run_id: self.sessions(run_id) for run_id in ids}
        later = [entry for found in lists.values() for entry in found[1:]]
        again = sum(entry["first_epoch"] == 1 for entry in later)
        return Row(
            fault,
            len(ids),
            done=sum(states[run_id] == "done" for run_id in ids),
            went_on=len(later) - again,
            restarted=again,
            twice=sum(self.twice(run_id) for run_id in ids),
            equal=sum(self.metrics(i) == reference.metrics(i) for i in ids),
            seconds=self.pause(),
            seen=seen,
            wrong=[text for text in wrong if text],
        )

    def twice(self, run_id: str) -> bool:
        """Whether a run was trained more often than cuts explain."""
        if len(self.seals.get(run_id, ())) > 1:
            return True
        return len(self.sessions(run_id)) > 1 + self.cuts[run_id]

    def metrics(self, run_id: str) -> bytes | None:
        """The bytes of a run's metrics.json, None where there is none."""
        path = self.record(run_id) / "metrics.json"
        return path.read_bytes() if path.is_file() else None


def workers() -> list[psutil.Process]:
    """Processes that train, of any sweep on this machine."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            if any(word in words for word in WORKERS):
                found.append(process)
    return found


def wait(true: Callable[[], object], what: str) -> None:
    """Wait until something comes true.

    Raises:
        TimeoutError: it does not.
    """
    if not comes(true, LONG):
        raise TimeoutError(f"{what}: not in {LONG:g} s")


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    """Status, stdout and stderr of a process that ends by itself."""
    out, err = process.communicate(timeout=LONG)
    return process.returncode, out, err


def finish(process: subprocess.Popen) -> str:
    """What a process that must end well said on stderr.

    Raises:
        RuntimeError: it ended with another status than 0.
    """
    status, _, err = ended(process)
    if status:
        raise RuntimeError(f"the sweep ended with {status}: {err[-2000:]}")
    return err
