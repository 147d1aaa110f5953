"""benchmarks/study_table.py and study_images.py: what enters the study, and as what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from made_records import made_record

from lesionkit import published
from lesionkit.config import RunConfig
from lesionkit.records.runs import RunRecord
from lesionkit.sweeps.sweep import Sweep, read_sweep

FOCAL = {"focal", "ioufocal", "dicefocal", "bcefocal"}


@pytest.fixture
def study_table(script):
    """benchmarks/study_table.py as a module."""
    return script("study_table")


def runs_of(model: str, **given) -> list[RunConfig]:
    """Two losses of a network, two repeats each."""
    named = [(loss, repeat) for loss in ("iou", "bce") for repeat in (0, 1)]
    return [RunConfig(loss=x, model=model, repeat=k, **given) for x, k in named]


@pytest.fixture
def enet(data_home) -> list[RunConfig]:
    """The runs of a part, all of them finished."""
    configs = runs_of("enet", epochs=5, patience=2)
    for config in configs:
        made_record(config, 0.7 + 0.1 * config.repeat)
    return configs


@pytest.fixture
def theory(study_table, monkeypatch) -> None:
    """Gap and spread of the logits, by the place of an image in its record."""

    def made(record: RunRecord) -> pd.DataFrame:
        files = record.images["file"].drop_duplicates().to_numpy()
        gaps = 1.00049 + np.arange(len(files))
        return pd.DataFrame({"file": files, "gap": gaps, "spread": 2.00004})

    monkeypatch.setattr(study_table, "background_theory", made)


def test_a_part_is_finished_with_its_last_run(study_table, enet) -> None:
    unet = runs_of("unet")
    for config in unet[:3]:
        made_record(config)
    made_record(unet[3], sealed=False)
    grid = Sweep("two", (*unet, *enet, *runs_of("segnet")))
    finished, begun = study_table.parts_of(grid)
    assert finished == {("enet", "toy", "A-gamma2", "image"): enet}
    assert begun == {("unet", "toy", "A-gamma2", "image"): (3, 4)}


def test_parts_are_told_apart_by_definition_and_split(study_table, enet) -> None:
    other = [replace(config, split="group") for config in enet]
    focal = [replace(config, definition="A-printed") for config in enet]
    finished, begun = study_table.parts_of(Sweep("mine", (*enet, *other, *focal)))
    assert (list(finished), begun) == ([("enet", "toy", "A-gamma2", "image")], {})
    made_record(other[0])
    made_record(focal[0])
    begun = study_table.parts_of(Sweep("mine", (*other, *focal)))[1]
    assert begun == {
        ("enet", "toy", "A-gamma2", "group"): (1, 4),
        ("enet", "toy", "A-printed", "image"): (1, 4),
    }


def test_a_row_has_the_scores_of_its_run_under_both_rules(study_table, enet) -> None:
    table = study_table.table_of(enet, "a processor")
    assert list(table["dice"]) == [0.7, 0.8, 0.7, 0.8]
    assert list(table["raw_mean_dice"]) == [0.68, 0.78, 0.68, 0.78]
    assert set(table["background"]) == {0.083333}  # one false pixel of twelve
    assert set(table["raw_mean_background"]) == {0.083333}
    assert set(table["epoch_limit"]) == {5} and set(table["epochs_trained"]) == {3}
    assert set(table["wall_seconds"]) == {36.0}
    assert "folder" not in table  # a table of facts names no place on a machine


def test_parts_that_were_trained_elsewhere_stay_in_the_order_of_the_sweep(
    study_table, enet, tmp_path
) -> None:
    unet = runs_of("unet", epochs=5, patience=2)
    for config in unet:
        made_record(config, 0.9)
    path = tmp_path / "table.csv"
    assert study_table.earlier(path) == {}
    study_table.write(study_table.table_of(unet, "another machine"), path)
    before = path.read_bytes()
    parts = study_table.earlier(path)
    parts[("enet", "toy", "A-gamma2", "image")] = study_table.table_of(enet, "this")
    grid = Sweep("two", (*enet, *runs_of("segnet"), *unet))
    first, second = study_table.in_order(grid, parts)
    assert set(first["model"]) == {"enet"}
    study_table.write(second, path)
    assert path.read_bytes() == before


def test_the_processor_stands_where_a_run_was_on_it(
    study_table, enet, monkeypatch
) -> None:
    load = study_table.load_table
    devices = iter(["cpu", "a GPU", "cpu", "cpu"])
    monkeypatch.setattr(
        study_table, "load_table", lambda f: load(f).assign(hardware=next(devices))
    )
    table = study_table.table_of(enet, "a processor")
    assert list(table["hardware"]) == ["a processor", "a GPU", *["a processor"] * 2]


@dataclass
class Curve:
    """What late_rise reads of a record."""

    curve: list[float]

    @property
    def history(self) -> pd.DataFrame:
        return pd.DataFrame({"validation_dice": self.curve})


@pytest.mark.parametrize(
    ("curve", "rise"),
    [
        ([0.1, 0.5, 0.4, 0.4, 0.3], 0.0),
        ([0.1, 0.5, 0.4, 0.4, 0.6], 0.1),
        ([0.1, 0.5, 0.4, 0.6, 0.6], 0.0),
        ([0.1] * 7 + [0.2, 0.5, 0.4], 0.3),  # the last two of ten
        ([0.1] * 7 + [0.5, 0.2, 0.4], 0.0),
        ([0.4], 0.4),
    ],
)
def test_the_late_rise_is_that_of_the_last_fifth(study_table, curve, rise) -> None:
    assert study_table.late_rise(Curve(curve)) == pytest.approx(rise)


def test_the_late_rise_is_read_from_the_record(study_table, enet) -> None:
    record = RunRecord(enet[0].folder)  # 0.3, 0.7, 0.6
    assert study_table.late_rise(record) == 0
    assert list(study_table.table_of(enet, "here")["late_rise"]) == [0] * 4


def test_a_line_tells_how_late_the_curves_rose(study_table, enet) -> None:
    table = study_table.table_of(enet, "here").assign(late_rise=[0, 0, 0.02, 0.04])
    line = study_table.line_of(table)
    assert "| enet | toy | A-gamma2 | image | 4 | 2 | 0.010 | 2 of 4 |" in line
    assert line.endswith("| 0.750 to 0.750 |")


def test_losses_come_by_their_mean_over_the_sets(study_table) -> None:
    rows = [("b", "iou", 0.2), ("a", "iou", 0.4), ("b", "bce", 0.5), ("a", "bce", 0.3)]
    table = pd.DataFrame(rows, columns=["dataset", "loss", "dice"])
    table["model"] = "enet"
    part = pd.DataFrame(
        [{"dataset": "a", "loss": "iou", "dice": 0.9, "model": "other"}]
    )
    table = pd.concat([table, part], ignore_index=True)  # of a network on one set
    assert study_table.losses_of(table) == [
        "| loss | b | a | mean |",
        "|---|---|---|---|",
        "| bce | 0.500 | 0.300 | 0.400 |",
        "| iou | 0.200 | 0.400 | 0.300 |",
    ]


def test_parts_that_were_still_rising_are_named(study_table, enet) -> None:
    flat = study_table.table_of(enet, "here")
    assert study_table.flatness([flat]).endswith("below 0.01: flat.")
    rising = flat.assign(late_rise=[0, 0.02, 0.02, 0], dataset="kvasir")
    told = study_table.flatness([flat, rising])
    assert told.startswith("Still rising") and told.endswith(
        "or more): enet, kvasir, A-gamma2, image."
    )


def test_the_same_records_give_the_same_bytes(study_table, enet, tmp_path) -> None:
    for name in ("one.csv", "two.csv"):
        study_table.write(study_table.table_of(enet, "here"), tmp_path / name)
    one, two = ((tmp_path / name).read_bytes() for name in ("one.csv", "two.csv"))
    assert one == two and b"\r" not in one and one.count(b"\n") == 5


def test_the_script_writes_the_table_and_the_page_and_tells_what_is_open(
    study_table, enet, theory, tmp_path, monkeypatch, capsys
) -> None:
    unet = runs_of("unet")
    made_record(unet[0])
    table, page = tmp_path / "table.csv", tmp_path / "page.md"
    page.write_text("a\n<!-- parts: begin -->\nold\n<!-- parts: end -->\nb\n")
    monkeypatch.setattr(study_table.published, "STUDY", table)
    images = tmp_path / "images.csv.gz"
    monkeypatch.setattr(study_table.published, "STUDY_IMAGES", images)
    monkeypatch.setattr(study_table, "PAGE", page)
    readme = tmp_path / "README.md"
    readme.write_text("<!-- study: begin -->\n<!-- study: end -->\n")
    monkeypatch.setattr(study_table, "README", readme)
    grid = Sweep("two", (*unet, *enet))
    monkeypatch.setattr(study_table, "read_sweep", {"study_small.yaml": grid}.get)
    monkeypatch.setattr("sys.argv", ["study_table.py", "--hardware", "a machine"])
    study_table.main()
    assert list(pd.read_csv(table)["model"]) == ["enet"] * 4
    assert set(pd.read_csv(images)["model"]) == {"enet"}
    text = page.read_text()
    assert "| enet | toy |" in text and "old" not in text
    assert "4 runs, 0.0 hours of one core (a machine)." in text
    head, _, *rows = readme.read_text().splitlines()[1:-1]
    assert head == "| loss | toy | mean |"
    assert sorted(rows) == ["| bce | 0.750 | 0.750 |", "| iou | 0.750 | 0.750 |"]
    told = capsys.readouterr().out.splitlines()[-1]
    assert told == "not in the table: unet toy A-gamma2 image, 1 of 4 runs"


def test_the_counts_of_each_image_are_kept_under_both_rules(
    study_table, enet, theory, tmp_path, monkeypatch
) -> None:
    split = RunRecord(enet[1].folder).split
    hashes = [sha256(file.encode()).hexdigest() for file in split["file"]]
    monkeypatch.setattr(RunRecord, "split", split.assign(content_hash=hashes))
    table = study_table.images_of(enet)
    record = RunRecord(enet[1].folder)
    mine = table[(table["loss"] == "iou") & (table["repeat"] == 1)]
    hashes = record.split.set_index("file")["content_hash"]
    for rule, found in record.images.groupby("threshold"):
        kept = mine[mine["rule"] == rule]
        digits = found["file"].map(hashes).str[:12]
        gaps = dict(zip(digits, 1.0 + np.arange(len(digits)), strict=True))
        assert dict(zip(kept["image"], kept["gap"], strict=True)) == gaps
        assert set(kept["spread"]) == {2.0}
        expected = found[["tp", "fp", "fn", "tn"]].assign(image=digits)
        assert sorted(kept[[*expected]].itertuples(index=False, name=None)) == sorted(
            expected.itertuples(index=False, name=None)
        )
    path = tmp_path / "images.csv.gz"
    study_table.write(table, path)
    monkeypatch.setattr(published, "STUDY_IMAGES", path)
    (part,) = study_table.earlier(path).values()
    pd.testing.assert_frame_equal(part.reset_index(drop=True), table)
    again = path.read_bytes()
    study_table.write(table, path)
    assert path.read_bytes() == again
    images = published.study_images("raw_mean")
    assert (2 * images["tp"] / (2 * images["tp"] + images["fp"] + images["fn"])).equals(
        images["dice"]
    )
    with pytest.raises(ValueError, match="unknown rule 'otsu'"):
        published.study_images("otsu")


def test_without_a_finished_part_nothing_is_written(
    study_table, data_home, tmp_path, monkeypatch
) -> None:
    for name in ("STUDY", "STUDY_IMAGES"):
        monkeypatch.setattr(study_table.published, name, tmp_path / "table.csv")
    grid = Sweep("one", tuple(runs_of("unet")))
    monkeypatch.setattr(study_table, "read_sweep", {"study_small.yaml": grid}.get)
    monkeypatch.setattr("sys.argv", ["study_table.py"])
    with pytest.raises(SystemExit, match="no part is finished; begun: none"):
        study_table.main()
    assert not (tmp_path / "table.csv").exists()


def test_the_sweep_has_each_part_whole_and_in_the_order_of_its_worth() -> None:
    configs = read_sweep("study_small.yaml").configs
    facts = [c.identity() for c in configs]
    assert len(configs) == 570
    first = [(f["model"], f["dataset"], f["definition"], f["split"]) for f in facts]
    sets = ["kvasir", "clinicdb", "busi", "wound", "isic2017"]
    parts = list(dict.fromkeys(first))
    assert parts[:5] == [("enet", name, "A-gamma2", "image") for name in sets]
    assert parts[5][0] == "esfpnet" and len(parts) == 25
    assert [first.index(part) for part in parts] == sorted(map(first.index, parts))
    for fact in facts:
        if fact["definition"] != "A-gamma2":
            assert fact["loss"] in FOCAL
        assert fact["epochs"] == (120 if fact["dataset"] == "busi" else 40)
        assert fact["stop_rule"] == "never"  # patience ended runs that had not learned
        assert (fact["learning_rate"], fact["batch_size"]) == (1e-3, 8)


class Named:
    """A sample with a name, and a mask of one pixel that is lesion or not."""

    def __init__(self, name: str, lesion: bool = True) -> None:
        self.name, self.lesion = name, lesion

    def read(self):
        mask = np.full((1, 1), int(self.lesion), np.uint8)
        return np.zeros((1, 1, 3), np.uint8), mask


def test_images_are_chosen_by_the_hash_of_their_names(script) -> None:
    study_images = script("study_images")
    samples = [Named(f"images/{i}.jpg") for i in range(6)]
    names = [s.name for s in study_images.chosen(samples, "kvasir", 3)]
    assert names == ["images/1.jpg", "images/3.jpg", "images/0.jpg"]
    backwards = study_images.chosen(samples[::-1], "kvasir", 3)
    assert [s.name for s in backwards] == names
    assert len(study_images.chosen(samples, "busi", 3)) == 6


def test_wounds_without_lesion_come_beside_those_with_one(script) -> None:
    study_images = script("study_images")
    samples = [Named(f"{i}.png", lesion=i % 2 == 0) for i in range(8)]
    found = study_images.chosen(samples, "wound", 2)
    assert [sample.lesion for sample in found] == [True] * 2 + [False] * 4
