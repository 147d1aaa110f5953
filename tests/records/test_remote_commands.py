"""The commands on records behind a URL, and sweeps that share them."""

import json

import pytest
from made_records import TWO_BY_THREE, made_grid, made_record
from made_remote import DICE, IOU, Requests, change
from made_remote import bucket as bucket
from made_remote import elsewhere as elsewhere
from made_remote import no_power_cut as no_power_cut
from made_remote import requests as requests
from made_remote import two as two

from lesionkit.cli import main
from lesionkit.config import data_folder
from lesionkit.records import remote, runs
from lesionkit.tables import load_table


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
    from lesionkit.cli import sweeps as cli_sweep
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
