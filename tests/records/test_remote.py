"""Run records behind a URL: pushed whole, pulled whole."""

import json
from contextlib import suppress

import pytest
from made_records import made_record
from made_remote import DICE, IOU, Requests, change
from made_remote import bucket as bucket
from made_remote import elsewhere as elsewhere
from made_remote import no_power_cut as no_power_cut
from made_remote import requests as requests
from made_remote import two as two

from lesionkit.config import data_folder
from lesionkit.records import remote, runs
from lesionkit.records.stores import Store
from lesionkit.tables import load_table


@pytest.mark.parametrize("name", ["config.json", "logits.npz", "metrics.json"])
def test_a_push_that_is_cut_off_leaves_no_finished_record(bucket, requests, name):
    folder = made_record(DICE)
    remote.push(made_record(IOU), bucket)
    requests.fail_at("put_file", f"dice/A-gamma2/repeat0/{name}")
    with pytest.raises(OSError, match="repeat0 cannot be written: the network"):
        remote.push(folder, bucket)
    assert list(load_table(bucket)["loss"]) == ["iou"]
    requests.broken = Requests.broken
    assert remote.push(folder, bucket)
    assert list(load_table(bucket)["loss"]) == ["dice", "iou"]


def test_done_is_pushed_last(bucket, requests):
    remote.push(made_record(DICE), bucket)
    *files, last = [p for v, p in requests if v in ("put_file", "pipe_file")]
    assert last.endswith("/DONE")
    assert len(files) == 8


def test_a_replacement_that_is_cut_off_leaves_no_finished_record(two, requests):
    folder = made_record(DICE, 0.875)
    requests.fail_at("put_file", "images.csv")
    with pytest.raises(OSError, match="network"):
        remote.push(folder, two, replace=True)
    assert list(load_table(two)["loss"]) == ["iou"]


def test_a_record_that_is_there_is_not_copied(two, requests):
    assert not remote.push(DICE.folder, two)
    assert requests.names("put_file", "pipe_file") == []


def test_another_finished_record_of_the_run_is_not_overwritten(two):
    folder = made_record(DICE, 0.875)
    with pytest.raises(ValueError, match=f"{two}/{DICE.run_id} holds another"):
        remote.push(folder, two)
    assert list(load_table(two)["dice"]) == [0.75, 0.75]


def test_a_record_with_the_same_metrics_stays_as_it_is(two, requests):
    folder = made_record(DICE)
    (folder / "environment.json").write_text('{"sessions": [{"wall_seconds": 1.0}]}')
    runs.finish(folder)
    assert not remote.push(folder, two)
    assert requests.names("put_file", "pipe_file") == []


def test_a_replacement_mends_a_record_whose_files_were_mixed(two):
    change(two, f"{DICE.run_id}/history.csv", b"x")
    with pytest.raises(ValueError, match="history.csv is 1 bytes"):
        load_table(two)
    assert not remote.push(DICE.folder, two)
    assert remote.push(DICE.folder, two, replace=True)
    assert list(load_table(two)["loss"]) == ["dice", "iou"]


def test_a_damaged_or_unfinished_record_is_not_pushed(bucket):
    folder = made_record(DICE, sealed=False)
    with pytest.raises(ValueError, match=r"DONE is missing .*; only a finished"):
        remote.push(folder, bucket)
    made_record(DICE)
    (folder / "history.csv").write_text("epoch\n")
    with pytest.raises(ValueError, match=r"history\.csv is 6 bytes"):
        remote.push(folder, bucket)


def test_weights_are_pushed_and_pulled(bucket, elsewhere):
    folder = made_record(DICE, sealed=False)
    runs.store_weights(folder, b"weights")
    runs.finish(folder)
    assert remote.push(folder, bucket)
    assert not remote.push(folder, bucket)
    load_table(bucket)
    elsewhere()
    (here,) = remote.pull(bucket)
    assert (here / "best.safetensors").read_bytes() == b"weights"


def test_what_is_pulled_is_the_record_byte_by_byte(two, elsewhere):
    files = {p.name: p.read_bytes() for p in DICE.folder.iterdir() if p.name[0] != "."}
    elsewhere()
    assert remote.pull(two, {DICE.run_id}) == [DICE.folder]
    there = {p.name: p.read_bytes() for p in DICE.folder.iterdir() if p.name[0] != "."}
    assert there == files
    assert runs.state(IOU.folder) == "missing"


def test_what_was_made_here_is_not_even_read_by_a_pull(two, requests):
    assert remote.pull(two) == []
    assert requests.read() == []


def test_what_is_here_is_not_pulled_again(two, elsewhere, requests):
    elsewhere()
    assert len(remote.pull(two)) == 2
    requests.clear()
    assert remote.pull(two) == []
    assert requests.read() == []


def test_a_pull_that_is_cut_off_leaves_nothing_and_goes_on(two, elsewhere, requests):
    elsewhere()
    requests.fail_at("get_file", "dice/A-gamma2/repeat0/logits.npz")
    with pytest.raises(OSError, match="the network is down"):
        remote.pull(two, {DICE.run_id})
    assert runs.state(DICE.folder) == "missing"
    assert list((data_folder() / "cache").iterdir()) == []
    requests.broken = Requests.broken
    requests.clear()
    remote.pull(two, {DICE.run_id})
    files = json.loads((DICE.folder / "DONE").read_text())["files"]
    assert requests.read() == sorted([*files, "DONE"])
    assert runs.state_of(DICE, verify=True) == ("done", "")


def test_a_pulled_record_takes_the_place_of_an_interrupted_run(two, elsewhere):
    elsewhere()
    runs.save_state(runs.start(DICE), b"state")
    runs.note_failure(DICE.folder, "no memory")
    remote.pull(two)
    assert runs.state_of(DICE) == ("done", "")
    assert not (DICE.folder / "state.pt").exists()


def test_a_run_that_is_trained_here_is_not_overwritten(two, elsewhere):
    elsewhere()
    with runs.claim(runs.start(DICE)), pytest.raises(BlockingIOError, match="trained"):
        remote.pull(two, {DICE.run_id})
    assert runs.state(DICE.folder) == "unfinished"


def test_a_run_that_ends_here_while_its_record_comes_is_left_as_it_is(
    two, elsewhere, monkeypatch
):
    elsewhere()
    get = Store.get

    def it_ends_meanwhile(self, record, seal, folder):
        made_record(DICE)
        get(self, record, seal, folder)

    monkeypatch.setattr(Store, "get", it_ends_meanwhile)
    assert remote.pull(two, {DICE.run_id}) == []
    assert runs.state_of(DICE, verify=True) == ("done", "")


def test_another_runs_config_in_the_place_of_a_pulled_record_is_refused(two, elsewhere):
    elsewhere()
    path = runs.start(DICE) / "config.json"
    path.write_text(path.read_text().replace('"size": ', '"size": 1'))
    with pytest.raises(ValueError, match="holds another run; move it away"):
        remote.pull(two, {DICE.run_id})


@pytest.mark.parametrize("run_id", ["../../../x/y/z", "/a/b/c/d/e", "a/b"])
def test_a_record_whose_run_id_leads_elsewhere_is_not_pulled(bucket, run_id):
    folder = made_record(DICE, sealed=False)
    config = json.loads((folder / "config.json").read_text()) | {"run_id": run_id}
    (folder / "config.json").write_text(json.dumps(config))
    runs.finish(folder)
    for path in folder.iterdir():
        if path.name[0] != ".":
            change(bucket, f"x/{path.name}", path.read_bytes())
    with pytest.raises(ValueError, match="has no run_id of this kit"):
        remote.pull(bucket)


def test_records_of_a_file_url_are_read_pushed_and_pulled(tmp_path, elsewhere):
    url = (tmp_path / "share").as_uri()
    remote.push(made_record(DICE), url)
    assert list(load_table(url)["loss"]) == ["dice"]
    remote.push(made_record(DICE, 0.875), url, replace=True)
    assert list(load_table(url)["dice"]) == [0.875]
    elsewhere()
    assert remote.pull(url) == [DICE.folder]
    assert runs.state_of(DICE, verify=True) == ("done", "")


def test_ctrl_c_during_a_sweep_gives_no_more_records(bucket):
    with suppress(KeyboardInterrupt), remote.shared([], bucket, print) as give:
        give(DICE)
        raise KeyboardInterrupt
    assert remote.there(bucket) == set()
