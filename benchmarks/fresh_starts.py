"""Three fresh starts as a stranger makes them: uv, pip in a venv, a wheel elsewhere.

uv run python benchmarks/fresh_starts.py [uv] [pip] [wheel]

Each is a clone of what is committed, in an empty folder with empty caches and a Python
that has nothing but pip. The commands of the first two are taken from the README, word
for word; the wheel is built, installed and used outside the checkout. Printed are
seconds, gigabytes on disk (caches among them) and the test Dice of the run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import measurements

WHEEL = """\
uv build --quiet --out-dir ../wheel
cd .. && python -m venv there && . there/bin/activate && pip install --quiet wheel/*.whl
lesionkit doctor
lesionkit notebooks mine
papermill mine/03_train.ipynb out.ipynb -p loss ioufocal
lesionkit rank public-rerun
"""
DOCTOR = ("nothing is wrong", "warning: ", "stops: ")  # how its last lines begin
OURS = re.compile("LESIONKIT_|TORCH|UV_")
LESS = ("VIRTUAL_ENV", "PYTHONPATH", "OMP_NUM_THREADS")


def blocks(text: str, heading: str) -> list[str]:
    """The shell blocks of one section of a page."""
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.S)


def commands(readme: str) -> dict[str, list[str]]:
    """What is typed in each start, a line each."""
    by_uv, by_pip = blocks(readme, "Two commands")
    first = by_uv.splitlines()[0]
    training = first.split("uv run ")[1]
    return {
        "uv": [first],
        "pip": [*by_pip.splitlines(), training],
        "wheel": ["pip install --quiet uv", *WHEEL.splitlines()],
    }


def start(lines: list[str], home: Path) -> tuple[list[float], str]:
    """Type the lines in one shell of a fresh clone; the seconds of each, and the log.

    Raises:
        RuntimeError: a line ended with another status than 0.
    """
    venv.create(home / "bare", with_pip=True)
    clone = ["git", "clone", "--quiet", str(measurements.ROOT), str(home / "lesionkit")]
    subprocess.run(clone, check=True)
    script = "set -e\n" + "".join(f"{line}\necho @@ $(date +%s.%N)\n" for line in lines)
    began = time.time()
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=home / "lesionkit",
        env=fresh(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"ended with {done.returncode}: {done.stdout[-2000:]}")
    marks = [began, *map(float, re.findall(r"^@@ ([\d.]+)$", done.stdout, re.M))]
    return [b - a for a, b in zip(marks, marks[1:], strict=False)], done.stdout


def fresh(home: Path) -> dict[str, str]:
    """An environment with empty caches, in which python is the bare one."""
    kept = {k: v for k, v in os.environ.items() if k not in LESS and not OURS.match(k)}
    places = {
        "XDG_CACHE_HOME": str(home / "cache"),
        "UV_CACHE_DIR": str(home / "cache" / "uv"),
        "PIP_CACHE_DIR": str(home / "cache" / "pip"),
        # uv wants a Python that is no virtual environment
        "PATH": os.pathsep.join(
            [str(home / "bare/bin"), f"{sys.base_prefix}/bin", "/usr/bin", "/bin"]
        ),
    }
    return kept | places


def gigabytes(folder: Path) -> float:
    """What a folder takes, a file with several names once."""
    found = {s.st_ino: s.st_blocks for s in map(os.lstat, _files(folder))}
    return 512 * sum(found.values()) / 1e9


def _files(folder: Path) -> list[str]:
    """Every file below a folder."""
    return [os.path.join(at, n) for at, _, names in os.walk(folder) for n in names]


def dice(home: Path) -> float:
    """The test Dice of the one run below a folder.

    Raises:
        RuntimeError: not one finished run.
    """
    found = [p for p in home.rglob("metrics.json") if (p.parent / "DONE").exists()]
    if len(found) != 1:
        raise RuntimeError(f"expected one finished run, found {len(found)}")
    test = json.loads(found[0].read_text())["test"]
    return test["probability"]["image"]["dice"]


def row(name: str, lines: list[str]) -> list[str]:
    """One start, as lines of a list."""
    home = Path(tempfile.mkdtemp(prefix=f"fresh-{name}-"))
    try:
        seconds, log = start(lines, home)
        end = f"{sum(seconds):.0f} s, {gigabytes(home):.1f} GB, Dice {dice(home):.4f}"
        each = [f"  - `{x}`: {s:.0f} s" for x, s in zip(lines, seconds, strict=True)]
        said = [f"  - {x}" for x in log.splitlines() if x.startswith(DOCTOR)]
        return [f"- {name}: {end}", *each, *said]
    finally:
        shutil.rmtree(home)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("ways", nargs="*", help="uv, pip, wheel; all if none is given")
    given = parser.parse_args().ways
    typed = commands((measurements.ROOT / "README.md").read_text())
    if unknown := set(given) - set(typed):
        sys.exit(f"unknown start {min(unknown)!r}. One of: {', '.join(typed)}.")
    lines = [text for way in given or typed for text in row(way, typed[way])]
    measurements.append("Three fresh starts, caches and folders empty", lines)


if __name__ == "__main__":
    main()
