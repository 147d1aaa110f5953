"""The data folder, what is in it, and whether the disk does what the kit needs."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from lesionkit.config import data_folder
from lesionkit.doctor.section import Section
from lesionkit.extras import in_checkout
from lesionkit.lookup import one_line
from lesionkit.prepared import Prepared, open_prepared, size_options
from lesionkit.records import runs

MIB, GIB = 1 << 20, 1 << 30
DEMO_BYTES = 200 * MIB  # what the demo writes, and room for its states
ROOM_BYTES = 2 * GIB
DAY_SECONDS = 24 * 3600
NAMED = 3  # of many, as many are named
NETWORK = (
    *("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "afs", "9p"),
    *("fuse.sshfs", "fuse.rclone", "fuse.s3fs", "glusterfs", "panfs"),
)
ELSEWHERE = "export LESIONKIT_DATA=DIR, a folder that can be written"


def folder(section: Section) -> None:
    """Where the data folder is, and why there."""
    named, found = os.environ.get("LESIONKIT_DATA"), data_folder()
    why = "the checkout's" if in_checkout() else "of the working directory"
    section.facts["folder"] = f"{found} ({'LESIONKIT_DATA' if named else why})"
    barrier = next(p for p in (found, *found.parents) if p.exists())
    if not barrier.is_dir():
        section.stops(
            f"the data folder {found} cannot be: {barrier} is a file;"
            f" {'mend' if named else 'set'} LESIONKIT_DATA"
        )
    elif named and not found.exists():
        section.warn(
            f"LESIONKIT_DATA names {found}, which is not there: it will be made, empty;"
            " mend it if that is a mistake"
        )
    if named and not Path(named).expanduser().is_absolute():
        section.warn(
            f"LESIONKIT_DATA={named} is another folder in every working directory:"
            f" export LESIONKIT_DATA={found}"
        )


def raw_sets(section: Section) -> None:
    """The data sets whose raw files are here."""
    names = []
    for path in _folders(data_folder() / "raw"):
        filled = any(p.name[0] != "." for p in path.iterdir())
        names.append(path.name if filled else f"{path.name} (empty)")
    section.facts["raw"] = ", ".join(names) or "none"


def prepared_sets(section: Section) -> None:
    """The prepared sets and their sizes; each has the files its manifest states."""
    sizes: dict[str, list[str]] = {}
    for path in _folders(data_folder() / "prepared"):
        for made in _folders(path):
            size, _, resize = made.name.partition("-")
            if not size.isdecimal():
                continue
            sizes.setdefault(path.name, []).append(made.name)
            try:
                data = open_prepared(path.name, int(size), resize=resize or "bilinear")
                wrong = _lacking(data)
            except Exception as error:  # noqa: BLE001 - whatever a damaged file gives
                wrong = one_line(error)
            if wrong:
                options = size_options(size, resize or "bilinear")
                section.warn(
                    f"{made} is damaged ({wrong[:200]}): lesionkit prepare"
                    f" {path.name} {options} --force"
                )
    shown = [f"{name} at {', '.join(found)}" for name, found in sizes.items()]
    section.facts["prepared"] = "; ".join(shown) or "none"


def _lacking(data: Prepared) -> str:
    """What a prepared form lacks by its manifest, hashes left out; "" for nothing."""
    count = data.manifest["count"]
    for name in data.manifest["sha256"]:
        if not (data.folder / name).is_file():
            return f"{name} is missing"
    parts = {
        "images.npy": data.images,
        "masks.npy": data.masks,
        "index.csv": data.index,
    }
    for name, part in parts.items():
        if len(part) != count:
            return f"{name} has {len(part)} entries, not {count}"
    return ""


def records(section: Section) -> None:
    """The run records by state; what is damaged or failed."""
    root = data_folder() / "runs"
    found = [path.parent for path in sorted(root.rglob("config.json"))]
    states = {path: runs.state(path) for path in found}
    counts = Counter(states.values())
    told = ", ".join(f"{n} {state}" for state, n in sorted(counts.items()))
    section.facts["run records"] = told or "none"
    ways = {
        "damaged": "move them away, and the same command trains them again",
        "failed": "lesionkit status says why; the same command tries again",
    }
    for state, way in ways.items():
        paths = [path for path in found if states[path] == state]
        if paths:
            section.warn(f"{len(paths)} run records are {state} ({_few(paths)}): {way}")


def left_behind(section: Section) -> None:
    """What a process that was killed left in the data folder, a day ago or more."""
    root, before = data_folder(), time.time() - DAY_SECONDS
    inside = [p.relative_to(root) for p in root.rglob("*.part")]
    outermost = [p for p in inside if not any(q.suffix == ".part" for q in p.parents)]
    old = [root / p for p in outermost if _is_older(root / p, before)]
    section.facts["left behind"] = f"{len(old)} .part" if old else "nothing"
    if old:
        section.warn(
            f"{len(old)} unfinished .part files or folders, a day old or more"
            f" ({_few(old)}): fetch goes on with a download; delete the others"
        )


def _is_older(path: Path, moment: float) -> bool:
    """Whether it was last changed before that; not if it has just gone."""
    try:
        return path.stat().st_mtime < moment
    except OSError:
        return False


def disk(section: Section) -> None:
    """Free space, and whether files can be written, renamed and locked."""
    place = next(p for p in (data_folder(), *data_folder().parents) if p.is_dir())
    free, kind = shutil.disk_usage(place).free, file_system(place)
    section.facts["data disk"] = f"{free / GIB:.1f} GiB free, {kind}"
    if free < DEMO_BYTES:
        section.stops(
            f"{free / MIB:.0f} MiB are free in {place}, the demo wants"
            f" {DEMO_BYTES // MIB}: make room, or {ELSEWHERE}"
        )
    elif free < ROOM_BYTES:
        section.warn(f"{free / GIB:.1f} GiB are free in {place}: make room soon")
    if kind.startswith(NETWORK):
        section.warn(
            f"{place} is on a network disk ({kind}): many small files are slow there,"
            " and two machines must not train the same run; a local disk is better"
        )
    refused = _refused(place)
    section.facts["write, rename, lock"] = "see below" if refused else "all work"
    if refused:
        section.stops(refused)


def _refused(place: Path) -> str:
    """What the kit does in a folder and the disk refuses; "" if all works."""
    doing, way = "written", ELSEWHERE
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix=".lesionkit-") as trial:
            one, two = Path(trial) / "one", Path(trial) / "two"
            one.write_bytes(b"1")
            two.write_bytes(b"2")
            doing = "renamed"
            one.replace(two)
            doing = "locked"
            way = f"every run would be refused; {ELSEWHERE} and lies on a local disk"
            _lock(two)
    except OSError as error:
        return f"{place}: no file can be {doing} ({error.strerror}): {way}"
    return ""


def _lock(path: Path) -> None:
    """Lock a file as a run does; nothing where the system has no such locks."""
    try:
        import fcntl
    except ImportError:
        return
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def temporary(section: Section) -> None:
    """The folder for temporary files."""
    try:
        place = Path(tempfile.gettempdir())
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
    except OSError as error:
        section.stops(
            f"no temporary file can be written ({error.strerror}): export TMPDIR=DIR"
        )
        return
    section.facts["temporary files"] = f"{place}, {free / GIB:.1f} GiB free"
    if free < DEMO_BYTES:
        section.warn(
            f"{free / MIB:.0f} MiB are free in {place}: make room, or export TMPDIR=DIR"
        )


def file_system(place: Path) -> str:
    """The kind of disk a folder is on, as the system names it."""
    import psutil

    found, deepest = "kind of disk not known", -1
    for disk in psutil.disk_partitions(all=True):
        where = Path(disk.mountpoint)
        # of two at one place, the later one lies on top
        if place.is_relative_to(where) and len(where.parts) >= deepest:
            found, deepest = disk.fstype, len(where.parts)
    return found


def _folders(root: Path) -> list[Path]:
    """The folders in a folder, hidden ones left out; none if it is not there."""
    if not root.is_dir():
        return []
    return [p for p in sorted(root.iterdir()) if p.is_dir() and p.name[0] != "."]


def _few(paths: list[Path]) -> str:
    """Some of them by name."""
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(map(str, paths[:NAMED])) + more
