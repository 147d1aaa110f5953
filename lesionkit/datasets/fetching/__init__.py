"""A data set from its publisher to its raw folder, or how to get it by hand."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lesionkit import lookup
from lesionkit.catalogue import DATASETS
from lesionkit.catalogue.publishers import PUBLISHERS, Archive, Publisher
from lesionkit.config import data_folder, prepared_from, prepared_names
from lesionkit.datasets.fetching.archives import SILENT, BadArchive, in_bytes, unpack
from lesionkit.datasets.fetching.downloading import DownloadError, download
from lesionkit.records import files
from lesionkit.records.disks import refusals_told
from lesionkit.records.locks import alone

HASHES = ".lesionkit-hashes.json"  # in a raw folder: facts of each file, by its name


def raw_folder(name: str) -> Path:
    """Where the files of a data set or table lie as their publisher has them."""
    return data_folder() / "raw" / name


@dataclass(frozen=True)
class Fetched:
    """What is in a raw folder now."""

    name: str
    folder: Path
    found: int | None  # images with masks; None for what is no data set
    published: int | None
    downloaded: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """One call of `fetch`."""

    name: str
    publisher: Publisher
    raw: Path
    report: Callable[[str], None]
    progress: Callable

    @property
    def dataset(self) -> str:
        """Which data set reads the raw folder; empty for a table."""
        return self.publisher.dataset or (self.name if self.name in DATASETS else "")

    def samples(self) -> list:
        """The images with masks that the data set's adapter finds."""
        return lookup.resolve(DATASETS[self.dataset].target)(self.raw)

    def holds_samples(self) -> bool:
        """Whether the raw folder holds the data set, all of it or a part."""
        try:
            return bool(self.dataset and self.samples())
        except FileNotFoundError:
            return False


def fetch(
    name: str,
    *,
    publisher: Publisher | None = None,
    agree: Callable[[], None] = lambda: None,
    report: Callable[[str], None] = print,
    progress: Callable = SILENT,
) -> Fetched:
    """A data set in raw/<name> of the data folder, downloaded unless it is there.

    A download that was cut off goes on where it stopped. An archive is unpacked whole
    or not at all, and stays beside its folder: it may be deleted. What was put there
    by hand is left as it is, and counted in the same way.

    Args:
        name: one of PUBLISHERS.
        publisher: instead of the entry of that name.
        agree: called when the terms have been reported and before anything is
            downloaded; it raises if they are not agreed to.
        report: takes each line that is to be read.
        progress: makes a progress bar, tqdm for instance.

    Raises:
        FileNotFoundError: it has to be got by hand, and is not there yet; or a rar
            archive, and no program for it.
        ValueError: no such name; a file that is not the one it should be; an archive
            that is damaged or would do harm.
        OSError: the publisher cannot be reached, or the disk is full.
        RuntimeError: another process is fetching the same data set.
    """
    raw = raw_folder(name)
    if publisher is None and name in DATASETS and DATASETS[name].generated:
        report(f"{name} is made by the kit, next: lesionkit prepare {name}")
        return Fetched(name, raw, None, None, ())
    own = [known for known in prepared_names() if known not in DATASETS]
    if publisher is None and name not in PUBLISHERS and name in own:
        where = prepared_from(name) or raw_folder(name)
        report(f"{name} is a set of your own, its raw files are in {where}")
        report(f"next: lesionkit prepare {name}")
        return Fetched(name, where, None, None, ())
    known = PUBLISHERS | dict.fromkeys(own)
    publisher = publisher or lookup.find("data set", name, known)
    task = Task(name, publisher, raw, report, progress)
    with refusals_told(raw), _alone(task):
        missing = _missing(task)
        wanted = [archive for archive in missing if not _at_hand(task, archive)]
        by_hand = not publisher.archives and not task.holds_samples()
        if wanted or by_hand:
            _say_terms(task, wanted)
            if by_hand or not all(archive.urls for archive in wanted):
                raise FileNotFoundError(
                    f"{name} has to be got by hand and is not there yet: put its files"
                    f" in {raw} and run lesionkit fetch {name} again"
                )
            agree()
        for archive in missing:
            _obtain(task, archive)
        found, published = _count(task)
    return Fetched(name, raw, found, published, tuple(a.file for a in wanted))


@contextmanager
def _alone(task: Task) -> Iterator[None]:
    """Keep other processes out, and remove what a killed one left half unpacked."""
    task.raw.mkdir(parents=True, exist_ok=True)
    says = f"another process is fetching {task.name} into {task.raw}; wait for it"
    with alone(task.raw / ".lesionkit-fetch.lock", says):
        for left in task.raw.glob(".*.part"):
            left.unlink() if left.is_file() else shutil.rmtree(left)
        yield


def _missing(task: Task) -> list[Archive]:
    """The archives whose content is not there yet; none if somebody put it there."""
    archives = task.publisher.archives
    there = {a.file for a in archives if a.folder and (task.raw / a.folder).is_dir()}
    if not there and task.holds_samples():
        return []
    return [archive for archive in archives if archive.file not in there]


def _at_hand(task: Task, archive: Archive) -> bool:
    """Whether the file is there, or the same one beside another data set."""
    path = task.raw / archive.file
    if path.is_file():
        return True
    for other in sorted(task.raw.parent.glob(f"*/{archive.file}")):
        if archive.sha256 and files.sha256(other) == archive.sha256:
            shutil.copyfile(other, path)  # a half of a copy is found by its checksum
            task.report(f"{archive.file}: the same as in {other.parent}, taken from it")
            return True
    return False


def _say_terms(task: Task, wanted: list[Archive]) -> None:
    """What is to be known before a download, or instead of one."""
    publisher, report = task.publisher, task.report
    title = f": {DATASETS[task.dataset].title}" if task.dataset else ""
    report(f"{task.name}{title}, from {publisher.homepage}")
    report(f"terms: {publisher.terms}")
    for archive in wanted:
        size = in_bytes(archive.size) if archive.size else "size not known beforehand"
        report(f"file: {archive.file}, {size}")
        for url in archive.urls:
            report(f"  from {url}")
    if publisher.form:
        report(f"by hand: {publisher.form}")
    report(f"folder: {task.raw}")
    report(f"layout: {publisher.layout or DATASETS[task.dataset].layout}")


def _obtain(task: Task, archive: Archive) -> None:
    """One archive downloaded, verified, unpacked whole or not at all, and recorded."""
    path, target = task.raw / archive.file, task.raw / archive.folder
    try:
        if not path.is_file():
            download(archive.urls, path, progress=task.progress)
    except DownloadError as error:
        hint = f". By hand: {task.publisher.form}" if task.publisher.form else ""
        raise DownloadError(f"{error}{hint}") from None
    record = task.raw / HASHES
    known = _recorded(record)
    then = known.get(archive.file, {})
    facts = _verified(task, archive, then.get("sha256", ""))
    if archive.folder:
        try:
            with files.whole_folder(target) as folder:
                unpack(path, folder, part=archive.part, progress=task.progress)
        except BadArchive as error:
            if archive.sha256:  # it is the publisher's: another download is the same
                raise
            aside = _set_aside(path)
            raise BadArchive(f"{error}; not unpacked, kept as {aside}") from None
    if then != facts:
        files.write_json(record, known | {archive.file: facts})


def _count(task: Task) -> tuple[int | None, int | None]:
    """The images found and the publisher's count, both said; and what comes next."""
    if not task.dataset:
        task.report(f"next: lesionkit rank {task.publisher.table}")
        return None, None
    entry, found = DATASETS[task.dataset], len(task.samples())
    published = entry.published_count
    said = f"{task.name}: {found} images with masks in {task.raw}"
    if published is not None:
        same = "the same" if found == published else "not the same"
        said += f"; published: {published}, {same}"
    if entry.which:
        said += f"; which set: {lookup.resolve(entry.which)(task.raw)}"
    task.report(said)
    where = "" if task.dataset == task.name else f" --raw {shlex.quote(str(task.raw))}"
    task.report(f"next: lesionkit prepare {task.dataset}{where}")
    return found, published


def _verified(task: Task, archive: Archive, then: str) -> dict[str, object]:
    """The hash and size of a file that is the publisher's; any other is set aside.

    Where the publisher's SHA-256 is not known, it has to be that of the first
    download, `then`, if there was one; an MD5 that is known is checked as well.
    """
    path, why = task.raw / archive.file, ""
    found = files.sha256(path)
    with path.open("rb") as stream:
        md5 = hashlib.file_digest(stream, "md5").hexdigest() if archive.md5 else ""
    if archive.sha256 and found != archive.sha256:
        why = f"SHA-256 {found}, not {archive.sha256}"
    elif archive.md5 and md5 != archive.md5:
        why = f"MD5 {md5}, not {archive.md5}"
    elif not archive.sha256 and then and found != then:
        why = (
            f"SHA-256 {found}, not the {then} of the first download (delete {HASHES} if"
            " the publisher has a new version)"
        )
    if why:
        raise ValueError(
            f"{path.name} is not the file it should be: {why}; kept as"
            f" {_set_aside(path)}, and the next fetch downloads it again"
        )
    said = "the same as at the first download" if then else ""
    said = "checksum right" if archive.sha256 or archive.md5 else said
    new = f"no checksum is known; kept for next time: {found}"
    task.report(f"{path.name}: {said or new}")
    return {"sha256": found, "bytes": path.stat().st_size}


def _set_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.refused")
    return path.replace(aside)


def _recorded(record: Path) -> dict[str, dict]:
    """What was downloaded to a raw folder, by file name."""
    try:
        return dict(json.loads(record.read_text())) if record.is_file() else {}
    except (ValueError, TypeError):
        raise ValueError(
            f"{record} cannot be read: delete it to record the checksums anew"
        ) from None
