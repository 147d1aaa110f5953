"""Run records behind a URL are read once, and refused if they were changed."""

import fsspec
import pandas as pd
import pytest
from made_records import made_record
from made_remote import DICE, IOU, SMALL_AND_DONE, Requests, change
from made_remote import bucket as bucket
from made_remote import no_power_cut as no_power_cut
from made_remote import requests as requests
from made_remote import two as two

from lesionkit.config import data_folder
from lesionkit.records import remote, stores
from lesionkit.records.runs import RunRecord
from lesionkit.tables import comparable_records, load_table, with_background


def without_place(table):
    """A table without the column that says where each record lies."""
    return table.drop(columns="folder")


def test_a_table_from_a_url_is_the_table_of_the_folder(bucket):
    made_record(DICE, 0.9)
    made_record(IOU, 0.7)
    here = load_table(data_folder() / "runs")
    for folder in here["folder"]:
        remote.push(folder, bucket)
    there = load_table(bucket + "/")
    pd.testing.assert_frame_equal(without_place(here), without_place(there))
    shares = [with_background(t)["raw_mean_background"] for t in (here, there)]
    pd.testing.assert_series_equal(*shares)


def test_a_table_reads_small_files_and_reads_them_once(two, requests):
    load_table(two)
    assert requests.read() == sorted([*stores.SMALL, "DONE"] * 2)
    requests.clear()
    load_table(two)
    assert requests.read() == ["DONE", "DONE"]


def test_a_part_of_the_records_shares_what_was_read_of_all(two, requests):
    load_table(two)
    requests.clear()
    assert list(load_table(f"{two}/demo/toy/unet/iou")["loss"]) == ["iou"]
    assert list(load_table(f"{two}/{DICE.run_id}")["loss"]) == ["dice"]
    assert requests.read() == ["DONE", "DONE"]


@pytest.mark.parametrize("name", ["history.csv", "DONE", ".origin"])
def test_what_a_power_cut_left_in_the_cache_is_read_again(two, requests, name):
    folder = comparable_records(load_table(two))["dice"].folder
    (folder / name).write_bytes(b"")
    requests.clear()
    load_table(two)
    assert requests.read() == sorted([*SMALL_AND_DONE, "DONE"])


def test_a_record_that_was_replaced_is_read_again_alone(two, requests):
    load_table(two)
    folder = made_record(DICE, 0.875)
    remote.push(folder, two, replace=True)
    requests.clear()
    assert list(load_table(two)["dice"]) == [0.875, 0.75]
    assert requests.read() == sorted([*SMALL_AND_DONE, "DONE"])


def test_arrays_are_read_when_asked_for_and_once(two, requests):
    records = comparable_records(load_table(two))
    requests.clear()
    for _ in range(2):
        assert records["dice"].arrays("logits")["logits"].shape == (4, 32, 32)
    assert requests.read() == ["logits.npz"]
    with pytest.raises(FileNotFoundError, match=r"best\.safetensors"):
        records["dice"].file("best.safetensors").read_bytes()


def test_arrays_that_were_changed_there_are_refused_and_not_kept(two):
    record = comparable_records(load_table(two))["dice"]
    change(two, f"{DICE.run_id}/curves.npz", b"x")
    with pytest.raises(ValueError, match=r"dice/.*/curves\.npz is 1 bytes, not"):
        record.arrays("curves")
    assert not (record.folder / "curves.npz").exists()
    assert list(record.folder.glob("*.part")) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda old: old.replace(b"0.75", b"0.95"), "was changed after the run ended"),
        (lambda old: old[:-1], "bytes, not"),
    ],
)
def test_a_file_that_does_not_match_its_seal_is_refused_by_name(two, content, message):
    old = (DICE.folder / "metrics.json").read_bytes()
    change(two, f"{DICE.run_id}/metrics.json", content(old))
    with pytest.raises(ValueError, match=rf"{DICE.run_id}/metrics\.json .*{message}"):
        load_table(two)


def test_a_file_that_was_lost_there_is_told_even_if_it_is_kept_here(two):
    load_table(two)
    path = f"{two}/{DICE.run_id}/logits.npz"
    fsspec.filesystem("memory").rm(path)
    with pytest.raises(ValueError, match=rf"{path} is missing; move"):
        load_table(two)


@pytest.mark.parametrize(
    "done",
    [
        b"",
        b"[]",
        b'{"files": {"a": 1}}',
        b'{"files": {"../../x": {"bytes": 1, "sha256": ""}}}',
        b'{"files": {".origin": {"bytes": 1, "sha256": ""}}}',
    ],
)
def test_a_done_that_is_no_seal_is_refused_by_name(two, done):
    change(two, f"{DICE.run_id}/DONE", done)
    with pytest.raises(ValueError, match=f"{DICE.run_id}/DONE is not the seal"):
        load_table(two)


def test_a_record_that_was_half_read_is_not_taken_for_one(two, requests):
    requests.fail_at("get_file", "iou/A-gamma2/repeat0/history.csv")
    with pytest.raises(OSError, match="cannot be read: the network is down$"):
        load_table(two)
    kept = list((data_folder() / "cache" / "records").iterdir())
    assert {RunRecord(folder).config["identity"]["loss"] for folder in kept} <= {"dice"}
    requests.broken = Requests.broken
    assert list(load_table(two)["loss"]) == ["dice", "iou"]


def test_arrays_that_were_half_read_are_read_again(two, requests, monkeypatch):
    record = comparable_records(load_table(two))["dice"]

    def cut_off(self, record, seal, folder):
        (folder / "curves.npz").write_bytes(b"half")
        raise OSError("the network is down")

    with monkeypatch.context() as patch:
        patch.setattr(stores.Store, "get", cut_off)
        with pytest.raises(OSError, match="network"):
            record.arrays("curves")
    assert sorted(p.name for p in record.folder.rglob("*") if "curves" in p.name) == []
    assert set(record.arrays("curves")) == {"bin_edges"}
