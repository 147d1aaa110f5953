"""Appends what a script measured to docs/measurements.md, with date, commit, hardware.

Used by the other scripts of this folder: `measurements.append(title, lines)`, and
`add(lines)` for rows that come one by one. `head`
and `row` make the tables, `put_between` puts one on another page.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from lesionkit.prepared.memory import memory

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "measurements.md"


def append(title: str, lines: list[str]) -> None:
    """Print the lines and put them at the end of the page, under a heading."""
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *arguments()])
    facts = (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit()}, {hardware()}, "
        f"Python {platform.python_version()}, torch {version('torch')}"
    )
    text = "\n".join(["", f"## {title}", "", f"{facts}; `{command}`", "", *lines, ""])
    with PAGE.open("a") as page:
        page.write(text)
    print(text)


def add(lines: list[str]) -> None:
    """Print lines and put them at the end of the page, below what `append` began."""
    text = "\n".join([*lines, ""])
    with PAGE.open("a") as page:
        page.write(text)
    print(text, end="", flush=True)


def row(cells: Iterable[str]) -> str:
    """A row of a table."""
    return "| " + " | ".join(cells) + " |"


def head(names: Sequence[str]) -> list[str]:
    """The names of a table's columns, and the line below them."""
    return [row(names), "|" + "---|" * len(names)]


def put_between(page: Path, name: str, lines: list[str]) -> None:
    """Lines in place of those between the marks of a name on a page."""
    begin, end = (f"<!-- {name}: {where} -->" for where in ("begin", "end"))
    before, rest = page.read_text().split(begin)
    _, after = rest.split(end)
    page.write_text(before + "\n".join([begin, *lines, end]) + after)


def arguments() -> list[str]:
    """The script's arguments, folders by their last part alone."""
    return [Path(a).name if os.sep in a else a for a in sys.argv[1:]]


def commit() -> str:
    """The commit that was measured; "dirty" where files were changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def hardware() -> str:
    """Processor, cores, memory, and the GPU where there is one."""
    import torch

    parts = [processor(), f"{os.cpu_count()} cores", f"load {os.getloadavg()[0]:.1f}"]
    parts.append(f"{memory().total / 2**30:.0f} GiB")
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name(0))
    return ", ".join(parts)


def processor() -> str:
    """The processor's own name where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        if names:
            return names[0].split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
