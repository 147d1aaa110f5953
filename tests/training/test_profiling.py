"""Where the time of an epoch goes: parts, trace and figure."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from click.testing import CliRunner
from made_models import list_small_model

from lesionkit.cli import cli
from lesionkit.config import RunConfig
from lesionkit.figures.runs import epoch_parts
from lesionkit.training import building, evaluation, profiling, step
from lesionkit.training.profiling import PARTS, Watch, profile

SMALL = {"dataset": "tiny", "size": 32, "model": "small", "batch_size": 4}


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network stands in the catalogue."""
    list_small_model(monkeypatch)


def test_a_slow_loss_shows_as_forward_and_nowhere_else(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = step._objective

    def slow(*args):
        objective = plain(*args)
        return lambda *batch: time.sleep(0.05) or objective(*batch)

    monkeypatch.setattr(step, "_objective", slow)
    table = profile(RunConfig(**SMALL), tmp_path / "p").set_index("part")
    assert list(table.index) == list(PARTS)
    assert table["seconds"]["forward"] >= 3 * 0.05  # three batches of an epoch
    assert table["share"].idxmax() == "forward"
    assert table["share"].sum() == pytest.approx(1)


def test_a_slow_validation_shows_as_evaluation(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = evaluation.validation_counts

    def slow(*args, **how):
        time.sleep(0.2)
        return plain(*args, **how)

    monkeypatch.setattr(evaluation, "validation_counts", slow)
    table = profile(RunConfig(**SMALL), tmp_path / "p").set_index("part")
    assert table["seconds"]["evaluation"] >= 0.2
    assert table["share"].idxmax() == "evaluation"


def test_the_trace_names_every_part_once_a_step(tiny: str, tmp_path: Path) -> None:
    profile(RunConfig(**SMALL), tmp_path / "p")
    packed = (tmp_path / "p" / "trace.json.gz").read_bytes()
    trace = json.loads(gzip.decompress(packed))
    marks = [e["name"] for e in trace["traceEvents"] if e.get("ph") == "X"]
    assert [marks.count(part) for part in PARTS] == [2, 2, 2, 2, 1]


def test_a_profile_leaves_no_record(tiny: str, tmp_path: Path, data_home: Path) -> None:
    profile(RunConfig(**SMALL), tmp_path / "p")
    assert not (data_home / "runs").exists()


def test_the_figure_has_a_bar_a_part_with_its_seconds(
    tiny: str, tmp_path: Path
) -> None:
    table = profile(RunConfig(**SMALL), tmp_path / "p")
    (axis,) = epoch_parts(table).axes
    widths = [bar.get_width() for bar in axis.patches]
    assert widths == pytest.approx(table["seconds"].tolist())
    assert axis.texts[0].get_text().endswith("%")
    assert plt.get_fignums() == []  # closed, so that a notebook shows it once


def test_the_command_writes_trace_and_figure(tiny: str, tmp_path: Path) -> None:
    pairs = sum((["-p", name, str(value)] for name, value in SMALL.items()), [])
    command = ["train", *pairs, "--profile", str(tmp_path / "p"), "--json"]
    found = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert [row["part"] for row in json.loads(found.output)] == list(PARTS)
    names = sorted(path.name for path in (tmp_path / "p").iterdir())
    assert names == ["epoch.png", "trace.json.gz"]


def test_a_watch_adds_up_what_it_saw() -> None:
    watch = Watch(torch.device("cpu"))
    for _ in range(2):
        with watch("data"):
            time.sleep(0.02)
    assert 0.04 <= watch.seconds["data"] < 0.4
    assert watch.seconds["forward"] == 0


def test_a_folder_that_cannot_be_made_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    monkeypatch.setattr(profiling, "build", built.append)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        profile(RunConfig(), tmp_path / "file" / "here")
    assert built == []


def test_slow_changes_of_the_images_show_as_data(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*batch):
        time.sleep(0.05)
        return batch[:2]

    monkeypatch.setattr(building, "_augmentation", lambda *given: slow)
    table = profile(RunConfig(**SMALL), tmp_path / "p").set_index("part")
    assert table["seconds"]["data"] >= 3 * 0.05
