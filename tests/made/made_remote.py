"""Records behind a URL that only this process has, and all that is asked of it."""

from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from made_records import made_record

from lesionkit.config import RunConfig
from lesionkit.records import remote, stores

DICE, IOU = RunConfig(loss="dice"), RunConfig(loss="iou")
SMALL_AND_DONE = sorted([*stores.SMALL, "DONE"])
VERBS = ("cat_file", "get_file", "pipe_file", "put_file")


class Requests(list):
    """What is asked of the memory file system; `broken` says where it fails."""

    broken = staticmethod(lambda verb, path: False)

    def fail_at(self, verb, part):
        """Fail whenever this is asked of a path with this in it."""
        self.broken = lambda v, path: v == verb and part in path

    def names(self, *verbs):
        """The files that were asked for, by their last name, sorted."""
        return sorted(path.rpartition("/")[2] for v, path in self if v in verbs)

    def read(self):
        """The files that were downloaded."""
        return self.names("cat_file", "get_file")


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch):
    """Nothing is flushed to the disk: most of the time here would be that."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


@pytest.fixture
def bucket():
    """The URL of records that only this process has."""
    return f"memory://{uuid4().hex}/runs"


@pytest.fixture
def requests(monkeypatch):
    """Every file that is read from memory:// or written there from now on."""
    made = Requests()

    def watch(verb):
        plain = getattr(MemoryFileSystem, verb)
        place = 1 if verb == "put_file" else 0

        def watched(self, *args, **rest):
            made.append((verb, args[place]))
            if made.broken(verb, args[place]):
                raise ConnectionResetError("the network is\ndown")
            return plain(self, *args, **rest)

        monkeypatch.setattr(MemoryFileSystem, verb, watched)

    for verb in VERBS:
        watch(verb)
    return made


@pytest.fixture
def two(bucket):
    """The URL of two records, dice and iou, that are here too."""
    for config in (DICE, IOU):
        remote.push(made_record(config), bucket)
    return bucket


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """From now on this is another machine: its data folder is empty."""

    def move():
        monkeypatch.setenv("LESIONKIT_DATA", str(tmp_path / uuid4().hex))

    return move


def change(url, name, content):
    """Overwrite a file behind a URL."""
    with fsspec.open(f"{url}/{name}", "wb") as stream:
        stream.write(content)
