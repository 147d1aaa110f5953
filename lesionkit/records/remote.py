"""Whole run records to and from a URL, so that machines without a common disk share."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from lesionkit.config import RunConfig, data_folder
from lesionkit.records import runs
from lesionkit.records.files import write_bytes
from lesionkit.records.runs import RunRecord, problems
from lesionkit.records.stores import Store, at_once, finished, open_store, read_seal

PUSHES = 4  # records at once, beside a sweep that trains


def push(folder: str | Path, url: str, *, replace: bool = False) -> bool:
    """Copy a finished record to its place below a URL, DONE last.

    Its place is <url>/<run_id>/. Until DONE is there nobody takes it for finished. A
    finished record of the run that is there, with the same metrics.json, stays.

    Args:
        folder: of the record.
        url: below which the records are, such as s3://bucket/runs.
        replace: whether whatever is there is replaced.

    Returns:
        Whether anything was copied; False if it was there.

    Raises:
        ValueError: the folder holds no finished record, or a damaged one; or one with
            other metrics is there.
        PermissionError, OSError: the URL cannot be read or written.
    """
    folder = Path(folder)
    if wrong := problems(folder):
        raise ValueError(f"{wrong[0]}; only a finished record is pushed")
    store, run_id = open_store(url), RunRecord(folder).config["run_id"]
    seal, there = read_seal((folder / "DONE").read_bytes(), folder), {}
    with suppress(FileNotFoundError, ValueError):  # none, or a push cut off in its DONE
        there = store.seal(run_id)[1]
    if there and not replace:
        if there.get("metrics.json") == seal.get("metrics.json"):
            return False
        raise ValueError(
            f"{store.at(run_id)} holds another finished record of this run: its"
            " metrics.json is not the one here; keep it, or push with replace=True"
        )
    store.put(folder, seal, run_id)
    return True


def pull(
    url: str,
    run_ids: Container[str] | None = None,
    *,
    report: Callable[[str], None] | None = None,
) -> list[Path]:
    """Copy finished records from a URL to data/runs, every file checked, DONE last.

    A record that is finished here already is left as it is.

    Args:
        url: below which the records are, such as s3://bucket/runs.
        run_ids: which of them, by their names below the URL; None: all.
        report: is told of a record that cannot be copied; None: that is an error.

    Returns:
        The folders of the records that were copied.

    Raises:
        FileNotFoundError, PermissionError, OSError: the URL cannot be read.
        ValueError: a record is not what its seal says, or another run is in its place.
        BlockingIOError: a process is training such a run here.
    """
    store = open_store(url)

    def bring(name: str) -> Path | None:
        try:
            return _bring(store, name)
        except (ValueError, BlockingIOError) as error:  # of this one record
            if report is None:
                raise
            report(f"not taken: {name}: {error}")
            return None

    names = finished(store.sizes())
    wanted = [name for name in names if run_ids is None or name in run_ids]
    return [folder for folder in at_once(bring, wanted) if folder is not None]


def _bring(store: Store, name: str) -> Path | None:
    """Copy one record to its place in data/runs, unless it is finished there."""
    if runs.is_done(data_folder() / "runs" / name):
        return None
    cache = data_folder() / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(".part", ".", cache) as temporary:
        done, seal = store.seal(name)
        store.get(name, seal, Path(temporary))
        folder = _place(RunRecord(Path(temporary)), store.at(name))
        folder.mkdir(parents=True, exist_ok=True)
        with runs.claim(folder):
            if runs.is_done(folder):  # another process may have ended it meanwhile
                return None
            if (folder / "DONE").is_file():
                wrong = problems(folder, hashes=False)
                raise ValueError(f"{wrong[0]}; move {folder} away")
            for file in seal:
                Path(temporary, file).replace(folder / file)
            write_bytes(folder / "DONE", done)
            runs.drop_states(folder)
    return folder


def _place(record: RunRecord, url: str) -> Path:
    """Where a record belongs in data/runs.

    Raises:
        ValueError: its run_id is no place there, or another run is in it.
    """
    run_id = str(record.config["run_id"])
    parts = PurePosixPath(run_id).parts
    if len(parts) != 6 or ".." in parts or run_id.startswith("/") or "\\" in run_id:
        raise ValueError(f"{url} has no run_id of this kit: {run_id!r}")
    folder = data_folder() / "runs" / run_id
    config = folder / "config.json"
    if config.is_file() and RunRecord(folder).identity != record.identity:
        raise ValueError(f"{folder} holds another run; move it away")
    return folder


def there(url: str) -> set[str]:
    """The runs that have a finished record at a URL, by run_id."""
    try:
        return set(finished(open_store(url).sizes()))
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
    open_store(url).make()
    done_there = there(url)
    taken = pull(url, {config.run_id for config in configs}, report=report)
    if taken:
        report(f"{len(taken)} finished runs taken from {url}")

    def give(config: RunConfig) -> None:
        try:
            push(config.folder, url)
        except Exception as error:  # noqa: BLE001 - a sweep outlives its network
            report(f"not given: {error}; the next sweep tries again")

    with ThreadPoolExecutor(PUSHES) as pool:
        try:
            for config in configs:
                if config.run_id not in done_there and runs.is_done(config.folder):
                    pool.submit(give, config)
            yield lambda config: pool.submit(give, config)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
