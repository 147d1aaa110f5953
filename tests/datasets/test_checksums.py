"""What was fetched is held to its checksum, or to that of the first time."""

import hashlib
import json

import pytest
from lying_server import server as server
from made_publisher import KVASIR, PAIRS, content_of, kvasir, zipped
from made_publisher import get as get
from made_publisher import lines as lines
from made_publisher import no_pauses as no_pauses


def test_a_wrong_checksum_is_refused_and_the_file_set_aside(server, get, data_home):
    publisher = kvasir(server, sha256="0" * 64)
    with pytest.raises(
        ValueError, match=f"SHA-256 .*, not {'0' * 64}; kept as .*, and"
    ):
        get("kvasir", publisher)
    raw = data_home / "raw" / "kvasir"
    assert content_of(raw) == {"kvasir-seg.zip.refused": KVASIR}
    right = hashlib.sha256(KVASIR).hexdigest()
    assert get("kvasir", kvasir(server, sha256=right)).found == 5


def test_a_wrong_md5_is_refused(server, get):
    with pytest.raises(ValueError, match="MD5 [0-9a-f]{32}, not 0000"):
        get("kvasir", kvasir(server, md5="0000"))


def test_without_a_known_checksum_the_first_one_is_held_to(
    server, get, lines, data_home
):
    publisher = kvasir(server)
    raw = get("kvasir", publisher).folder
    recorded = json.loads((raw / ".lesionkit-hashes.json").read_text())
    sha256 = hashlib.sha256(KVASIR).hexdigest()
    assert recorded["kvasir-seg.zip"] == {
        "sha256": sha256,
        "bytes": len(KVASIR),
    }
    assert (
        f"kvasir-seg.zip: no checksum is known; kept for next time: {sha256}" in lines
    )
    (raw / "kvasir-seg.zip").unlink()
    (raw / "Kvasir-SEG").rename(data_home / "elsewhere")
    other = zipped(PAIRS | {"Kvasir-SEG/note.txt": b"changed"})
    with pytest.raises(ValueError, match=f"not the {sha256} of the first download"):
        get("kvasir", kvasir(server, other))
    assert not (raw / "Kvasir-SEG").exists()
    publisher = kvasir(server)
    assert get("kvasir", publisher).downloaded == ("kvasir-seg.zip",)
    assert "kvasir-seg.zip: the same as at the first download" in lines


def test_another_file_of_the_same_name_is_not_taken(server, get, data_home):
    beside = data_home / "raw" / "other" / "kvasir-seg.zip"
    beside.parent.mkdir(parents=True)
    beside.write_bytes(zipped({"Kvasir-SEG/images/1.jpg": b"x"}))
    publisher = kvasir(server, sha256=hashlib.sha256(KVASIR).hexdigest())
    assert get("kvasir", publisher).downloaded == ("kvasir-seg.zip",)


def test_a_spoiled_record_is_named(server, get, data_home):
    raw = get("kvasir", kvasir(server)).folder
    (raw / ".lesionkit-hashes.json").write_text("{")
    (raw / "Kvasir-SEG").rename(data_home / "elsewhere")
    with pytest.raises(ValueError, match="hashes.json cannot be read: delete it"):
        get("kvasir", kvasir(server))
