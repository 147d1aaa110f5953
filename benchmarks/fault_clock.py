"""Clocks that jump by hours while a sweep runs; a fault of benchmarks/faults.py."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime
from pathlib import Path

from fault_bench import Bench
from fault_homes import Home, Row, ended

# Loaded before the C library: the wall clock of a process is six hours early, right, or
# six hours late, another one every second, in each process at another moment. The
# monotonic clock and the times that the file system writes stay.
SHIM = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *found) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(clock, found);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        struct timespec steady;
        real(CLOCK_MONOTONIC, &steady);
        found->tv_sec += ((steady.tv_sec + getpid()) % 3 - 1) * 6 * 3600;
    }
    return status;
}

time_t time(time_t *found) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found) *found = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    found->tv_sec = now.tv_sec;
    found->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""
LEAST_HOURS = 5  # apart, or the clock did not jump


def clock(bench: Bench) -> Row:
    """The wall clock of every process jumps by hours; each run has a time limit."""
    home = bench.home()
    home.environment = {"LD_PRELOAD": str(shim(bench.scratch))}
    with home.watched():
        status, _, err = ended(home.go("--timeout", "120"))
    apart = hours_apart(home)
    wrong = [f"ended with {status}: {err[-300:]}"] if status else []
    wrong += ["the clock did not jump"] if apart < LEAST_HOURS else []
    seen = f"starts of the runs by their own clocks up to {apart:.0f} h apart"
    return home.judge(bench.reference, "clocks that jump by hours", seen, *wrong)


def shim(folder: Path) -> Path:
    """The library, compiled.

    Raises:
        NotImplementedError: there is no C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NotImplementedError("no C compiler here")
    source, library = folder / "shim.c", folder / "shim.so"
    source.write_text(SHIM)
    command = [compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"]
    subprocess.run(command, check=True)
    return library


def hours_apart(home: Home) -> float:
    """Between the first and the last start of a run, by their processes' clocks."""
    sessions = [home.sessions(config.run_id) for config in home.sweep.configs]
    starts = [datetime.fromisoformat(s["started"]) for found in sessions for s in found]
    return (max(starts) - min(starts)).total_seconds() / 3600
