"""A file to download, where it goes, and a download that broke off."""

import random

import pytest

from lesionkit.datasets.fetching import downloading
from lesionkit.datasets.fetching.downloading import DownloadError, download

PIECE = 20 * downloading.BLOCK
CONTENT = b"PK\x03\x04" + random.Random(7).randbytes(43 * downloading.BLOCK - 4)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """The pauses that were made, none of which took time."""
    pauses = []
    monkeypatch.setattr(downloading.time, "sleep", pauses.append)
    return pauses


@pytest.fixture
def target(tmp_path):
    """Where the file goes."""
    return tmp_path / "a.zip"


def half_done(server, target, page):
    """A part of 300,000 bytes of the page, all that remains of a download."""
    page.breaks = [PIECE] + [0] * downloading.TRIES
    url = server.serve("/a.zip", page)
    with pytest.raises(DownloadError):
        download([url], target)
    page.breaks = []
    server.asked.clear()
    return url
