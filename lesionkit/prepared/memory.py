"""Memory that this process may still take: of the machine, and of its container."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path("/sys/fs/cgroup")  # where Linux shows its control groups
MINE = Path("/proc/self/cgroup")  # which of them this process is in
NO_LIMIT = 1 << 60  # what version 1 says where there is none is above


@dataclass(frozen=True)
class Memory:
    """Bytes, of the machine or of the smallest limit that a container sets.

    Attributes:
        total: what may be taken at all.
        free: what may be taken now, without any swap.
    """

    total: int
    free: int


def memory() -> Memory:
    """The memory of this machine, as far as a control group (cgroup) allows it.

    Of a group, pages of files that nobody has used for long count as free, because the
    system gives them back before it ends a process. Groups above count as well, with
    what all in them have taken.
    """
    machine = psutil.virtual_memory()
    total, free = machine.total, machine.available
    for limit, used in _limits():
        total = min(total, limit)
        free = min(free, max(0, limit - used))
    return Memory(total, min(free, total))


def _limits() -> Iterator[tuple[int, int]]:
    """Limit and use of each group that this process is in, both versions of cgroups."""
    lines: list[str] = []
    with suppress(OSError):  # no Linux
        lines = MINE.read_text().splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            kind = _V2
        elif "memory" in controllers.split(","):
            kind = _V1
        else:
            continue
        for folder in _folders(ROOT / kind.folder, path):
            if found := kind.read(folder):
                yield found


def _folders(root: Path, path: str) -> Iterator[Path]:
    """A group and those above it, up to the root.

    In a container the path may be that of the machine, and the group of the container
    stands at the root itself.
    """
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for count in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:count])


@dataclass(frozen=True)
class _Kind:
    """The names of one version's files."""

    folder: str
    limit: str
    used: str
    idle: str

    def read(self, folder: Path) -> tuple[int, int] | None:
        """Limit and use of a group; None where it has no limit."""
        try:
            limit = int((folder / self.limit).read_text())
            used = int((folder / self.used).read_text())
        except (OSError, ValueError):  # no such group, or "max"
            return None
        if limit >= NO_LIMIT:
            return None
        with suppress(OSError, ValueError):
            lines = (folder / "memory.stat").read_text().splitlines()
            used -= int(dict(line.split() for line in lines).get(self.idle, 0))
        return limit, used


_V2 = _Kind("", "memory.max", "memory.current", "inactive_file")
_V1 = _Kind(
    "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
)
