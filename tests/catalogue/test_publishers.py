"""The publishers of the catalogue say what a fetch needs."""

import pytest

from lesionkit.catalogue import DATASETS
from lesionkit.catalogue.publishers import PUBLISHERS


@pytest.mark.parametrize("name", PUBLISHERS)
def test_every_publisher_says_what_is_needed(name):
    entry = PUBLISHERS[name]
    assert entry.homepage
    assert entry.terms
    assert entry.form or all(archive.urls for archive in entry.archives)
    assert entry.archives or entry.form
    assert entry.layout or (entry.dataset or name) in DATASETS
    for archive in entry.archives:
        assert all(url.startswith("https://") for url in archive.urls)
        assert len(archive.sha256 or "0" * 64) == 64
        assert len(archive.md5 or "0" * 32) == 32


def test_every_data_set_that_is_not_drawn_has_its_publisher():
    real = {n for n, e in DATASETS.items() if not e.generated and n != "folder"}
    assert real <= set(PUBLISHERS)
