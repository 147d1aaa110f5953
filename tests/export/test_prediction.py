"""Masks of new images are those that the runs would be scored with."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from made_commands import command as command
from made_models import list_small_model
from PIL import Image
from torch.nn.functional import interpolate

import lesionkit as lk
from lesionkit import masks
from lesionkit.config import RunConfig
from lesionkit.datasets.pictures.resizing import resize_image
from lesionkit.export import inputs, outputs, prediction
from lesionkit.export.network import FORMATS, export_model, network_of
from lesionkit.papers.threshold_study import best_validation_cut
from lesionkit.prepared.loading import normalised
from lesionkit.records.runs import RunRecord
from lesionkit.training.experiment import run

SMALL = {"dataset": "tiny", "size": 32, "epochs": 2, "batch_size": 4, "model": "small"}


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network stands in the catalogue."""
    list_small_model(monkeypatch)


@pytest.fixture
def record(tiny: str, request: pytest.FixtureRequest) -> RunRecord:
    """A short run on the tiny set, with parameters of a test's own."""
    own = getattr(request, "param", {})
    return run(RunConfig(**SMALL, **own), progress=False)


@pytest.fixture
def tests(record: RunRecord, tmp_path: Path) -> Path:
    """The run's test images and their masks as PNG, at the size of the run."""
    data = lk.open_prepared("tiny", size=32)
    names = list(record.images["file"].unique())
    for part in ("images", "masks"):
        (tmp_path / "own" / part).mkdir(parents=True)
    for name in names:
        at = data.index["file"].tolist().index(name)
        stem = Path(name).stem
        Image.fromarray(np.array(data.images[at]).squeeze()).save(
            tmp_path / f"own/images/{stem}.png"
        )
        Image.fromarray(255 * np.array(data.masks[at])).save(
            tmp_path / f"own/masks/{stem}.png"
        )
    return tmp_path / "own"


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    """A random image."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def logits_at(record: RunRecord, image: np.ndarray) -> torch.Tensor:
    """What the network says at the size of the run, (1, 1, 32, 32)."""
    small = resize_image(image, 32, "bilinear")
    with torch.inference_mode():
        return network_of(record, 3).eval()(
            normalised(torch.from_numpy(small[None]), normalise="unit")
        )


@pytest.mark.parametrize("record", [{}, {"normalise": "imagenet"}], indirect=True)
@pytest.mark.parametrize("rule", ["probability", "raw_mean"])
def test_masks_of_test_images_have_the_counts_of_the_record(record, tests, rule):
    network = prediction.Ensemble.of(record, rule)
    found = {p.name: p.scores() for p in network.run(inputs.items_of(tests))}
    scored = record.images[record.images["threshold"] == rule]
    assert len(found) == len(scored) > 2
    for row in scored.to_dict("records"):
        mine = found[Path(row["file"]).stem]
        for name in ("tp", "fp", "fn", "tn", "dice", "iou"):
            assert mine[name] == pytest.approx(row[name], nan_ok=True), name


def test_the_runs_own_test_images_come_with_their_ground_truth(record):
    items = inputs.items_of_run(record)
    found = [p.scores() for p in prediction.Ensemble.of(record, "raw_mean").run(items)]
    rows = record.images[record.images["threshold"] == "raw_mean"]
    assert [item.name for item in items] == [Path(f).stem for f in rows["file"]]
    for mine, row in zip(found, rows.to_dict("records"), strict=True):
        assert [mine[n] for n in ("tp", "fp", "fn")] == [
            row["tp"],
            row["fp"],
            row["fn"],
        ]


@pytest.mark.parametrize("format", ["onnx", "torch"])
def test_an_exported_network_gives_the_same_masks(record, tmp_path, format):
    if format == "onnx":
        pytest.importorskip("onnxruntime")
    made = export_model(record, tmp_path / "out", format=format)
    logits = FORMATS[format].load(made.path)
    images = [picture(32, 32, 3, seed=seed) for seed in range(6)]
    images += [item.read()[0] for item in inputs.items_of_run(record)]
    theirs = logits(np.stack(images))[:, 0] >= 0
    mine = np.stack(lk.predict(record, images))
    assert 0 < mine.mean() < 1
    assert np.array_equal(theirs, mine)


def test_a_mask_has_its_images_own_size_and_is_cut_there(record):
    image = picture(40, 70, 3)
    (mask,) = lk.predict(record, image)
    assert (mask.shape, mask.dtype) == ((40, 70), np.uint8)
    large = interpolate(logits_at(record, image).double(), (40, 70), mode="bilinear")
    assert np.array_equal(mask, (large[0, 0] >= 0).numpy())
    assert 0 < mask.mean() < 1


@pytest.mark.parametrize(
    ("rule", "cut"),
    [
        ("raw_mean", lambda record, logits: masks.raw_mean_cut(logits)),
        ("otsu", lambda record, logits: masks.otsu_cut(logits)),
        ("best_validation", lambda record, logits: best_validation_cut(record)),
    ],
)
def test_each_rule_cuts_where_it_says(record, rule, cut):
    image = picture(32, 32, 3)
    (mask,) = lk.predict(record, image, rule=rule)
    logits = logits_at(record, image).double()
    where = float(cut(record, logits.float()))
    found = logits >= where if rule == "best_validation" else logits > where
    assert np.array_equal(mask, found[0, 0].numpy())


def test_several_runs_vote_by_their_mean_probability(tiny):
    records = [run(RunConfig(**SMALL, repeat=k), progress=False) for k in (0, 1)]
    image = picture(32, 32, 3)
    several = [logits_at(each, image)[0, 0].double().sigmoid() for each in records]
    both = torch.stack(several)
    network = prediction.Ensemble.of([each.folder for each in records], "probability")
    (found,) = network.run(inputs.items_of(image))
    assert found.probability == pytest.approx(both.mean(0).numpy(), abs=1e-6)
    assert found.spread == pytest.approx(both.std(0, correction=0).numpy(), abs=1e-6)
    assert np.array_equal(found.mask, (both.mean(0) >= 0.5).numpy())
    assert found.spread.max() > 0
    (single,) = lk.predict(records[:1], image)
    assert not np.array_equal(single, found.mask)


def test_grey_and_sixteen_bits_are_taken_as_prepare_takes_them(record):
    grey = picture(32, 32, 1)
    one, three, deep = lk.predict(
        record, [grey, np.repeat(grey, 3, 2), grey.astype(np.uint16) * 257]
    )
    assert np.array_equal(one, three)
    assert np.array_equal(one, deep)


def test_a_network_of_grey_images_takes_no_colours(record):
    member = prediction._member(record, "probability", "cpu")
    grey = replace(member, channels=1)
    assert prediction._scaled(grey, np.full((8, 8, 3), 7, np.uint8)).shape[2] == 1
    with pytest.raises(ValueError, match="trained on grey images, this one has colour"):
        prediction._scaled(grey, picture(8, 8, 3))


def test_pictures_of_a_folder_are_taken_but_for_its_masks(tmp_path):
    for name in ("a.png", "sub/b.png", "sub/b_mask.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(picture(8, 8)).save(tmp_path / name)
    found = inputs.items_of(tmp_path)
    assert [item.name for item in found] == ["a", "sub/b"]
    (tmp_path / "a_mask.png").write_bytes((tmp_path / "sub/b_mask.png").read_bytes())
    with_masks = inputs.items_of(tmp_path)
    assert all(item.read()[1] is not None for item in with_masks)


@pytest.mark.parametrize(
    ("files", "named", "says"),
    [
        (["ct.nii.gz"], "ct.nii.gz", "ct.nii.gz: not a NIfTI file"),
        (["notes.txt"], "notes.txt", "notes.txt is no picture; predict reads"),
        (["notes.txt"], "", r"no .png, .*\.nii\.gz file and no CT in"),
        (["Masks/a.png"], "", "images' folder alone"),
        (["a.png", "a.jpg"], "", "two images are called a: their masks would be one"),
        ([], "none.png", "no image and no folder at .*none.png"),
    ],
)
def test_what_is_no_image_is_refused_in_a_line(files, named, says, tmp_path):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises((ValueError, FileNotFoundError), match=says) as caught:
        inputs.items_of(tmp_path / named)
    assert "\n" not in str(caught.value)


def test_arrays_and_nifti_of_one_slice_are_pictures(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    image = picture(8, 6)
    np.save(tmp_path / "a.npy", image)
    plane = nibabel.Nifti1Image(image.T[..., None], np.diag([-1.0, -1.0, 1.0, 1.0]))
    nibabel.save(plane, tmp_path / "b.nii.gz")
    found = inputs.items_of(tmp_path)
    assert [item.name for item in found] == ["a", "b"]
    for item in found:
        assert item.volume is None
        assert np.array_equal(item.read()[0][..., 0], image)


def test_a_run_without_weights_and_an_unknown_rule_are_refused(tiny):
    bare = run(RunConfig(**SMALL, keep_weights="none"), progress=False)
    with pytest.raises(FileNotFoundError, match="no weights to predict with.*best"):
        lk.predict(bare, picture(8, 8, 3))
    with pytest.raises(ValueError, match="unknown rule 'otsue'.*mean 'otsu'"):
        lk.predict(bare, picture(8, 8, 3), rule="otsue")
    with pytest.raises(ValueError, match=r"must be \(H, W, 1\) or \(H, W, 3\)"):
        lk.predict(bare, picture(8, 8))


def test_the_command_writes_masks_and_scores(record, tests, tmp_path, command):
    out = tmp_path / "out"
    done = command("predict", record.folder, tests, "-o", out, "--json", "--overlay")
    assert done.code == 0
    rows = json.loads(done.out)
    scores = pd.read_csv(out / "scores.csv")
    assert scores["image"].tolist() == [row["image"] for row in rows]
    name = rows[0]["image"]
    mask = np.array(Image.open(out / rows[0]["mask"]))
    assert set(np.unique(mask)) <= {0, 255}
    assert rows[0]["marked"] == pytest.approx((mask == 255).mean())
    truth = np.array(Image.open(tests / f"masks/{Path(name).name}.png")) > 0
    assert scores["tp"].iloc[0] == ((mask > 0) & truth).sum()
    assert scores["fp"].iloc[0] == ((mask > 0) & ~truth).sum()
    some = next(row["image"] for row in rows if 0 < row["marked"] < 1)
    overlay = np.array(Image.open(out / f"{some}_overlay.png"))
    mask = np.array(Image.open(out / f"{some}.png"))
    drawn = (overlay == (0, 255, 0)).all(2)
    assert drawn[mask == 255].any()
    assert drawn.any() and not drawn.all()
    told = command("predict", record.folder, tests, "-o", out).out
    assert told.startswith(f"{len(rows)} masks in ")
    assert f"dice {scores['dice'].mean():.4f}" in told


def test_the_command_writes_probabilities_of_16_bits(record, tests, tmp_path, command):
    image = next((tests / "images").iterdir())
    out = tmp_path / "out"
    done = command("predict", record.folder, image, "-o", out, "--probability")
    assert done.code == 0
    stored = np.array(Image.open(out / f"{image.stem}_probability.png"))
    expected = logits_at(record, np.array(Image.open(image)))[0, 0].sigmoid().numpy()
    assert stored / 65535 == pytest.approx(expected, abs=1e-4)
    assert not (out / f"{image.stem}_spread.png").exists()
    assert not (out / "scores.csv").exists()
    same = command("predict", record.folder, tests, "-o", tests)
    assert (same.code, "holds the images" in same.err) == (2, True)
    assert not list(tests.glob("*.png"))


def test_the_newest_run_with_weights_is_taken(tiny, record):
    later = run(RunConfig(**SMALL, repeat=1), progress=False)
    bare = run(RunConfig(**SMALL, repeat=2, keep_weights="none"), progress=False)
    for age, made in enumerate((bare, later, record)):
        os.utime(made.folder / "DONE", (1e9 - age, 1e9 - age))
    (found,) = inputs.newest_run()
    assert found.folder == later.folder
    (later.folder / "best.safetensors").unlink()
    (record.folder / "best.safetensors").unlink()
    assert inputs.newest_run() == []


def test_a_run_that_is_not_there_is_told_before_the_images_are_read(command, tmp_path):
    (tmp_path / "broken.nii.gz").write_bytes(b"x")
    done = command("predict", tmp_path / "no_run", tmp_path, "-o", tmp_path / "masks")
    assert done.code == 1
    assert "no_run is no finished run (no file DONE)" in done.err


def test_a_mask_of_one_run_is_cut_at_its_logits_and_not_at_what_a_sigmoid_rounds():
    maps = [torch.tensor([[-1e-20, 1e-20, 0.0]], dtype=torch.float64)]
    image = np.zeros((1, 3, 3), np.uint8)
    with_tie, without = (
        prediction._prediction("a", image, None, maps, tie=tie) for tie in (True, False)
    )
    assert with_tie.mask.tolist() == [[0, 1, 1]]
    assert without.mask.tolist() == [[0, 1, 0]]
    assert with_tie.spread.tolist() == [[0, 0, 0]]


def test_where_several_runs_vote_their_spread_is_a_picture_of_16_bits(tmp_path):
    maps = [torch.tensor([[at, 0.0]], dtype=torch.float64) for at in (-50.0, 50.0)]
    image = np.zeros((1, 2, 3), np.uint8)
    found = prediction._prediction("a", image, None, maps, tie=True)
    outputs.write(found, tmp_path, probability=True)
    with Image.open(tmp_path / "a_spread.png") as picture:
        assert np.array(picture).tolist() == [[65535, 0]]  # 0.5, and none
    with Image.open(tmp_path / "a_probability.png") as picture:
        assert np.array(picture).tolist() == [[32768, 32768]]
