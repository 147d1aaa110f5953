"""What is exported is the network of the record, or nothing is left."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from every_model import DEFAULTS, seeded
from made_models import list_small_model
from safetensors.torch import save

import lesionkit as lk
from lesionkit import catalogue
from lesionkit.cli import main
from lesionkit.config import RunConfig
from lesionkit.export import network as exporting
from lesionkit.export.network import FORMATS, FromPixels, compare, graph_of
from lesionkit.models import build_model
from lesionkit.records import runs
from lesionkit.records.files import sha256
from lesionkit.records.runs import RunRecord
from lesionkit.training.experiment import run

IN_CI = ("unet", "emcadnet", "enet")  # half a minute and more of a core for each
MARKS = {True: pytest.mark.slow, False: pytest.mark.long}
SMALL = {"dataset": "tiny", "size": 32, "epochs": 2, "batch_size": 4, "model": "small"}


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network stands in the catalogue."""
    list_small_model(monkeypatch)


def train(**parameters) -> RunRecord:
    """A short run on the tiny set."""
    return run(RunConfig(**(SMALL | parameters)), progress=False)


onnx_is_slow = pytest.param("onnx", marks=pytest.mark.slow)  # to import, above all


@pytest.mark.parametrize("how", [{}, {"normalise": "imagenet"}])
@pytest.mark.parametrize("format", ["torch", onnx_is_slow])
def test_the_exported_file_gives_the_logits_of_the_record(
    tiny: str, tmp_path, format: str, how: dict
) -> None:
    record = train(**how)
    made = lk.export_model(record, tmp_path, format=format)
    data, found = lk.open_prepared("tiny", size=32), lk.replay(record)
    where = [data.index["file"].tolist().index(name) for name in found.files]
    logits = FORMATS[format].load(made.path)(np.array(data.images[where]))
    # the same sums in another order, on logits below 10
    np.testing.assert_allclose(logits[:, 0], found.logits, atol=1e-5)


def test_the_facts_beside_the_file_are_true(tiny: str, tmp_path) -> None:
    record = train(keep_weights="half")
    made = lk.export_model(record.folder, tmp_path / "new", format="torch")
    facts = json.loads((tmp_path / "new/model.pt2.json").read_text())
    assert facts == made.facts
    assert (facts["bytes"], facts["sha256"]) == (
        made.path.stat().st_size,
        sha256(made.path),
    )
    assert facts["input"]["shape"] == ["N", 32, 32, 3]
    assert facts["output"]["shape"] == ["N", 1, 32, 32]
    assert facts["weights"].startswith("half")
    assert facts["run_id"] == record.config["run_id"]
    check = facts["check"]
    assert check["images_of"] == "the first test images of tiny"
    assert check["images"] == 4
    assert check["pixels"] == 4 * 32 * 32
    assert check["pixels_that_differ"] == 0
    inside = {"lesionkit.json": ""}
    torch.export.load(made.path, extra_files=inside)
    assert json.loads(inside["lesionkit.json"])["run_id"] == facts["run_id"]
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "model.pt2",
        "model.pt2.json",
    ]


def test_a_program_gets_the_masks_of_the_run_by_the_facts_alone(
    tiny: str, tmp_path
) -> None:
    """Every line of the JSON is obeyed as another program would."""
    record = train()
    made = lk.export_model(record, tmp_path, format="torch")
    facts = json.loads((tmp_path / "model.pt2.json").read_text())
    takes, gives, rule = facts["input"], facts["output"], facts["threshold"]
    assert (takes["name"], takes["layout"]) == ("image", "NHWC, RGB")
    assert (takes["dtype"], takes["values"]) == (
        "uint8",
        "0 to 255, as decoded: do not scale them",
    )
    shape = [5 if n == "N" else n for n in takes["shape"]]
    images = np.random.default_rng(0).integers(0, 256, shape).astype(takes["dtype"])
    logits = FORMATS["torch"].load(made.path)(images)
    assert list(logits.shape) == [5 if n == "N" else n for n in gives["shape"]]
    assert (str(logits.dtype), gives["name"]) == (gives["dtype"], "logits")
    assert gives["meaning"] == "before the sigmoid, of the lesion"
    assert rule["rule"] == "probability"
    name, sign, number = rule["lesion_if"].split()
    lesion = {">=": np.greater_equal, "<": np.less}[sign](logits, float(number))
    assert (name, 1 / (1 + np.exp(-float(number)))) == ("logit", rule["cut"])
    assert facts["classes"][1] == "lesion"  # what is marked, 1 in a mask
    mine = lk.predict(record, list(images), rule=rule["rule"])
    assert np.array_equal(lesion[:, 0], np.stack(mine) == 1)
    assert 0 < lesion.mean() < 1


def test_the_facts_name_the_run_its_data_and_their_terms(tiny: str, tmp_path) -> None:
    config = RunConfig(model="small", dataset="kvasir", size=32, loss="iou")
    folder = record_of(config)
    facts = lk.export_model(folder, tmp_path, format="torch").facts
    asked = config.identity()
    assert {name: facts[name] for name in ("dataset", "loss", "variant")} == {
        "dataset": "kvasir",
        "loss": "iou",
        "variant": asked["variant"],
    }
    assert facts["network"] == "small"
    assert (facts["definition"], facts["trained_in"]) == (
        asked["definition"],
        asked["dtype"],
    )
    assert facts["data_fingerprint"] == "made"
    assert facts["data_terms"] == catalogue.DATASETS["kvasir"].licence
    assert facts["weights"] == "best"
    assert facts["preprocessing"]["resize"].startswith("bilinear to 32 x 32")
    assert facts["preprocessing"]["scaling"] == "inside the file: divided by 255"
    own = record_of(RunConfig(model="small", dataset=tiny, size=32))
    mine = lk.export_model(own, tmp_path / "own", format="torch").facts
    assert mine["data_terms"] == "yours"


def test_pixels_of_16_bits_are_told_with_their_own_range() -> None:
    images = np.zeros((1, 8, 4, 1), np.uint16)
    facts = exporting._in_and_out(images, "nearest", "unit")
    assert facts["input"] | {"name": ""} == {
        "name": "",
        "dtype": "uint16",
        "shape": ["N", 8, 4, 1],
        "layout": "NHWC, grey",
        "values": "0 to 65535, as decoded: do not scale them",
    }
    assert facts["output"]["shape"] == ["N", 1, 8, 4]
    assert facts["preprocessing"]["resize"].startswith("nearest to 8 x 4,")
    assert facts["preprocessing"]["scaling"] == "inside the file: divided by 65535"


def record_of(config: RunConfig, channels: int = 3):
    """A made record with first weights, of a set that is not prepared here."""
    from made_records import made_record

    folder = made_record(config, sealed=False)
    torch.manual_seed(0)
    model = build_model(config.model, variant="small", in_channels=channels)
    runs.store_weights(folder, save(model.state_dict()))
    runs.finish(folder)
    return folder


def test_random_pixels_stand_in_for_a_set_that_is_not_here(tmp_path) -> None:
    config = RunConfig(model="small", dataset="lungct", size=32)
    made = lk.export_model(record_of(config, channels=1), tmp_path, format="torch")
    assert made.facts["input"]["shape"] == ["N", 32, 32, 1]
    assert made.facts["input"]["layout"] == "NHWC, grey"
    assert made.facts["check"]["images"] == 16
    assert "random pixels" in made.facts["check"]["images_of"]


def test_a_run_without_weights_is_refused_in_one_line(
    tiny: str, tmp_path, capsys
) -> None:
    record = train(keep_weights="none")
    with pytest.raises(SystemExit) as end:
        main(["export", str(record.folder), "-o", str(tmp_path / "out")])
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "no weights to export (keep_weights none)" in line
    assert not (tmp_path / "out").exists()


def test_what_is_no_record_or_a_changed_one_is_refused(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="no finished run"):
        lk.export_model(tmp_path, tmp_path)
    folder = record_of(RunConfig(model="small", dataset="kvasir", size=32))
    (folder / "history.csv").write_text("epoch\n")
    with pytest.raises(ValueError, match="history.csv is 6 bytes"):
        lk.export_model(folder, tmp_path)


def test_an_unknown_format_gets_the_nearest_name(tmp_path) -> None:
    with pytest.raises(ValueError, match="unknown format 'onx'. Did you mean 'onnx'"):
        lk.export_model(tmp_path, tmp_path, format="onx")


def test_a_missing_package_says_which_extra_has_it(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="uv sync --extra onnx, or pip"):
        exporting.import_onnx()


def test_logits_beyond_the_tolerance_leave_no_file(tmp_path, monkeypatch) -> None:
    folder = record_of(RunConfig(model="small", dataset="kvasir", size=32))
    plain = FORMATS["torch"]
    bent = exporting.Format(
        ".pt2",
        plain.save,
        lambda path: lambda images: plain.load(path)(images) + 0.001,
    )
    monkeypatch.setitem(FORMATS, "torch", bent)
    with pytest.raises(ValueError, match="differ from the network's by up to 0.001"):
        lk.export_model(folder, tmp_path / "out", format="torch")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [np.nan, 1.1e-4, -1.1e-4])
def test_the_comparison_refuses_what_is_not_the_same(wrong: float) -> None:
    images = np.full((3, 2, 2, 1), 255, np.uint8)

    def bent(some: np.ndarray) -> np.ndarray:
        logits = some[..., 0][:, None] / np.float32(255)
        if len(some) > 1:  # not in the first batch, which is of one image
            logits[-1, 0, 1, 1] += wrong
        return logits

    with pytest.raises(ValueError, match="no file is left"):
        compare(FromPixels(torch.nn.Identity()), bent, images)


def test_the_comparison_counts_pixels_whose_mask_differs() -> None:
    images = np.zeros((6, 2, 2, 1), np.uint8)
    found = compare(
        FromPixels(torch.nn.Identity()),
        lambda some: np.full((len(some), 1, 2, 2), -5e-5, np.float32),
        images,
    )
    assert (found["pixels"], found["pixels_that_differ"]) == (24, 24)
    assert found["largest_difference"] == pytest.approx(5e-5)


def test_16_bits_are_divided_by_their_own_largest_value() -> None:
    image = torch.full((1, 2, 2, 1), 65535, dtype=torch.uint16)
    assert FromPixels(torch.nn.Identity())(image).tolist() == [[[[1.0] * 2] * 2]]


@pytest.mark.slow
@pytest.mark.parametrize("bits", ["uint8", "uint16"])
def test_a_network_of_either_depth_goes_to_onnx(tmp_path, bits: str) -> None:
    model = FromPixels(build_model("small")).eval()
    random = np.random.default_rng(0)
    images = random.integers(0, np.iinfo(bits).max, (3, 8, 8, 3), dtype=bits)
    path = tmp_path / "model.onnx"
    FORMATS["onnx"].save(graph_of(model, images, "small"), path, {})
    assert compare(model, FORMATS["onnx"].load(path), images)["images"] == 3


@pytest.mark.parametrize(
    ("name", "variant"),
    [pytest.param(*pair, marks=MARKS[pair[0] in IN_CI]) for pair in DEFAULTS],
)
def test_every_network_exports_in_both_formats(tmp_path, name, variant) -> None:
    side = catalogue.MODELS[name].variants[variant].nearest(64)
    model = FromPixels(seeded(name, variant)).eval()
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (4, side, side, 3), dtype=np.uint8)
    graph = graph_of(model, images, name)
    for made in FORMATS.values():
        path = tmp_path / f"model{made.suffix}"
        made.save(graph, path, {})
        found = compare(model, made.load(path), images)
        assert found["images"] == 4
        assert found["largest_logit"] > 0


def test_a_missing_package_is_told_before_anything_is_read(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="the format onnx needs the extra"):
        lk.export_model(tmp_path / "no record", tmp_path)


def test_the_facts_say_how_pixels_are_scaled_in_the_file(tiny: str, tmp_path) -> None:
    record = train(normalise="imagenet")
    facts = lk.export_model(record, tmp_path, format="torch").facts
    assert facts["preprocessing"]["scaling"] == (
        "inside the file: divided by 255, less (0.485, 0.456, 0.406), divided by"
        " (0.229, 0.224, 0.225), channel by channel"
    )
