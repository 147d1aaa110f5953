"""The data folder and what is in it, the disk, and the way to the network."""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from lesionkit.config import data_folder, named_folder
from lesionkit.doctor.section import Section, refused
from lesionkit.extras import in_checkout
from lesionkit.lookup import one_line
from lesionkit.prepared import open_prepared, size_options
from lesionkit.records import runs

MIB, GIB = 1 << 20, 1 << 30
DEMO_BYTES = 200 * MIB  # what the demo writes, and room for its states
ROOM_BYTES = 2 * GIB
DAY_SECONDS = 24 * 3600
NAMED = 3  # of many, as many are named
ELSEWHERE = "export LESIONKIT_DATA=DIR, a folder that can be written"

PROXIES = ("http", "https", "all")
PROXY_SECONDS = 2.0
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def folder(section: Section) -> None:
    """Where the data folder is, and why there."""
    try:
        named, found = named_folder(), data_folder()
    except ValueError as error:
        section.stops(str(error))
        return
    why = "the checkout's" if in_checkout() else "of the working directory"
    section.facts["folder"] = f"{found} ({'LESIONKIT_DATA' if named else why})"
    barrier = next(p for p in (found, *found.parents) if p.exists())
    if not barrier.is_dir():
        section.stops(
            f"the data folder {found} cannot be: {barrier} is a file; {ELSEWHERE}"
        )
    elif named and not found.exists():
        section.warn(
            f"LESIONKIT_DATA names {found}, which is not there: it will be made, empty;"
            " mend it if that is a mistake"
        )


def raw_sets(section: Section) -> None:
    """The data sets whose raw files are here."""
    names = []
    for path in sorted((data_folder() / "raw").glob("[!.]*/")):
        filled = any(p.name[0] != "." for p in path.iterdir())
        names.append(path.name if filled else f"{path.name} (empty)")
    section.facts["raw"] = ", ".join(names) or "none"


def prepared_sets(section: Section) -> None:
    """The prepared sets and their sizes; each holds what its manifest states."""
    sizes: dict[str, list[str]] = {}
    for made in sorted((data_folder() / "prepared").glob("[!.]*/[0-9]*/")):
        name, (size, _, resize) = made.parent.name, made.name.partition("-")
        resize = resize or "bilinear"
        sizes.setdefault(name, []).append(made.name)
        try:
            data = open_prepared(name, int(size), resize=resize)
            lengths = [len(part) for part in (data.images, data.masks, data.index)]
            count = data.manifest["count"]
            if lengths != [count] * 3:
                counted = f"images, masks and index have {lengths} entries"
                raise ValueError(f"{counted}, not {count}")
        except Exception as error:  # noqa: BLE001 - whatever a damaged file gives
            wrong = one_line(error, longest=200)
            section.warn(
                f"{made} is damaged ({wrong}): lesionkit prepare"
                f" {name} {size_options(size, resize)} --force"
            )
    shown = [f"{name} at {', '.join(found)}" for name, found in sizes.items()]
    section.facts["prepared"] = "; ".join(shown) or "none"


def records(section: Section) -> None:
    """The run records by state; what is damaged or failed."""
    found: dict[str, list[Path]] = {}
    for path in sorted((data_folder() / "runs").rglob("config.json")):
        found.setdefault(runs.state(path.parent), []).append(path.parent)
    told = ", ".join(f"{len(paths)} {state}" for state, paths in sorted(found.items()))
    section.facts["run records"] = told or "none"
    if wrong := found.get("damaged", []) + found.get("failed", []):
        section.warn(
            f"{len(wrong)} run records are damaged or failed ({_few(wrong)}): lesionkit"
            " status says why; the same command trains a failed one again, and a"
            " damaged one after it was moved away"
        )


def left_behind(section: Section) -> None:
    """What a process that was killed left in the data folder, a day ago or more."""
    before = time.time() - DAY_SECONDS
    parts = sorted(data_folder().rglob("*.part"))
    old = [path for path in parts if path.stat().st_mtime < before]
    section.facts["left behind"] = f"{len(old)} .part" if old else "nothing"
    if old:
        section.warn(
            f"{len(old)} unfinished .part files or folders, a day old or more"
            f" ({_few(old)}): fetch goes on with a download; delete the others"
        )


def disk(section: Section) -> None:
    """Free space, and whether files can be written and renamed."""
    place = next(p for p in (data_folder(), *data_folder().parents) if p.is_dir())
    free = shutil.disk_usage(place).free
    section.facts["data disk"] = f"{free / GIB:.1f} GiB free"
    if wrong := refused(place):
        section.stops(f"{wrong}: {ELSEWHERE}")
    if free < DEMO_BYTES:
        section.stops(
            f"{free / MIB:.0f} MiB are free in {place}, the demo wants"
            f" {DEMO_BYTES // MIB}: make room, or {ELSEWHERE}"
        )
    elif free < ROOM_BYTES:
        section.warn(f"{free / GIB:.1f} GiB are free in {place}: make room soon")


def temporary(section: Section) -> None:
    """The folder for temporary files."""
    place = Path(tempfile.gettempdir())
    free = shutil.disk_usage(place).free
    section.facts["temporary files"] = f"{place}, {free / GIB:.1f} GiB free"
    if wrong := refused(place):
        section.stops(f"{wrong}: export TMPDIR=DIR")
    elif free < DEMO_BYTES:
        section.warn(
            f"{free / MIB:.0f} MiB are free in {place}: make room, or export TMPDIR=DIR"
        )


def proxies(section: Section) -> None:
    """The proxies that `fetch` goes through, and whether something answers there."""
    found = getproxies_environment()  # in small letters, or in capitals
    addresses = {found[name]: f"{name}_proxy" for name in PROXIES if name in found}
    if not addresses:
        section.facts["proxy"] = "none"
    for address, name in addresses.items():
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname, 0
        try:
            port = parts.port or PORTS[parts.scheme]
            if not host:
                raise ValueError("no host")
            # without the name and password before them
            section.facts[name] = f"{host}:{port}"
            socket.create_connection((host, port), timeout=PROXY_SECONDS).close()
        except (ValueError, KeyError):
            wrong = "not the address of a proxy, such as http://proxy.example:3128"
        except OSError as error:
            wrong = f"nothing answers at {host}:{port} ({error.strerror or error})"
        else:
            continue
        section.warn(
            f"{name}: {wrong}: fetch will not work; mend the variable, or unset it"
        )


def _few(paths: list[Path]) -> str:
    """Some of them by name."""
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(map(str, paths[:NAMED])) + more
