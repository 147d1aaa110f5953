"""The commands: what they print, what they refuse, and their exit status."""

import errno
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_comparison import made_comparison
from made_records import TWO_BY_THREE, complete_record, made_grid, made_record

from lesionkit import catalogue, cli, experiment, files
from lesionkit.cli import main
from lesionkit.comparison import load_bundle
from lesionkit.config import RunConfig
from lesionkit.runs import RunRecord, note_failure, start

RANKED = """\
dataset,model,loss,repeat,dice
busi,unet,bce,0,0.7
busi,unet,iou,0,0.8
busi,unet,dice,0,0.9
"""
GRID = "name: pair\naxes:\n  loss: [dice, iou]\n"


@pytest.fixture
def command(capsys):
    """Runs a command here: its exit status, stdout, stderr."""

    def call(*arguments):
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return call


@pytest.fixture
def file(tmp_path):
    """Writes a file of this name and text and gives its path."""

    def write(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_help_lists_every_command_that_is_promised(command):
    result = command("--help")
    assert result.code == 0
    names = [
        line.split()[0] for line in result.out.split("Commands:\n")[1].splitlines()
    ]
    promised = (
        "datasets models losses fetch prepare inspect train sweep status rank claims"
        " audit report plan advise thresholds doctor notebooks"
    )
    assert set(names) >= set(promised.split())


def test_no_command_at_all_is_a_wrong_argument_and_shows_the_help(command):
    result = command()
    assert (result.code, result.out) == (2, "")
    assert "\nCommands:\n" in result.err


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("losses", catalogue.LOSSES),
        ("models", catalogue.MODELS),
        ("datasets", catalogue.DATASETS),
    ],
)
def test_what_there_is_has_a_line_for_each_name(command, name, entries):
    result = command(name)
    assert result.code == 0
    shown = [line.split()[0] for line in result.out.splitlines()[1:]]
    assert set(shown) == set(entries)


@pytest.mark.parametrize("name", ["losses", "models", "datasets"])
def test_what_there_is_can_be_read_by_a_program(command, name):
    rows = json.loads(command(name, "--json").out)
    assert {"name", "source"} <= set(rows[0])


def test_models_have_a_line_for_each_variant_with_its_parameters(command):
    rows = json.loads(command("models", "--json").out)
    found = {row["variant"]: row["parameters"] for row in rows}
    assert found["unet_bn_transposed"] == 31_037_633
    assert len(rows) == sum(len(entry.variants) for entry in catalogue.MODELS.values())


def test_losses_tell_which_definitions_have_them(command):
    rows = {row["name"]: row for row in json.loads(command("losses", "--json").out)}
    assert rows["ioufocal"]["definitions"] == "A-printed A-gamma2 A-meanfirst"
    assert rows["focal"]["definitions"].endswith(" B")
    assert rows["ioufocal"]["parts"] == "iou + focal"


def test_datasets_tell_which_sizes_are_prepared(command, data_home):
    for size in ("64", "224-nearest"):
        folder = data_home / "prepared" / "kvasir" / size
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    rows = {row["name"]: row for row in json.loads(command("datasets", "--json").out)}
    assert rows["kvasir"]["prepared"] == "224-nearest 64"
    assert rows["toy"]["prepared"] == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tran"], "unknown command 'tran'. Did you mean 'train'?"),
        (["losses", "--jsn"], "No such option '--jsn'"),
        (
            ["train", "-p", "loss"],
            "Option '-p' requires 2 arguments: parameters are given as -p loss dice",
        ),
        (["train", "-p", "los", "ioufocal"], "'los'. Did you mean 'loss'?"),
        (["train", "-p", "loss", "iuofocal"], "'iuofocal'. Did you mean 'ioufocal'?"),
        (["train", "-p", "model", "unett"], "'unett'. Did you mean 'unet'?"),
        (["train", "-p", "dataset", "kvazir"], "'kvazir'. Did you mean 'kvasir'?"),
        (["train", "-p", "repeat", "7"], "repeat must be 0 to 4, got 7."),
        (["train", "-p", "repeat", "7"], "-p repeats 12"),
        (["train", "-p", "epochs", "2.5"], "of type int, got 2.5 of type float"),
        (["train", "-p", "pretrained", "yes"], "True or False, got 'yes'"),
        (["prepare"], "Missing argument 'NAME'"),
        (["prepare", "kvazir"], "'kvazir'. Did you mean 'kvasir'?"),
        (["prepare", "toy", "--size", "big"], "'big' is not a valid integer"),
        (["prepare", "toy", "--resize", "bilinaer"], "Did you mean 'bilinear'?"),
        (["sweep", "a.yaml", "--engine", "locl"], "Did you mean 'local'?"),
        (["sweep", "a.yaml", "--how", "notebok"], "Did you mean 'notebook'?"),
        (["rank", "a.csv", "--map", "dice"], "expected NAME=VALUE, got 'dice'"),
    ],
)
def test_a_wrong_argument_is_one_line_and_status_2(command, arguments, said):
    result = command(*arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert result.err.startswith("lesionkit: ")
    assert len(result.err.splitlines()) == 1


def test_training_on_data_that_is_not_there_names_folder_and_command(
    command, data_home
):
    result = command("train", "-p", "dataset", "kvasir")
    assert (result.code, result.out) == (1, "")
    assert str(data_home / "prepared" / "kvasir" / "64") in result.err
    assert "lesionkit prepare kvasir --raw DIR --size 64" in result.err
    assert len(result.err.splitlines()) == 1
    assert not (data_home / "runs").exists()


def test_preparing_without_raw_files_names_the_folder(command, data_home):
    result = command("prepare", "kvasir")
    assert result.code == 1
    assert str(data_home / "raw" / "kvasir") in result.err
    assert len(result.err.splitlines()) == 1


def test_train_runs_the_config_of_its_pairs(command, monkeypatch):
    def made(config):
        return RunRecord(made_record(config, 0.75))

    monkeypatch.setattr(experiment, "run", made)
    pairs = ["-p", "loss", "dice", "-p", "epochs", 2, "-p", "alpha", "None"]
    facts = json.loads(command("train", *pairs, "--json").out)
    assert facts["dice"] == 0.75
    assert facts["best_epoch"] == 2
    assert facts["record"] == str(RunConfig(loss="dice", epochs=2).folder)


def test_a_value_given_twice_is_the_last_one(command, monkeypatch):
    monkeypatch.setattr(experiment, "run", lambda c: RunRecord(made_record(c)))
    result = command("train", "-p", "loss", "dice", "-p", "loss", "iou")
    assert "/iou/" in result.out


def test_a_finished_run_is_found_and_not_trained_again(command):
    folder = made_record(RunConfig(loss="dice"), 0.75)
    result = command("train", "-p", "loss", "dice")
    assert result.code == 0
    assert result.out.splitlines()[0].split() == ["dice", "0.7500"]
    assert result.out.splitlines()[-1].split() == ["record", str(folder)]


def test_status_without_any_run_says_so(command):
    assert command("status").out == "no runs\n"
    assert json.loads(command("status", "--json").out) == []


def test_status_tells_what_is_done_and_what_is_not(command):
    made_record(RunConfig(loss="dice"))
    made_record(RunConfig(loss="iou"), sealed=False)
    note_failure(start(RunConfig(loss="bce")), "the loss is nan")
    rows = json.loads(command("status", "--json").out)
    found = {row["run_id"]: (row["state"], row["reason"]) for row in rows}
    assert found == {
        RunConfig(loss="dice").run_id: ("done", ""),
        RunConfig(loss="iou").run_id: ("unfinished", ""),
        RunConfig(loss="bce").run_id: ("failed", "the loss is nan"),
    }


def test_status_verifies_what_it_is_asked_to(command, file):
    path = made_record(RunConfig(loss="dice")) / "metrics.json"
    path.write_text(path.read_text().replace("0.75", "0.95", 1))
    grid = file("grid.yaml", GRID)
    assert command("status", grid).out.splitlines()[-1] == "1 done, 1 missing"
    verified = command("status", grid, "--verify").out
    assert verified.splitlines()[-1] == "1 damaged, 1 missing"
    assert "metrics.json was changed after the run ended" in verified
    assert "1 damaged" in command("status", "--verify").out


def test_status_tells_what_slurm_has_in_its_queue(command, file, monkeypatch):
    from lesionkit.engines import slurm

    queued = {0: "RUNNING", 1: "RUNNING", 2: "PENDING"}
    asked = []
    monkeypatch.setattr(slurm, "queue", lambda f: asked.append(f.name) or queued)
    out = command("status", file("grid.yaml", GRID)).out
    assert asked == ["pair"]
    assert out.splitlines()[-1] == "tasks in Slurm's queue: 2 running, 1 pending"


def test_status_draws_the_grid_of_a_sweep(command, file, tmp_path):
    made_record(RunConfig(loss="dice"))
    picture = tmp_path / "grid.png"
    assert command("status", file("grid.yaml", GRID), "--figure", picture).code == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert command("status", "--figure", picture).code == 2


def test_a_figure_that_the_disk_refuses_leaves_nothing(
    command, file, tmp_path, monkeypatch
):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    picture = tmp_path / "figures" / "grid.png"
    monkeypatch.setattr(files.os, "fsync", full)
    result = command("status", file("grid.yaml", GRID), "--figure", picture)
    assert result.err.startswith(f"lesionkit: the disk of {picture.parent} is full")
    assert list(picture.parent.iterdir()) == []


def test_status_of_a_sweep_counts_its_states(command, file):
    made_record(RunConfig(loss="dice"))
    result = command("status", file("grid.yaml", GRID))
    assert result.code == 0
    assert result.out.splitlines()[-1] == "1 done, 1 missing"


def test_a_dry_run_prices_a_sweep_and_starts_nothing(command, file, data_home):
    result = command("sweep", file("grid.yaml", GRID), "--dry-run")
    assert result.code == 0
    assert result.out.splitlines()[0] == "pair: 2 runs, 2 missing"
    assert not (data_home / "runs").exists()


def test_a_finished_sweep_runs_nothing_and_works(command, file):
    made_record(RunConfig(loss="dice"))
    made_record(RunConfig(loss="iou"))
    result = command("sweep", file("grid.yaml", GRID))
    assert (result.code, result.out) == (0, "pair: 2 runs, 0 missing\n")


def test_a_sweep_with_a_failed_run_ends_with_status_1(command, file, monkeypatch):
    from lesionkit.engines import Outcome, local

    def run_all(configs, **how):
        asked.append(how)
        yield from (Outcome(config, "no space left", 0.0, 1) for config in configs)

    asked = []
    monkeypatch.setattr(local, "run_all", run_all)
    path = file("grid.yaml", GRID)
    options = ("--slots", "3", "--how", "notebook", "--retries", "0")
    result = command("sweep", path, *options)
    assert result.code == 1
    last = result.err.splitlines()[-1]
    assert last.startswith("lesionkit: 2 of 2 runs have no finished record;")
    assert last.endswith(f"go on: lesionkit sweep {path}")
    assert result.err.count("no space left") == 2
    (how,) = asked
    assert (how["slots"], how["how"], how["timeout_seconds"]) == (3, "notebook", None)
    assert how["retries"] == 0


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("none.yaml", ". With the kit come: "),
        ("my_grid.yaml", ". With the kit come: "),
        ("leekage.yaml", ". Did you mean leakage.yaml? With the kit come: "),
        ("leakage.yml", ". Did you mean leakage.yaml? With the kit come: "),
        ("Toy_Ten", ". Did you mean toy_ten.yaml? With the kit come: "),
    ],
)
def test_a_sweep_file_that_is_not_there_is_status_1_with_a_near_name(
    command, name, hint
):
    result = command("sweep", name)
    assert result.code == 1
    assert f"/{name}{hint}" in result.err


def test_a_sweep_with_an_unknown_loss_is_status_2(command, file):
    result = command("sweep", file("grid.yaml", "axes: {loss: [dise]}"))
    assert result.code == 2
    assert "Did you mean 'dice'" in result.err


def test_rank_says_first_what_is_supported_and_what_is_not(command, file):
    result = command("rank", file("a.csv", RANKED))
    assert result.code == 0
    first, second, _, head, row, *_ = result.out.splitlines()
    assert first.startswith("Nothing can be said: dice has the highest mean dice")
    assert second.startswith("dice leads with 3 of 6 points over 1 data set. If all 3")
    assert head.split()[:4] == ["loss", "group", "mean", "scatter"]
    assert row.split()[:3] == ["dice", "region", "0.9"]


def test_rank_as_json_has_the_verdict_and_every_loss(command, file):
    found = json.loads(command("rank", file("a.csv", RANKED), "--json").out)
    assert found["verdict"]["leader"] == "dice"
    assert found["verdict"]["supported"] is False
    assert found["verdict"]["detectable"] is None  # nothing can be said
    points = [(row["loss"], row["points_dataset"]) for row in found["losses"]]
    assert points == [("dice", 3.0), ("iou", 2.0), ("bce", 1.0)]
    assert [row["mean"] for row in found["losses"]] == [0.9, 0.8, 0.7]


def test_rank_reads_a_folder_of_records(command, data_home):
    made_grid(TWO_BY_THREE)
    found = json.loads(command("rank", data_home / "runs", "--json").out)
    assert [(row["loss"], row["points_dataset"]) for row in found["losses"]] == [
        ("dice", 5.0),
        ("bce", 4.0),
        ("iou", 3.0),
    ]
    assert found["losses"][0]["mean"] == pytest.approx(0.76)  # each a second repeat
    assert found["resampled"] == "repeats"


def test_rank_adds_the_tables_that_are_asked_for(command):
    asked = ["--pairs", "--leave-out", "--variance"]
    result = command("rank", "public-rerun", *asked)
    assert result.code == 0
    lines = result.out.splitlines()
    assert [line for line in lines if line in ("pairs", "leave_out", "variance")] == [
        "pairs",
        "leave_out",
        "variance",
    ]
    assert sum(line.startswith("without ") for line in lines) == 27
    assert result.err.startswith("public-rerun: only cell means")


def test_what_is_unusual_in_a_table_is_told_beside_the_answer(command, file):
    result = command("rank", file("a.csv", RANKED + RANKED.splitlines()[1]))
    assert result.code == 0
    assert result.err.splitlines() == [
        f"{file('a.csv', RANKED)}: the same run again: line 5; left out"
    ]


def test_percent_is_taken_when_it_is_said(command, file):
    path = file("a.csv", RANKED.replace("0.", "7"))
    refused = command("rank", path)
    assert (refused.code, refused.out) == (2, "")
    assert "pass --percent" in refused.err
    found = json.loads(command("rank", path, "--percent", "--json").out)
    assert found["losses"][0]["mean"] == 0.79


def test_claims_of_a_table_have_a_verdict_and_its_reason(command):
    result = command("claims", "public-rerun")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0].startswith("21 claims: 2 supported, 9 not supported, 10 untestable")
    assert "A-compound: supported" in lines
    rows = json.loads(command("claims", "public-rerun", "--paper", "B", "--json").out)
    assert {row["verdict"] for row in rows} == {"untestable with these runs"}


def test_claims_of_records_know_the_background(command, data_home):
    made_grid(TWO_BY_THREE)
    rows = json.loads(command("claims", data_home / "runs", "--json").out)
    found = {row["claim"]: row for row in rows}
    assert "background: largest difference" in found["A-probability-alike"]["evidence"]


def test_audit_finds_both_papers_errata_and_those_of_a_table(command, file):
    result = command("audit")
    assert result.code == 0
    assert result.out.splitlines()[0].startswith("paper B, Table 1: 2 of 9 rows")
    text = "model,loss,f1,precision,recall\nunet,mine,0.90,0.80,0.80\n"
    rows = json.loads(command("audit", file("b.csv", text), "--json").out)
    assert [r["severity"] for r in rows if r["rule"] == "F1"] == ["impossible"]
    lines = command("audit", file("b.csv", text)).out.splitlines()
    assert len([line for line in lines if line.startswith("impossible: ")]) == 1


def test_audit_takes_the_public_rerun_by_its_name(command):
    rows = json.loads(command("audit", "public-rerun", "--json").out)
    assert {(row["source"], row["severity"]) for row in rows} == {
        ("public-rerun", "not pooled")
    }
    told = command("audit", "public-rerun", "--aggregation", "image")
    assert told.out.startswith("Nothing contradicts itself")


@pytest.mark.parametrize("source", ["s3://bucket/runs", "."])
def test_audit_says_why_it_does_not_take_run_records(command, source):
    result = command("audit", source)
    assert (result.code, result.out) == (2, "")
    assert f"{source} is a place of run records, whose scores are computed" in (
        result.err
    )
    assert len(result.err.splitlines()) == 1


def test_plan_says_what_would_show_a_difference(command):
    result = command("plan", "public-rerun", "--difference", "0.002")
    assert result.code == 0
    assert result.out.startswith("To tell 0.002 apart: 147 networks would show 0.0020")
    rows = json.loads(
        command("plan", "public-rerun", "--difference", "0.005", "--json").out
    )
    assert rows[0]["enough"] is True
    assert rows[0]["runs"] == 660


def test_advise_takes_a_pilot_or_a_published_place(command):
    pilot = command("advise", "public-rerun", "--only", "dataset=kvasir")
    assert pilot.code == 0
    assert pilot.out.startswith("Any of these 10: dicebce, ")
    found = json.loads(
        command("advise", "--like", "kvasir", "--model", "unet", "--json").out
    )
    assert found["sentence"].startswith("Going by the public re-run, for kvasir and")
    assert len(found["losses"]) == 10


def test_report_writes_the_page_and_the_reproduction_report(command, tmp_path):
    page, text = tmp_path / "r.html", tmp_path / "r.md"
    result = command("report", "public-rerun", "-o", page, "--reproduction", text)
    assert result.code == 0
    assert result.out.splitlines()[1:] == [str(text), str(page)]
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert text.read_text().startswith("# Reproduction report")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["advise"], "your own runs, or --like with a data set"),
        (["advise", "public-rerun", "--like", "kvasir"], "or --like with a data set"),
        (["advise", "--like", "kvazir"], "Did you mean 'kvasir'?"),
        (["advise", "public-rerun", "--model", "unet"], "--only model=unet"),
        (["plan", "public-rerun"], "Missing option '--difference'"),
        (["plan", "public-rerun", "--difference", "0"], "0.0 is not in the range"),
        (["claims", "public-rerun", "--paper", "C"], "'C' is not one of 'A', 'B'"),
        (["audit", "x.csv", "--aggregation", "sum"], "'sum' is not one of"),
        (["rank", "public-rerun", "--metric", "dise"], "Did you mean 'dice'?"),
        (["rank", "public-rerun", "--only", "loss=dyce"], "no run has loss=dyce"),
        (["report", "public-rerun", "--only", "loss=dice"], "two losses with all"),
    ],
)
def test_a_wrong_question_is_one_line_and_status_2(command, arguments, said):
    result = command(*arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err.splitlines()[-1]


def test_rank_maps_the_columns_of_a_table(command, file):
    path = file("a.csv", RANKED.replace("dice\n", "overlap\n", 1))
    assert command("rank", path).code == 2
    assert command("rank", path, "--map", "overlap=dice").code == 0


def test_rank_refuses_two_sizes_until_told_which_or_to_mix(command, data_home):
    made_record(RunConfig(loss="dice"))
    made_record(RunConfig(loss="iou", size=96))
    runs = data_home / "runs"
    refused = command("rank", runs)
    assert refused.code == 2
    assert "differ in size (64, 96)" in refused.err
    alone = command("rank", runs, "--only", "size=96")
    assert (alone.code, "two losses" in alone.err) == (2, True)
    assert command("rank", runs, "--mix").code == 0


def test_rank_of_a_place_with_nothing_is_status_1(command, tmp_path):
    result = command("rank", tmp_path / "none")
    assert result.code == 1
    assert str(tmp_path / "none") in result.err


def test_rank_of_an_unknown_metric_gives_the_nearest(command, file):
    result = command("rank", file("a.csv", RANKED), "--metric", "dicee")
    assert result.code == 2
    assert "Did you mean 'dice'" in result.err


def test_being_stopped_is_one_line(command, monkeypatch):
    def stopped(config):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run", stopped)
    ignored = []
    monkeypatch.setattr(cli.signal, "signal", lambda *given: ignored.append(given))
    result = command("train", "-p", "loss", "dice")
    assert result.code not in (0, None)
    assert ignored == [(signal.SIGINT, signal.SIG_IGN)]  # a second Ctrl-C says nothing
    # click ends the line of the ^C first
    assert result.err == "\nlesionkit: stopped; the same command goes on from here\n"


@pytest.mark.parametrize("name", ["models", "losses", "--help"])
def test_an_answer_whose_reader_left_ends_quietly_as_sigpipe_would(name):
    script = Path(sys.executable).with_name("lesionkit")
    pipe = subprocess.PIPE
    process = subprocess.Popen([script, name], stdout=pipe, stderr=pipe)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


def test_another_pipe_that_breaks_is_an_error_with_its_line(command, monkeypatch):
    def broken(config):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(experiment, "run", broken)
    result = command("train", "-p", "loss", "dice")
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "lesionkit: [Errno 32] Broken pipe: a process or server that was written to is"
        " gone\n"
    )


@pytest.mark.parametrize("arguments", ["['--help']", "['losses']", "['models']"])
def test_looking_around_imports_no_torch(arguments):
    code = (
        "import sys; from lesionkit.cli import main; "
        f"main({arguments}); print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == "False\n"
    assert done.stdout


def test_the_installed_command_gives_its_status_to_the_shell(tmp_path):
    script = Path(sys.executable).with_name("lesionkit")
    done = subprocess.run([script, "los"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lesionkit: unknown command 'los'")


def test_thresholds_writes_the_page_and_the_bundle_of_a_bundle(command, tmp_path):
    made = made_comparison().save(tmp_path / "made.npz")
    page, copy = tmp_path / "page.html", tmp_path / "copy.npz"
    result = command(
        "thresholds", str(made), "--html", str(page), "--bundle", str(copy)
    )
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [str(page), str(copy)]
    assert "made, by hand, repeat 0" in page.read_text()
    assert load_bundle(copy).files == made_comparison().files


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["nowhere.npz"], "no bundle at ", 1),
        (["--image", "smalest"], "unknown image 'smalest'. Did you mean 'smallest'", 2),
        (["--only", "dataset=toy"], "chooses among run records", 2),
        (["--port", "99999"], "99999 is not in the range 0<=x<=65535", 2),
    ],
)
def test_thresholds_refuses_in_one_line(command, arguments, said, code):
    result = command("thresholds", *arguments)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_thresholds_of_several_comparisons_asks_which_to_write(
    command, tiny, tmp_path, data_home
):
    for repeat in (0, 1):
        config = RunConfig(loss="dice", dataset="tiny", size=32, repeat=repeat)
        complete_record(config)
    page = tmp_path / "page.html"
    result = command("thresholds", str(data_home / "runs"), "--html", str(page))
    assert result.code == 2
    assert "2 comparisons (tiny, unet, repeat 0; tiny, unet, repeat 1)" in result.err
    assert not page.exists()


def test_thresholds_serves_the_notebook_with_the_arguments(command, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "lesionkit.serving.serve", lambda *given, **how: calls.append((given, how))
    )
    result = command("thresholds", "--image", "worst", "--port", "0", "--no-browser")
    assert result.code == 0
    (((name, values), how),) = calls
    assert name == "05_thresholds"
    assert values == {"source": "", "only": "", "image": "worst"}
    assert (how["port"], how["browser"]) == (0, False)
