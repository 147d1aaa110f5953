"""A disk that fills while runs train; a fault of benchmarks/faults.py."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from fault_bench import Bench
from fault_homes import Home, Row, ended, wait

SIZE = "96m"
BLOCK = 1 << 16


def disk(bench: Bench) -> Row:
    """The data folder's disk fills in the middle of runs and stays full."""
    with tmpfs(bench.scratch / "disk") as folder:
        home = bench.home(at=folder)
        ballast = folder / "ballast"
        with home.watched():
            status, err = fill_and_wait(home, ballast)
            wrong = judged_full(home, status, err)
            ballast.unlink()
            failed = err.count("failed: ")
            last, _, said = ended(home.go("--retry-failed"))
        if last:
            wrong.append(f"with space again it ended with {last}: {said[-300:]}")
        seen = f"{failed} runs failed, each in one line, {len(wrong)} things wrong"
        return home.judge(bench.reference, "full disk", seen, *wrong)


def fill_and_wait(home: Home, ballast: Path) -> tuple[int, str]:
    """Fill the disk once a run is done; status and stderr of the sweep."""
    sweep = home.go()
    wait(lambda: home.seals and home.trainers() or sweep.poll() is not None, "a run")
    home.note_cut(*(c.run_id for c in home.sweep.configs))  # each may fail once
    home.cut_at.clear()  # they go on when there is space
    while sweep.poll() is None:
        fill(ballast)
        time.sleep(0.02)
    status, _, err = ended(sweep)
    return status, err


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


def judged_full(home: Home, status: int, err: str) -> list[str]:
    """What is not as it should be after a sweep on a full disk."""
    wrong = [] if status == 1 else [f"ended with {status}"]
    standing = home.sweep.standing(verify=True)
    for config, state, reason in standing:
        lines = [
            x for x in err.splitlines() if x.startswith(f"failed: {config.run_id}:")
        ]
        if state == "damaged":
            wrong.append(f"damaged: {reason}")
        elif state != "done" and len(lines) != 1:
            wrong.append(f"{len(lines)} lines for {config.run_id}, which is {state}")
        elif state != "done" and " is full (" not in lines[0]:
            wrong.append(f"not a word of space: {lines[0][-200:]}")
    left = [p.name for p in home.folder.rglob("*.part")]
    wrong += [f"left behind: {', '.join(left)}"] if left else []
    return wrong + (["a traceback on stderr"] if "Traceback" in err else [])


@contextlib.contextmanager
def tmpfs(folder: Path) -> Iterator[Path]:
    """A small disk of its own, in memory.

    Raises:
        NotImplementedError: this process may not mount one.
    """
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise NotImplementedError("a tmpfs cannot be mounted here (root)") from None
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
