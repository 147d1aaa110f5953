"""A publisher of five pairs of Kvasir-SEG on loopback, and what a fetch leaves."""

import io
import random
import zipfile

import pytest
from lying_server import Page

from lesionkit.catalogue.publishers import Archive, Publisher
from lesionkit.datasets.fetching import downloading, fetch

NOISE = random.Random(3)
PAIRS = {
    f"Kvasir-SEG/{kind}/{i}.jpg": NOISE.randbytes(40_000)
    for kind in ("images", "masks")
    for i in range(5)
}


def zipped(members):
    """A zip of names and contents, as bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


KVASIR = zipped(PAIRS)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Tries follow one another at once."""
    monkeypatch.setattr(downloading, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def lines():
    """What was reported."""
    return []


@pytest.fixture
def get(lines):
    """Fetches with a publisher; the lines go to `lines`."""

    def call(name, publisher, **how):
        return fetch(name, publisher=publisher, report=lines.append, **how)

    return call


def kvasir(server, content=KVASIR, **known):
    """Kvasir-SEG of five pairs on the server."""
    url = server.serve("/kvasir-seg.zip", Page(content))
    archive = Archive("kvasir-seg.zip", (url,), folder="Kvasir-SEG", **known)
    return Publisher("homepage", "research only", (archive,))


def content_of(raw):
    """Every visible file below a raw folder with its content."""
    found = [p for p in sorted(raw.rglob("*")) if p.is_file()]
    return {
        p.relative_to(raw).as_posix(): p.read_bytes()
        for p in found
        if not p.name.startswith(".")
    }
