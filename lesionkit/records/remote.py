"""Whole run records to and from a URL, so that machines without a common disk share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from lesionkit.config import RunConfig, data_folder
from lesionkit.records import runs
from lesionkit.records.files import write_bytes
from lesionkit.records.mirror import SMALL, Listing, Seal, finished, mirror, read_seal
from lesionkit.records.record import RunRecord, problems
from lesionkit.records.stores import Store, at_once, open_store

WEIGHTS = "best.safetensors"
PUSHES = 4  # records at once, beside a sweep that trains


class AnotherRecord(ValueError):
    """The URL has a finished record of this run that is not the one here.

    Attributes:
        equal: whether both have the same metrics.json.
    """

    def __init__(self, url: str, there: Seal, here: Seal) -> None:
        super().__init__(
            f"{url} holds another finished record of this run; keep it, or push with"
            " replace=True"
        )
        self.equal = there.get("metrics.json") == here.get("metrics.json")


def push(
    folder: str | Path, url: str, *, weights: bool = True, replace: bool = False
) -> bool:
    """Copy a finished record to its place below a URL, DONE last.

    Its place is <url>/<run_id>/. Until DONE is there nobody takes it for finished.

    Args:
        folder: of the record.
        url: below which the records are, such as s3://bucket/runs.
        weights: whether the weights are copied; if not, the seal there names none.
        replace: whether another finished record of the run may be replaced.

    Returns:
        Whether anything was copied; False if it was there.

    Raises:
        AnotherRecord: one with another DONE is there; the text names it.
        ValueError: the folder holds no finished record, or a damaged one.
        PermissionError, OSError: the URL cannot be read or written.
    """
    folder = Path(folder)
    if wrong := problems(folder):
        raise ValueError(f"{wrong[0]}; only a finished record is pushed")
    store = open_store(_below(url, RunRecord(folder).config["run_id"]))
    done = _to_push(folder, weights)
    seal = read_seal(done, folder)
    there = _seal_there(store)
    if there and _same(there, seal):
        if there.keys() >= seal.keys():
            return False
    elif there and not replace:
        raise AnotherRecord(store.url, there, seal)
    _clear(store, there.keys() - seal.keys())
    for name in seal:
        store.upload(folder / name, name)
    store.write("DONE", done)
    return True


def _below(url: str, run_id: str) -> str:
    """The URL of a run's record below that of all records."""
    return f"{url.rstrip('/') if not url.endswith('://') else url}/{run_id}"


def _to_push(folder: Path, weights: bool) -> bytes:
    """The content of DONE, without the weights if they are not copied."""
    done = (folder / "DONE").read_bytes()
    content = json.loads(done)
    if weights or content["files"].pop(WEIGHTS, None) is None:
        return done
    return (json.dumps(content, indent=2) + "\n").encode()


def _seal_there(store: Store) -> Seal:
    """The seal of the record at a URL; empty if it has none that can be read."""
    done = store.read_if_there("DONE")
    try:
        return read_seal(done, store.url) if done is not None else {}
    except ValueError:  # a push that was cut off in its last file
        return {}


def _same(there: Seal, here: Seal) -> bool:
    """Whether two seals are of one record, perhaps without its weights."""
    differ = {n for n in {*there, *here} if there.get(n) != here.get(n)}
    either = WEIGHTS not in there or WEIGHTS not in here
    return not differ or (differ == {WEIGHTS} and either)


def _clear(store: Store, names: Iterable[str]) -> None:
    """Make the folder, without DONE, so that what is copied now is not finished yet."""
    store.make()
    for name in ("DONE", *names):
        store.remove(name)


def pull(url: str, run_ids: Container[str] | None = None) -> list[Path]:
    """Copy finished records from a URL to data/runs, every file checked, DONE last.

    A record that is finished here already is left as it is.

    Args:
        url: below which the records are, such as s3://bucket/runs.
        run_ids: which of them, by their names below the URL; None: all.

    Returns:
        The folders of the records that were copied.

    Raises:
        FileNotFoundError, PermissionError, OSError: the URL cannot be read.
        ValueError: a record is not what its seal says, or another run is in its place.
        BlockingIOError: a process is training such a run here.
    """
    store = open_store(url)
    listing = store.listing()
    names = finished(listing)
    if run_ids is not None:
        names = [name for name in names if name in run_ids]
    brought = at_once(lambda name: _bring(store, name, listing), names)
    return [folder for folder in brought if folder is not None]


def _bring(store: Store, name: str, listing: Listing) -> Path | None:
    """Copy one record to its place in data/runs, unless it is finished there."""
    if runs.is_done(data_folder() / "runs" / name):
        return None
    record = RunRecord(mirror(store, name, listing))
    folder = _place(record)
    if runs.is_done(folder):
        return None
    done = (record.folder / "DONE").read_bytes()
    files = [record.file(file) for file in read_seal(done, store.at(name))]
    folder.mkdir(parents=True, exist_ok=True)
    with runs.claim(folder):
        if runs.is_done(folder):  # another process ended it while the files came
            return None
        if (folder / "DONE").is_file():
            wrong = problems(folder, hashes=False)
            raise ValueError(f"{wrong[0]}; move {folder} away")
        for file in files:
            _copy(file, folder / file.name)
        write_bytes(folder / "DONE", done)
        runs.drop_states(folder)
    return folder


def _copy(file: Path, target: Path) -> None:
    """A small file is copied whole or not at all; a large one leaves the cache."""
    if file.name in SMALL:
        write_bytes(target, file.read_bytes())
    else:
        shutil.move(file, target)


def _place(record: RunRecord) -> Path:
    """Where a record belongs in data/runs.

    Raises:
        ValueError: its run_id is no place there, or another run is in it.
    """
    run_id = str(record.config["run_id"])
    parts = PurePosixPath(run_id).parts
    if len(parts) != 6 or ".." in parts or run_id.startswith("/") or "\\" in run_id:
        raise ValueError(f"{record.folder} has no run_id of this kit: {run_id!r}")
    folder = data_folder() / "runs" / run_id
    if (folder / "config.json").is_file():
        here = RunRecord(folder).identity
        if here != record.identity:
            raise ValueError(f"{folder} holds another run; move it away")
    return folder


def there(url: str) -> set[str]:
    """The runs that have a finished record at a URL, by run_id."""
    try:
        return set(finished(open_store(url).listing()))
    except FileNotFoundError:  # nobody has pushed one yet
        return set()


@contextmanager
def shared(
    configs: Sequence[RunConfig], url: str, report: Callable[[str], None]
) -> Iterator[Callable[[RunConfig], object]]:
    """Take what others finished of these runs, and give what is finished here.

    The block gets a function to call with each run that it finishes. Records are given
    beside it, in threads; the end of the block waits for them. One that cannot be
    given is told in one line and given the next time.

    Raises:
        PermissionError, OSError, ValueError: the URL cannot be used at all.
    """
    done_there = _take(url, configs, report)

    def give(config: RunConfig) -> None:
        _give(config.folder, url, report)

    with ThreadPoolExecutor(PUSHES) as pool:
        try:
            for config in configs:
                if config.run_id not in done_there and runs.is_done(config.folder):
                    pool.submit(give, config)
            yield lambda config: pool.submit(give, config)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _take(
    url: str, configs: Sequence[RunConfig], report: Callable[[str], None]
) -> set[str]:
    """Pull the runs that are finished there and not here; what is finished there."""
    store = open_store(url)
    store.make()
    listing = store.listing()
    done = set(finished(listing))
    wanted = [config.run_id for config in configs if config.run_id in done]

    def take(run_id: str) -> bool:
        try:
            return _bring(store, run_id, listing) is not None
        except (ValueError, BlockingIOError) as error:  # of this one record
            report(f"not taken: {run_id}: {error}")
            return False

    taken = sum(at_once(take, wanted))
    if taken:
        report(f"{taken} finished runs taken from {url}")
    return done


def _give(folder: Path, url: str, report: Callable[[str], None]) -> None:
    """Push a record; what goes wrong is told and stops nothing."""
    try:
        push(folder, url)
    except AnotherRecord as error:
        if not error.equal:  # two machines trained it, to the same end
            report(f"not given: {error}; its metrics.json is not the one here")
    except Exception as error:  # noqa: BLE001 - a sweep outlives its network
        report(f"not given: {error}; the next sweep tries again")
