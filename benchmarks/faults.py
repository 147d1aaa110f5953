"""What a sweep survives: each fault made in earnest, on real runs.

uv run python benchmarks/faults.py                     # all, about six minutes
uv run python benchmarks/faults.py --only driver disk  # some

Every fault starts `lesionkit sweep` on a grid of short ENet trainings, happens at a
random moment, and is followed by what docs/sweeps.md says: the same command again. The
records alone are judged: all runs done, none trained twice, metrics.json with the
bytes that an undisturbed sweep left. A run's environment.json has an entry for each
session that began; a run was trained twice if it has more of them than cuts explain.
The full disk needs root, for a tmpfs. Exits with 1 if a row
is not as it should be or a process is left.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import measurements
import psutil

sys.path.append(str(measurements.ROOT / "tests" / "made"))
from made_data import write_discs  # noqa: E402
from patience import comes  # noqa: E402

from lesionkit.records.runs import (
    LEASE,  # noqa: E402
    RunRecord,  # noqa: E402
)
from lesionkit.sweeps.sweep import Sweep, read_sweep  # noqa: E402

KILLS = 3
LONG = 280.0  # seconds in which what is waited for must come
LEAVE_SECONDS = 10.0  # for a process to end by itself
DISK = "96m"
BLOCK = 1 << 16
GRID = """\
name: faults
fixed: {{protocol: demo, dataset: discs, model: enet, size: 32, epochs: {epochs},
        repeats: {repeats}, threads: 1, device: cpu, save_seconds: 0.0}}
axes:
  loss: [dice]
  repeat: 0-{last}
"""
HEAD = [
    *("fault", "runs", "done", "went on", "from the start", "twice"),
    *("as undisturbed", "until it went on, s", "seen"),
]


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
        counts = (self.runs, self.done, self.went_on, self.restarted, self.twice)
        cells = [self.fault, *counts, self.equal, seconds]
        return measurements.row([*map(str, cells), "; ".join([self.seen, *self.wrong])])


@dataclass
class Home:
    """A data folder in which one fault happens, and what was seen in it."""

    folder: Path
    grid: Path  # the sweep file
    cuts: Counter[str] = field(default_factory=Counter)
    cut_at: list[tuple[str, float]] = field(default_factory=list)

    @property
    def sweep(self) -> Sweep:
        """The grid as runs, whose folders are in this home."""
        os.environ["LESIONKIT_DATA"] = str(self.folder)
        return read_sweep(self.grid)

    def record(self, run_id: str) -> Path:
        """The folder of a run."""
        return self.folder / "runs" / run_id

    def go(self, *options: str) -> subprocess.Popen:
        """A sweep on two slots that has begun; its stderr is kept."""
        own = {"LESIONKIT_DATA": str(self.folder), "PYTHONPATH": str(measurements.ROOT)}
        sweep = [sys.executable, "-P", "-m", "lesionkit.cli", "sweep", self.grid]
        return subprocess.Popen(
            [*sweep, "--slots", "2", *options],
            env={**os.environ, **own, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def workers(self) -> list[psutil.Process]:
        """Workers of this home, whether they train or not."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                home = process.environ().get("LESIONKIT_DATA")
                worker = "lesionkit.engines.worker" in process.cmdline()
                found += [process] if worker and home == str(self.folder) else []
        return found

    def trainers(self) -> dict[int, str]:
        """Processes that hold a run of this home, with the run's id."""
        found = {}
        for process in self.workers():
            with contextlib.suppress(psutil.Error, OSError):
                for path in map(Path, (f.path for f in process.open_files())):
                    lease = path.parent  # the holder keeps its lock on it open
                    if lease.name == LEASE and self.folder in path.parents:
                        runs = self.folder / "runs"
                        found[process.pid] = lease.parent.relative_to(runs).as_posix()
        return found

    def note_cut(self, *run_ids: str) -> None:
        """These runs are cut at this moment."""
        self.cuts.update(run_ids)
        self.cut_at += [(run_id, time.time()) for run_id in run_ids]

    def kill_trainer(self, only: str | None = None) -> list[str]:
        """Kill -9 a process that trains a run; the run, if there was one."""
        for pid, run_id in self.trainers().items():
            if only in (None, run_id):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)  # so that what it holds is certain
                    if self.trainers().get(pid) == run_id:
                        self.note_cut(run_id)
                        os.kill(pid, signal.SIGKILL)
                        return [run_id]
                    os.kill(pid, signal.SIGCONT)
        return []

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
            starts = [s["started"] for s in self.sessions(run_id)]
            times = [datetime.fromisoformat(start).timestamp() for start in starts]
            waits += [time - cut for time in times if time > cut][:1]
        return max(waits, default=None)

    def twice(self, run_id: str) -> bool:
        """Whether a run was trained more often than cuts explain."""
        return len(self.sessions(run_id)) > 1 + self.cuts[run_id]

    def metrics(self, run_id: str) -> bytes | None:
        """The bytes of a run's metrics.json, None where there is none."""
        path = self.record(run_id) / "metrics.json"
        return path.read_bytes() if path.is_file() else None

    def states(self, *, verify: bool) -> dict[str, str]:
        """The state of each run."""
        return {c.run_id: s for c, s, _ in self.sweep.standing(verify=verify)}

    def judge(self, reference: Home, fault: str, seen: str, *wrong: str) -> Row:
        """The row of a fault."""
        ids = [config.run_id for config in reference.sweep.configs]
        states = self.states(verify=True)
        later = [entry for run_id in ids for entry in self.sessions(run_id)[1:]]
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


class Bench:
    """A scratch folder with an undisturbed sweep, and homes beside it."""

    def __init__(self, scratch: Path, *, runs: int, epochs: int) -> None:
        self.scratch = scratch
        self.runs, self.epochs, self.count = runs, epochs, 0
        self.reference = self.home()
        finish(self.reference.go())
        took = [
            self.reference.sessions(config.run_id)[-1]["wall_seconds"]
            for config in self.reference.sweep.configs
        ]
        self.length = sum(took) / len(took)

    def home(self, at: Path | None = None) -> Home:
        """A new home with the prepared images and no runs, in the scratch folder."""
        self.count += 1
        folder = at or self.scratch / f"h{self.count}"
        os.environ["LESIONKIT_DATA"] = str(folder)
        write_discs("discs")
        grid = self.scratch / f"g{self.count}.yaml"
        counts = {"repeats": max(5, self.runs), "last": self.runs - 1}
        grid.write_text(GRID.format(epochs=self.epochs, **counts))
        return Home(folder, grid)

    def in_run(self, home: Home, sweep: subprocess.Popen) -> None:
        """Wait until a run is under way, and then for a random moment of it."""
        comes(lambda: home.trainers() or sweep.poll() is not None, LONG)
        time.sleep(random.uniform(0, self.length))


def ended(process: subprocess.Popen) -> tuple[int, str]:
    """Status and stderr of a process that ends by itself."""
    _, err = process.communicate(timeout=LONG)
    return process.returncode, err


def finish(process: subprocess.Popen) -> None:
    """Wait for a sweep that must end well.

    Raises:
        RuntimeError: it ended with another status than 0.
    """
    status, err = ended(process)
    if status:
        raise RuntimeError(f"the sweep ended with {status}: {err[-2000:]}")


def end_left(scratch: Path) -> list[str]:
    """Processes that name the scratch folder after a while; each is ended."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            home = process.environ().get("LESIONKIT_DATA", "")
            if str(scratch) in f"{words} {home}" and process.pid != os.getpid():
                found[process] = f"{process.pid} {words[:80]}"
    _, left = psutil.wait_procs(list(found), LEAVE_SECONDS)
    for process in left:
        process.kill()
    psutil.wait_procs(left, LEAVE_SECONDS)
    return [found[process] for process in left]


def worker(bench: Bench) -> Row:
    """Kill -9 of workers in the middle of runs."""
    home, killed = bench.home(), []
    sweep = home.go()
    for _ in range(KILLS):
        bench.in_run(home, sweep)
        killed += home.kill_trainer()
    status, err = ended(sweep)
    if status:  # one run was hit twice
        finish(home.go("--retry-failed"))
    seen = f"{len(killed)} kills; the sweep itself ended with {status}"
    odd = status and max(home.cuts.values()) < 2 and f"ended with {status}: {err}"
    none = "" if killed else "no worker was killed"
    return home.judge(bench.reference, "kill -9 of a worker", seen, none, odd or "")


def driver(bench: Bench) -> Row:
    """Kill -9 of the sweep itself, and the same command again, several times."""
    home, gone = bench.home(), []
    for _ in range(KILLS):
        sweep = home.go()
        bench.in_run(home, sweep)
        if sweep.poll() is None:
            sweep.send_signal(signal.SIGSTOP)  # it hands out no further run
            home.note_cut(*home.trainers().values())
            sweep.kill()
            began = time.monotonic()
            comes(lambda: not home.workers(), LONG)
            gone.append(time.monotonic() - began)
        ended(sweep)
    finish(home.go())
    seen = f"{len(gone)} kills; workers gone after {max(gone, default=0):.1f} s"
    late = "workers outlived the driver" if max(gone, default=0) > 15 else ""
    none = "" if gone else "no driver was killed"
    return home.judge(bench.reference, "kill -9 of the driver", seen, none, late)


def crash(bench: Bench) -> Row:
    """One run is killed each time that it begins."""
    home = bench.home()
    deadly = home.sweep.configs[0].run_id
    sweep = home.go()
    while sweep.poll() is None:
        home.kill_trainer(deadly)
        time.sleep(0.05)
    status, err = ended(sweep)
    begun, left = home.cuts[deadly], ended(home.go())[1]
    finish(home.go("--retry-failed"))
    wrong = [
        "" if status == 1 else f"ended with {status}",
        "" if begun == 2 else f"begun {begun} times",
        told(err, f"failed: {deadly}: the worker died (signal 9"),
        told(left, f"left out: {deadly}: failed before (the worker died"),
    ]
    seen = f"given up after {begun} attempts, by name"
    return home.judge(bench.reference, "a run that always crashes", seen, *wrong)


def told(text: str, line: str, word: str = "") -> str:
    """What is wrong if the text has not one line that begins so and has the word."""
    found = [each for each in text.splitlines() if each.startswith(line)]
    if len(found) != 1:
        return f"{len(found)} lines begin {line!r}"
    return "" if word in found[0] else f"not a word of {word!r}: {found[0][-200:]}"


def disk(bench: Bench) -> Row:
    """The data folder's disk fills in the middle of runs and stays full."""
    with tmpfs(bench.scratch / "disk") as folder:
        home, ballast = bench.home(folder), folder / "ballast"
        sweep = home.go()
        some = lambda: any(home.folder.rglob("DONE")) and home.trainers()  # noqa: E731
        comes(lambda: some() or sweep.poll() is not None, LONG)
        home.cuts.update(c.run_id for c in home.sweep.configs)  # each may fail once
        while sweep.poll() is None:
            fill(ballast)
            time.sleep(0.02)
        status, err = ended(sweep)
        wrong = [] if status == 1 else [f"ended with {status}"]
        wrong += ["a traceback on stderr"] if "Traceback" in err else []
        for run_id, state in home.states(verify=True).items():
            if state == "damaged":
                wrong.append(f"damaged: {run_id}")
            elif state != "done":
                wrong.append(told(err, f"failed: {run_id}:", " is full ("))
        wrong += [f"left behind: {path}" for path in folder.rglob("*.part")]
        ballast.unlink()
        finish(home.go("--retry-failed"))
        wrong = [text for text in wrong if text]
        failed = err.count("failed: ")
        seen = f"{failed} runs failed, each in one line, {len(wrong)} things wrong"
        return home.judge(bench.reference, "full disk", seen, *wrong)


def fill(ballast: Path) -> None:
    """Take all the space that is left."""
    handle = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for size in (BLOCK, 4096):
            with contextlib.suppress(OSError):
                while True:
                    os.write(handle, bytes(size))
    finally:
        os.close(handle)


@contextlib.contextmanager
def tmpfs(folder: Path) -> Iterator[Path]:
    """A small disk of its own, in memory.

    Raises:
        NotImplementedError: this process may not mount one.
    """
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise NotImplementedError("a tmpfs cannot be mounted here (root)") from None
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def digit(path: Path, after: bytes) -> None:
    """Another digit in place of the first one after these bytes; the size stays."""
    content = bytearray(path.read_bytes())
    at = content.index(after) + len(after)
    while not chr(content[at]).isdigit():
        at += 1
    content[at] = ord("1") + (content[at] - ord("0")) % 9
    path.write_bytes(content)


def flip(path: Path) -> None:
    """One bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# Each edit of a record, and how a reader, `status`, `status --verify` and the sweep
# must take it.
EDITS: dict[str, tuple[Callable[[Path], None], tuple[str, str, str, str]]] = {
    "A score in metrics.json is another one": (
        lambda folder: digit(folder / "metrics.json", b'"dice": 0.'),
        ("refused", "done", "damaged", "not run"),
    ),
    "One bit of the weights is flipped": (
        lambda folder: flip(folder / "best.safetensors"),
        ("refused", "done", "damaged", "not run"),
    ),
    "DONE is gone": (
        lambda folder: (folder / "DONE").unlink(),
        ("read", "unfinished", "unfinished", "run"),
    ),
}


def record(bench: Bench) -> Row:
    """An edit in each of three records; then what --verify names is moved away."""
    home = bench.home()
    shutil.copytree(bench.reference.folder, home.folder, dirs_exist_ok=True)
    ids = [c.run_id for c in home.sweep.configs]
    edited = dict(zip(EDITS, ids, strict=False))
    for name, run_id in edited.items():
        EDITS[name][0](home.record(run_id))
    home.cuts[edited["DONE is gone"]] += 1  # the seal alone tells that it was trained
    before = {run_id: len(home.sessions(run_id)) for run_id in ids}
    read = {run_id: reading(home.record(run_id)) for run_id in ids}
    plain, verified = home.states(verify=False), home.states(verify=True)
    err, seen, wrong = ended(home.go())[1], [], []
    for name, run_id in edited.items():
        ran = "run" if len(home.sessions(run_id)) > before[run_id] else "not run"
        swept = "left out" if f"left out: {run_id}: " in err else ran
        found = (read[run_id], plain[run_id], verified[run_id], swept)
        said = zip(("reader", "status", "--verify", "sweep"), found, strict=True)
        seen.append(f"{name} ({', '.join(': '.join(pair) for pair in said)})")
        wrong += [f"{name}: {found}"] if found != EDITS[name][1] else []
    for run_id, state in home.states(verify=True).items():
        if state == "damaged":
            shutil.rmtree(home.record(run_id))
    finish(home.go())
    wrong += ["a traceback on stderr"] if "Traceback" in err else []
    return home.judge(
        bench.reference, "records edited by hand", "; ".join(seen), *wrong
    )


def reading(folder: Path) -> str:
    """Whether a reader of the record is refused one of its files."""
    known = RunRecord(folder)
    try:
        for name in ("config", "metrics", "environment", "history", "images", "split"):
            getattr(known, name)
        known.weights()
    except ValueError:
        return "refused"
    return "read"


FAULTS: dict[str, Callable[[Bench], Row]] = {
    "worker": worker,
    "driver": driver,
    "disk": disk,
    "crash": crash,
    "record": record,
}


def tried(bench: Bench, name: str) -> tuple[str, bool]:
    """The line of a fault, and whether all was well; of one not possible, why."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    nothing = [name, *["–"] * (len(HEAD) - 2)]
    try:
        row = FAULTS[name](bench)
        line, well = row.line(), row.well
    except NotImplementedError as reason:
        line, well = measurements.row([*nothing, f"not tried: {reason}"]), True
    except Exception as error:  # noqa: BLE001 - the other faults are tried all the same
        traceback.print_exc()
        line, well = measurements.row([*nothing, f"broke off: {error!r:.200}"]), False
    if left := end_left(bench.scratch):
        line, well = f"{line} left: {'; '.join(left)}", False
    print(line, file=sys.stderr, flush=True)
    return line, well


def main(arguments: list[str] | None = None) -> None:
    """The table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=tuple(FAULTS), metavar="NAME")
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=12)
    given = parser.parse_args(arguments)
    scratch = Path(tempfile.mkdtemp(prefix="faults-", dir="/tmp"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    try:
        bench = Bench(scratch, runs=given.runs, epochs=given.epochs)
        found = [tried(bench, name) for name in given.only or FAULTS]
    finally:
        left = end_left(scratch)
        shutil.rmtree(scratch, ignore_errors=True)
    lines = [
        f"{given.runs} runs of ENet, {given.epochs} epochs of 12 images of 32 px,"
        f" {bench.length:.1f} s each, a state after every epoch, two slots.",
        "",
        *measurements.head(HEAD),
        *(line for line, _ in found),
        "",
        f"Processes left: {'; '.join(left) or 'none'}.",
    ]
    measurements.append("What a sweep survives", lines)
    if left or not all(well for _, well in found):
        raise SystemExit("not all is as it should be")


if __name__ == "__main__":
    main()
