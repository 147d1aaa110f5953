"""Fetches that are killed go on, and no two fetch one data set at a time."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from lying_server import Page
from lying_server import server as server
from made_publisher import KVASIR, PAIRS, content_of, kvasir
from made_publisher import get as get
from made_publisher import lines as lines
from made_publisher import no_pauses as no_pauses

from lesionkit.catalogue.publishers import Archive, Publisher
from lesionkit.datasets import fetching
from lesionkit.datasets.fetching import fetch

ROOT = Path(__file__).parents[2]
FETCH = """
import sys
from lesionkit.catalogue.publishers import Archive, Publisher
from lesionkit.datasets.fetching import fetch
archive = Archive("kvasir-seg.zip", (sys.argv[1],), folder="Kvasir-SEG")
fetch("kvasir", publisher=Publisher("homepage", "terms", (archive,)))
"""


def started(server, data_home):
    """A fetch in a process of its own, which waits in the middle of its download."""
    page = server.pages["/kvasir-seg.zip"]
    page.wait_after = 300_000
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH, server.address + "/kvasir-seg.zip"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "LESIONKIT_DATA": str(data_home)},
        stdout=subprocess.DEVNULL,
    )
    assert page.waiting.wait(30)
    part = data_home / "raw" / "kvasir" / "kvasir-seg.zip.part"
    for _ in range(500):
        if part.is_file() and part.stat().st_size > 250_000:
            return process
        time.sleep(0.02)
    raise AssertionError("the part does not grow")


def test_a_killed_download_goes_on_and_gives_the_same_bytes(server, get, data_home):
    publisher = kvasir(server)
    process = started(server, data_home)
    process.send_signal(signal.SIGKILL)
    process.wait()
    size = (data_home / "raw" / "kvasir" / "kvasir-seg.zip.part").stat().st_size
    left = data_home / "raw" / "kvasir" / ".Kvasir-SEG.0badcafe.part"
    (left / "images").mkdir(parents=True)  # as a kill while unpacking leaves it
    fetched = get("kvasir", publisher)
    assert server.asked[-1] == ("/kvasir-seg.zip", f"bytes={size}-")
    assert content_of(fetched.folder) == PAIRS | {"kvasir-seg.zip": KVASIR}
    assert not left.exists()


@pytest.mark.slow
def test_a_second_fetch_at_the_same_time_is_refused(server, get, data_home):
    publisher = kvasir(server)
    process = started(server, data_home)
    with pytest.raises(RuntimeError, match="another process is fetching kvasir into"):
        get("kvasir", publisher)
    server.pages["/kvasir-seg.zip"].let_go.set()
    assert process.wait(30) == 0
    assert get("kvasir", publisher).downloaded == ()


def test_being_killed_while_unpacking_leaves_no_half_of_a_folder(
    server, get, monkeypatch
):
    publisher = kvasir(server)

    def half(path, folder, **how):
        (folder / "images").mkdir()
        (folder / "images" / "0.jpg").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fetching, "unpack", half)
        with pytest.raises(KeyboardInterrupt):
            get("kvasir", publisher)
    raw = fetching.data_folder() / "raw" / "kvasir"
    assert content_of(raw) == {"kvasir-seg.zip": KVASIR}
    assert get("kvasir", publisher).found == 5


def test_two_threads_may_fetch_two_data_sets(server, data_home):
    url = server.serve("/kvasir-seg.zip", Page(KVASIR))
    archive = Archive("kvasir-seg.zip", (url,), folder="Kvasir-SEG")
    publisher = Publisher("homepage", "terms", (archive,), dataset="kvasir")
    threads = [
        threading.Thread(
            target=fetch,
            args=(name,),
            kwargs={"publisher": publisher, "report": lambda line: None},
        )
        for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for name in ("one", "two"):
        assert (data_home / "raw" / name / "Kvasir-SEG" / "images" / "0.jpg").is_file()
