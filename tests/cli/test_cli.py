"""The commands: what they print, what they refuse, and their exit status."""

import errno
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from made_commands import command as command
from made_records import made_record

from lesionkit import catalogue, cli
from lesionkit.config import PARAMETERS, RunConfig
from lesionkit.records.runs import RunRecord
from lesionkit.training import experiment


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
    assert {rows[name]["definitions"] for name in catalogue.FURTHER_LOSSES} == {"any"}
    assert [n for n, r in rows.items() if not r["definitions"]] == []


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


def test_parameters_are_listed_with_type_default_and_meaning(command):
    rows = {row["name"]: row for row in json.loads(command("parameters", "--json").out)}
    asked = [n for n in PARAMETERS if not n.endswith(("_code", "_file"))]
    assert list(rows) == asked
    assert rows["epochs"] == {
        "name": "epochs",
        "type": "int",
        "default": RunConfig().resolved().epochs,
        "allowed": "1 or more",
        "meaning": "train for at most so many epochs",
    }
    paper = json.loads(command("parameters", "--protocol", "paper_a", "--json").out)
    assert {row["name"]: row["default"] for row in paper}["epochs"] == 200


@pytest.mark.parametrize("arguments", [("parameters",), ("train", "--help")])
def test_every_parameter_is_in_the_help_within_80_columns(command, arguments):
    lines = command(*arguments).out.splitlines()
    assert max(map(len, lines)) <= 80
    names = [line.split()[0] for line in lines if line[:1].isalpha()]
    assert {n for n in PARAMETERS if not n.endswith(("_code", "_file"))} <= {*names}
    text = " ".join(" ".join(lines).split())
    assert "Stop after so many epochs without a better one." in text
    assert "Allowed: adam, adamw. Default: adam." in text


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
    def made(config, **_):
        return RunRecord(made_record(config, 0.75))

    monkeypatch.setattr(experiment, "run", made)
    pairs = ["-p", "loss", "dice", "-p", "epochs", 2, "-p", "alpha", "None"]
    facts = json.loads(command("train", *pairs, "--json").out)
    assert facts["dice"] == 0.75
    assert facts["best_epoch"] == 2
    assert facts["record"] == str(RunConfig(loss="dice", epochs=2).folder)


def test_a_value_given_twice_is_the_last_one(command, monkeypatch):
    monkeypatch.setattr(experiment, "run", lambda c, **_: RunRecord(made_record(c)))
    result = command("train", "-p", "loss", "dice", "-p", "loss", "iou")
    assert "/iou/" in result.out


def test_a_finished_run_is_found_and_not_trained_again(command):
    folder = made_record(RunConfig(loss="dice"), 0.75)
    result = command("train", "-p", "loss", "dice")
    assert result.code == 0
    assert result.out.splitlines()[0].split() == ["dice", "0.7500"]
    assert result.out.splitlines()[-1].split() == ["record", str(folder)]


def test_being_stopped_is_one_line(command, monkeypatch):
    def stopped(config, **_):
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
    def broken(config, **_):
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
