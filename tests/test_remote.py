"""Run records behind a URL: read once, pushed whole, pulled whole."""

import http.server
import json
import threading
from contextlib import suppress
from functools import partial
from uuid import uuid4

import fsspec
import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from made_records import TWO_BY_THREE, made_grid, made_record

from lesionkit import mirror, remote, runs, stores
from lesionkit.cli import main
from lesionkit.config import RunConfig, data_folder
from lesionkit.records import RunRecord
from lesionkit.tables import comparable_records, load_table, with_background

DICE, IOU = RunConfig(loss="dice"), RunConfig(loss="iou")
SMALL_AND_DONE = sorted([*mirror.SMALL, "DONE"])
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
    assert requests.read() == sorted([*mirror.SMALL, "DONE"] * 2)
    requests.clear()
    load_table(two)
    assert requests.read() == []


def test_a_part_of_the_records_shares_what_was_read_of_all(two, requests):
    load_table(two)
    requests.clear()
    assert list(load_table(f"{two}/demo/toy/unet/iou")["loss"]) == ["iou"]
    assert list(load_table(f"{two}/{DICE.run_id}")["loss"]) == ["dice"]
    assert requests.read() == []


@pytest.mark.parametrize("name", ["history.csv", "DONE", ".origin"])
def test_what_a_power_cut_left_in_the_cache_is_read_again(two, requests, name):
    folder = comparable_records(load_table(two))["dice"].folder
    (folder / name).write_bytes(b"")
    requests.clear()
    load_table(two)
    assert requests.read() == SMALL_AND_DONE


def test_where_nothing_tells_of_a_change_done_alone_is_read(two, requests, monkeypatch):
    monkeypatch.setattr(stores, "MARKS", ())
    load_table(two)
    requests.clear()
    load_table(two)
    assert requests.read() == ["DONE", "DONE"]


def test_a_record_that_was_replaced_is_read_again_alone(two, requests):
    load_table(two)
    folder = made_record(DICE, 0.875)
    remote.push(folder, two, replace=True)
    requests.clear()
    assert list(load_table(two)["dice"]) == [0.875, 0.75]
    assert requests.read() == SMALL_AND_DONE


def test_the_same_done_written_again_is_all_that_is_read(two, requests):
    load_table(two)
    change(two, f"{DICE.run_id}/DONE", (DICE.folder / "DONE").read_bytes())
    requests.clear()
    load_table(two)
    assert requests.read() == ["DONE"]


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
    requests.fail_at("cat_file", "iou/A-gamma2/repeat0/history.csv")
    with pytest.raises(OSError, match="cannot be read: the network is down$"):
        load_table(two)
    kept = list((data_folder() / "cache" / "records").iterdir())
    assert {RunRecord(folder).config["identity"]["loss"] for folder in kept} <= {"dice"}
    requests.broken = Requests.broken
    assert list(load_table(two)["loss"]) == ["dice", "iou"]


def test_arrays_that_were_half_read_are_read_again(two, requests, monkeypatch):
    record = comparable_records(load_table(two))["dice"]

    def cut_off(self, name, target):
        target.write_bytes(b"half")
        raise OSError("the network is down")

    with monkeypatch.context() as patch:
        patch.setattr(stores.Store, "download", cut_off)
        with pytest.raises(OSError, match="network"):
            record.arrays("curves")
    assert sorted(p.name for p in record.folder.iterdir() if "curves" in p.name) == []
    assert set(record.arrays("curves")) == {"bin_edges"}


@pytest.mark.parametrize("name", ["config.json", "logits.npz", "metrics.json"])
def test_a_push_that_is_cut_off_leaves_no_finished_record(bucket, requests, name):
    folder = made_record(DICE)
    remote.push(made_record(IOU), bucket)
    requests.fail_at("put_file", f"dice/A-gamma2/repeat0/{name}")
    with pytest.raises(OSError, match=rf"{name} cannot be written: the network"):
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
    with pytest.raises(remote.AnotherRecord, match=f"{two}/{DICE.run_id} holds anoth"):
        remote.push(folder, two)
    assert list(load_table(two)["dice"]) == [0.75, 0.75]


def test_a_damaged_or_unfinished_record_is_not_pushed(bucket):
    folder = made_record(DICE, sealed=False)
    with pytest.raises(ValueError, match=r"DONE is missing .*; only a finished"):
        remote.push(folder, bucket)
    made_record(DICE)
    (folder / "history.csv").write_text("epoch\n")
    with pytest.raises(ValueError, match=r"history\.csv is 6 bytes"):
        remote.push(folder, bucket)


def weighty(config):
    """The folder of a record that kept its weights."""
    folder = made_record(config, sealed=False)
    runs.store_weights(folder, b"weights")
    runs.finish(folder)
    return folder


def test_weights_are_pushed_unless_told_not_to(bucket, elsewhere):
    folder = weighty(DICE)
    assert remote.push(folder, bucket, weights=False)
    assert not remote.push(folder, bucket, weights=False)
    load_table(bucket)
    assert remote.push(folder, bucket)
    assert not remote.push(folder, bucket, weights=False)
    elsewhere()
    (here,) = remote.pull(bucket)
    assert (here / "best.safetensors").read_bytes() == b"weights"


def test_a_record_pushed_without_weights_is_whole_where_it_is_pulled(bucket, elsewhere):
    remote.push(weighty(DICE), bucket, weights=False)
    elsewhere()
    remote.pull(bucket)
    assert runs.state_of(DICE, verify=True) == ("done", "")
    assert not (DICE.folder / "best.safetensors").exists()


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
    load_table(two)
    assert requests.read() == []


def test_a_pull_that_is_cut_off_leaves_nothing_and_goes_on(two, elsewhere, requests):
    elsewhere()
    requests.fail_at("get_file", "dice/A-gamma2/repeat0/logits.npz")
    with pytest.raises(OSError, match="the network is down"):
        remote.pull(two, {DICE.run_id})
    assert runs.state(DICE.folder) == "missing"
    requests.broken = Requests.broken
    requests.clear()
    remote.pull(two, {DICE.run_id})
    assert requests.read() == ["logits.npz"]
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
    fetch = RunRecord.file

    def it_ends_meanwhile(self, name):
        if name == "logits.npz":
            monkeypatch.setattr(RunRecord, "file", fetch)
            made_record(DICE)
        return fetch(self, name)

    monkeypatch.setattr(RunRecord, "file", it_ends_meanwhile)
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


@pytest.fixture
def web(tmp_path):
    """The address of a web server on this machine that lists a folder, and its log."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, form, *args):
            name = self.path.rpartition("/")[2]
            if self.command == "GET" and ("." in name or name == "DONE"):
                asked.append(name)

    (tmp_path / "data" / "runs").mkdir(parents=True)
    place = partial(Handler, directory=tmp_path / "data")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), place) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.slow
def test_records_of_a_web_server_are_read_and_pulled(web, elsewhere):
    pytest.importorskip("aiohttp", reason="fsspec reads http with aiohttp")
    address, asked = web
    made_record(DICE)
    elsewhere()
    assert list(load_table(f"{address}/runs")["loss"]) == ["dice"]
    assert sorted(asked) == SMALL_AND_DONE
    asked.clear()
    load_table(f"{address}/runs/")
    assert asked == ["DONE"]
    assert remote.pull(f"{address}/runs") == [DICE.folder]
    with pytest.raises(FileNotFoundError, match="nothing at http"):
        load_table(f"{address}/run")


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        ("s33://a/b", ValueError, "unknown scheme 's33' in s33://a/b. Did you mean"),
        ("file:///no/such/place", OSError, "nothing at file:///no/such/place"),
        ("memory://no/such", OSError, "(below|nothing at) memory://no/such"),
        ("ftp://me:secret@host/x", ValueError, r"no place in a URL \(ftp://host/x\)"),
        ("zip://a::file:///b.zip", ValueError, "expected one URL, got a chain"),
    ],
)
def test_a_url_that_cannot_be_read_is_told_in_one_line(url, kind, message):
    with pytest.raises(kind, match=message) as error:
        load_table(url)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_scheme_without_its_package_says_what_to_install(monkeypatch):
    def none(scheme):
        raise ImportError("Install s3fs") from ModuleNotFoundError(name="s3fs")

    monkeypatch.setattr(fsspec, "get_filesystem_class", none)
    with pytest.raises(ImportError, match="s3:// needs a package: uv pip install s3fs"):
        load_table("s3://bucket/runs")


def test_no_permission_is_told_with_the_url(two, requests):
    def denied(verb, path):
        raise PermissionError("Forbidden")

    requests.broken = denied
    with pytest.raises(PermissionError, match=f"no permission: {two}/.*: Forbidden"):
        load_table(two)


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path, monkeypatch):
    url = (tmp_path / "share").as_uri()
    remote.push(made_record(DICE), url)
    local = type(fsspec.filesystem("file"))
    plain = local.ls

    def failing(self, path, **rest):
        if "dice" in path:
            raise OSError("stale file handle")
        return plain(self, path, **rest)

    monkeypatch.setattr(local, "ls", failing)
    with pytest.raises(OSError, match="cannot be read: stale file handle"):
        load_table(url)


def said(capsys, *arguments):
    """Exit status and what a command printed."""
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.slow
def test_every_command_that_takes_a_folder_of_records_takes_a_url(bucket, capsys):
    made_grid(TWO_BY_THREE)
    for record in runs.find_records(data_folder() / "runs"):
        remote.push(record.folder, bucket)
    for command in ("rank", "claims", "advise"):
        code, out, err = said(capsys, command, bucket)
        assert (code, out) == said(capsys, command, data_folder() / "runs")[:2]
    assert said(capsys, "plan", bucket, "--difference", "0.05")[0] == 0


def test_status_of_a_url_tells_done_damaged_and_unfinished(two, capsys):
    change(two, f"{IOU.run_id}/history.csv", b"x")
    change(two, "demo/toy/unet/bce/none/repeat0/config.json", b"{}")
    code, out, _ = said(capsys, "status", two, "--json")
    rows = {row["run_id"]: row for row in json.loads(out)}
    states = {name.split("/")[3]: row["state"] for name, row in rows.items()}
    assert states == {"dice": "done", "iou": "damaged", "bce": "unfinished"}
    assert "history.csv is 1 bytes" in rows[IOU.run_id]["reason"]
    assert code == 0
    assert said(capsys, "status", "s33://a")[0] == 2


GRID = "name: shared\naxes: {loss: [dice, iou]}\n"


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys, bucket):
    """Run `lesionkit sweep --records` with an engine that makes records."""
    from lesionkit import cli_sweep
    from lesionkit.engines import one_by_one

    file = tmp_path / "shared.yaml"
    file.write_text(GRID)
    trained = []

    def run(make=made_record, records=bucket, more=()):
        trained.clear()

        def train(config):
            trained.append(config.loss)
            make(config)

        monkeypatch.setattr(cli_sweep, "_engine", lambda *how: one_by_one(train))
        code, out, err = said(capsys, "sweep", file, "--records", records, *more)
        return code, list(trained), out + err

    return run


def test_a_sweep_takes_what_others_finished_and_gives_its_own(sweep, bucket, elsewhere):
    remote.push(made_record(DICE), bucket)
    elsewhere()
    code, trained, text = sweep()
    assert (code, trained) == (0, ["iou"])
    assert f"1 finished runs taken from {bucket}" in text
    assert runs.state_of(DICE, verify=True) == ("done", "")
    assert list(load_table(bucket)["loss"]) == ["dice", "iou"]
    elsewhere()
    assert sweep()[:2] == (0, [])


def test_what_could_not_be_given_is_told_and_given_the_next_time(
    sweep, bucket, requests
):
    requests.fail_at("put_file", "dice/A-gamma2")
    code, trained, text = sweep()
    assert (code, trained) == (0, ["dice", "iou"])
    (line,) = [line for line in text.splitlines() if line.startswith("not given")]
    assert line.endswith("the network is down; the next sweep tries again")
    assert list(load_table(bucket)["loss"]) == ["iou"]
    requests.broken = Requests.broken
    assert sweep()[:2] == (0, [])
    assert list(load_table(bucket)["loss"]) == ["dice", "iou"]


def meanwhile(bucket, elsewhere, dice):
    """A maker of records while another machine finishes dice too."""
    other = {}

    def make(config):
        if not other and config.loss == "dice":
            folder = made_record(config, dice)
            path = folder / "environment.json"
            path.write_text('{"sessions": [{"wall_seconds": 1.0}]}')
            runs.finish(folder)
            other["pushed"] = remote.push(folder, bucket)
            (folder / "DONE").unlink()
        made_record(config)

    return make


def test_equal_runs_of_two_machines_are_no_news(sweep, bucket, elsewhere):
    code, _, text = sweep(meanwhile(bucket, elsewhere, 0.75))
    assert (code, "not given" in text) == (0, False)


def test_a_run_that_ended_otherwise_on_another_machine_is_told(
    sweep, bucket, elsewhere
):
    code, _, text = sweep(meanwhile(bucket, elsewhere, 0.5))
    assert code == 0
    assert f"{DICE.run_id} holds another finished record" in text
    assert "its metrics.json is not the one here" in text
    assert load_table(bucket)["dice"][0] == 0.5


def test_a_damaged_record_there_is_told_and_trained_here(sweep, two, elsewhere):
    change(two, f"{DICE.run_id}/metrics.json", b"{}")
    elsewhere()
    code, trained, text = sweep(records=two)
    assert (code, trained) == (0, ["dice"])
    assert f"not taken: {DICE.run_id}: " in text
    assert "metrics.json is 2 bytes" in text


def test_a_dry_run_says_what_is_finished_there_and_takes_nothing(
    sweep, two, elsewhere, bucket
):
    elsewhere()
    code, trained, text = sweep(more=["--dry-run"])
    assert (code, trained) == (0, [])
    assert f"2 of them are finished at {bucket}" in text
    assert runs.state(DICE.folder) == "missing"


def test_a_sweep_with_an_unknown_scheme_trains_nothing(sweep):
    code, trained, text = sweep(records="s33://bucket/runs")
    assert (code, trained) == (2, [])
    assert "unknown scheme 's33'" in text


def test_ctrl_c_during_a_sweep_gives_no_more_records(bucket):
    with suppress(KeyboardInterrupt), remote.shared([], bucket, print) as give:
        give(DICE)
        raise KeyboardInterrupt
    assert remote.there(bucket) == set()
