"""What a sweep survives: each fault made in earnest, on real runs.

uv run python benchmarks/faults.py                     # all, about ten minutes
uv run python benchmarks/faults.py --only driver disk  # some

Every fault starts `lesionkit sweep` on a grid of short ENet trainings, happens at a
random moment, and is followed by what docs/sweeps.md says: the same command again. The
records alone are judged: all runs done, none trained twice, metrics.json with the
bytes that an undisturbed sweep left. The full disk needs root, for a tmpfs; the clock a
C compiler. Exits with 1 if a row is not as it should be or a process is left.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import fault_disk
import fault_edits
import fault_ray
import measurements
from fault_bench import Bench, end_left
from fault_clock import clock
from fault_homes import Home, Row, ended, finish, wait

KILLS = 3
BEYOND_SECONDS = 4  # the limit; less than the 10 s until a second, harder signal
NAN = """\
  change:
    - {weight_decay: 0.0}
    - {learning_rate: 1.0e+30}
exclude:
  - {learning_rate: 1.0e+30, repeat: [%s]}
"""


def worker(bench: Bench) -> Row:
    """Kill -9 of workers in the middle of runs."""
    home, killed = bench.home(), []
    with home.watched():
        sweep = home.go()
        for _ in range(KILLS):
            wait(lambda: home.trainers() or sweep.poll() is not None, "a run begins")
            bench.wait_in_run()
            killed += filter(None, [home.kill_trainer()])
        status, _, err = ended(sweep)
        if status:  # one run was hit twice
            finish(home.go("--retry-failed"))
    seen = f"{len(killed)} kills; the sweep itself ended with {status}"
    odd = status and max(home.cuts.values()) < 2 and f"ended with {status}: {err}"
    none = "" if killed else "no worker was killed"
    return home.judge(bench.reference, "kill -9 of a worker", seen, none, odd or "")


def driver(bench: Bench) -> Row:
    """Kill -9 of the sweep itself, and the same command again, several times."""
    home, gone = bench.home(), []
    with home.watched():
        for _ in range(KILLS):
            sweep = home.go()
            wait(lambda s=sweep: home.trainers() or s.poll() is not None, "a run")
            bench.wait_in_run()
            if sweep.poll() is None:
                gone.append(kill_driver(home, sweep))
            ended(sweep)
        finish(home.go())
    seen = f"{len(gone)} kills; workers gone after {max(gone, default=0):.1f} s"
    late = "workers outlived the driver" if max(gone, default=0) > 15 else ""
    none = "" if gone else "no driver was killed"
    return home.judge(bench.reference, "kill -9 of the driver", seen, none, late)


def kill_driver(home: Home, sweep: subprocess.Popen) -> float:
    """Kill a sweep; the seconds until its workers have ended by themselves."""
    sweep.send_signal(signal.SIGSTOP)  # it hands out no further run
    home.note_cut(*home.trainers().values())
    sweep.kill()
    began = time.monotonic()
    wait(lambda: not home.processes(), "workers end by themselves")
    return time.monotonic() - began


def sweeps(bench: Bench, count: int) -> Row:
    """So many sweeps of one grid, started at once."""
    home = bench.home()
    with home.watched():
        began = [home.command("sweep", "--slots", "1") for _ in range(count)]
        found = [ended(sweep) for sweep in began]
    failed = [
        f"one ended with {status}: {err[-200:]}" for status, _, err in found if status
    ]
    seen = f"ended with {', '.join(str(status) for status, *_ in found)}"
    return home.judge(bench.reference, f"{count} sweeps at once", seen, *failed)


def crash(bench: Bench) -> Row:
    """One run is killed each time that it begins, another one's loss becomes NaN."""
    others = ", ".join(str(k) for k in range(1, bench.runs))
    home = bench.home(more=NAN % others)
    deadly, *_, nan = (config.run_id for config in deadly_first(home))
    with home.watched():
        sweep = home.go()
        while sweep.poll() is None:
            home.kill_trainer(deadly)
            time.sleep(0.05)
        status, _, first = ended(sweep)
        begun, left = home.cuts[deadly], ended(home.go())[2]
        last = ended(home.go("--retry-failed"))[2]
    wrong = [
        "" if status == 1 else f"ended with {status}",
        "" if begun == 2 else f"begun {begun} times",
        told(first, f"failed: {deadly}: the worker died (signal 9"),
        told(first, f"failed: {nan}: FloatingPointError"),
        told(left, f"left out: {deadly}: failed before (the worker died"),
        told(last, f"failed: {nan}: FloatingPointError"),
    ]
    seen = f"given up after {begun} attempts, NaN after 1, both by name"
    return home.judge(bench.reference, "a run that always crashes", seen, *wrong)


def deadly_first(home: Home) -> list:
    """The runs, that of the first repeat first and that with NaN last."""
    configs = home.sweep.configs
    return sorted(configs, key=lambda c: ((c.learning_rate or 0) > 1, c.repeat))


def told(text: str, line: str) -> str:
    """What is wrong if the text has not one line that begins so."""
    count = sum(found.startswith(line) for found in text.splitlines())
    return "" if count == 1 else f"{count} lines begin {line!r}"


def stopped(bench: Bench) -> Row:
    """SIGSTOP of a worker for longer than its limit, then SIGCONT."""
    home, limit = bench.home(), int(10 + 2 * bench.cold + 10 * bench.length)
    with home.watched():
        sweep = home.go("--timeout", str(limit))
        # of a warm worker: the limit of its run began when the run did
        wait(
            lambda: (
                (len(home.seals) > 1 and home.trainers()) or sweep.poll() is not None
            ),
            "a run of a warm worker",
        )
        if sweep.poll() is not None:
            raise RuntimeError(f"the sweep ended too early: {ended(sweep)[2]}")
        pid = next(iter(home.trainers()))
        os.kill(pid, signal.SIGSTOP)
        home.note_cut(*filter(None, [home.trainers().get(pid)]))
        time.sleep(limit + BEYOND_SECONDS)
        with contextlib.suppress(ProcessLookupError):  # killed, as its limit was over
            os.kill(pid, signal.SIGCONT)
        status, _, err = ended(sweep)
    seen = f"stopped for {limit + BEYOND_SECONDS} s, the limit {limit} s"
    odd = f"ended with {status}: {err[-300:]}" if status else ""
    return home.judge(bench.reference, "SIGSTOP of a worker, SIGCONT", seen, odd)


FAULTS: dict[str, Callable[[Bench], Row]] = {
    "worker": worker,
    "driver": driver,
    "ray-node": fault_ray.node,
    "ray-driver": fault_ray.driver,
    "disk": fault_disk.disk,
    "two": lambda bench: sweeps(bench, 2),
    "four": lambda bench: sweeps(bench, 4),
    "crash": crash,
    "clock": clock,
    "record": fault_edits.record,
    "stopped": stopped,
}
NOT_TRIED = "| {} | – | – | – | – | – | – | – | {} |"
HEAD = (
    "| fault | runs | done | went on | from the start | twice | as undisturbed |"
    " until it went on, s | seen |",
    "|---|---|---|---|---|---|---|---|---|",
)


def tried(bench: Bench, name: str) -> tuple[str, bool]:
    """The line of a fault, and whether all was well; of one not possible, why."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    began = time.monotonic()
    try:
        row = FAULTS[name](bench)
        line, well = row.line(), row.well
    except NotImplementedError as reason:
        line, well = NOT_TRIED.format(name, f"not tried: {reason}"), True
    except Exception as error:  # noqa: BLE001 - the other faults are tried all the same
        traceback.print_exc()
        line, well = NOT_TRIED.format(name, f"broke off: {error!r:.200}"), False
    if left := end_left(bench.scratch):
        line, well = f"{line} left: {'; '.join(left)}", False
    print(f"{line} ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
    return line, well


def main(arguments: list[str] | None = None) -> None:
    """The table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=tuple(FAULTS), metavar="NAME")
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    scratch = Path(tempfile.mkdtemp(prefix="faults-", dir="/tmp"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    try:
        bench = Bench(scratch, runs=given.runs, epochs=given.epochs, seed=given.seed)
        found = [tried(bench, name) for name in given.only or FAULTS]
    finally:
        left = end_left(scratch)
        shutil.rmtree(scratch, ignore_errors=True)
    lines = [
        f"{given.runs} runs of ENet, {given.epochs} epochs of 12 images of 32 px,"
        f" {bench.length:.1f} s each, a state after every epoch, two slots.",
        "",
        *HEAD,
        *(line for line, _ in found),
        "",
        f"Processes left: {'; '.join(left) or 'none'}.",
    ]
    measurements.append("What a sweep survives", lines)
    if left or not all(well for _, well in found):
        raise SystemExit("not all is as it should be")


if __name__ == "__main__":
    main()
