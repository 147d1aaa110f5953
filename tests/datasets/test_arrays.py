"""Masks and images as arrays: .npy, .npz, NIfTI of one slice, nnU-Net, parquet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_annotations import (
    COUNT,
    check_truth,
    image,
    mask,
    masks,
    parts,
    pixels,
    truth,
    write,
)
from made_own_folder import refusal
from PIL import Image

from lesionkit.datasets import folder
from lesionkit.datasets.pictures.arrays import decoded, is_plane, raster_of
from lesionkit.extras import install

nibabel = pytest.importorskip("nibabel", reason="NIfTI needs the extra ct")
ITK = np.diag([-1.0, -1.0, 1.0, 1.0])


def npy(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)


def nifti(path: Path, values: np.ndarray, affine: np.ndarray = ITK) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = np.swapaxes(values, 0, 1)[:, :, None]
    nibabel.save(nibabel.Nifti1Image(stored, affine), path)


# the image's and the mask's array of their values
KINDS: dict[str, tuple[Any, Any]] = {
    "bytes and truth values": (lambda v: v, lambda m: m.astype(bool)),
    "fractions": (lambda v: (v / 255).astype(np.float32), lambda m: m),
    "whole numbers as fractions": (
        lambda v: v.astype(float),
        lambda m: m.astype(float),
    ),
    "int64": (lambda v: v.astype(np.int64), lambda m: m.astype(np.int64)),
    "channels first": (lambda v: np.moveaxis(v, 2, 0), lambda m: m[None]),
    "a channel last": (lambda v: v, lambda m: m[..., None] * 255),
}


@pytest.mark.parametrize("case", KINDS)
def test_arrays_of_each_kind_are_read(case: str, tmp_path: Path) -> None:
    of_image, of_mask = KINDS[case]
    for i in range(COUNT):
        npy(tmp_path / "imgs" / f"{i}.npy", of_image(pixels(i)))
        npy(tmp_path / "gts" / f"{i}.npy", of_mask(truth(i)))
    check_truth(tmp_path)
    for i, sample in enumerate(folder.samples(tmp_path)):
        np.testing.assert_array_equal(sample.read()[0], pixels(i))


def test_sixteen_bits_stay_what_they_are(tmp_path: Path) -> None:
    values = np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50
    npy(tmp_path / "images" / "a.npy", values)
    npy(tmp_path / "masks" / "a.npy", truth(0).astype(np.uint16) * 65535)
    ((shown, marked),) = (sample.read() for sample in folder.samples(tmp_path))
    assert shown.dtype == np.uint16
    np.testing.assert_array_equal(shown[..., 0], values)
    np.testing.assert_array_equal(marked, truth(0))


GREY = pixels(0)[..., 0]
ODD: dict[str, tuple[np.ndarray, str]] = {
    "HU": (GREY.astype(float) - 500, "chest CT in HU is the data set lungct"),
    "between": (GREY / 3.0, "fractions from 0 to 1"),
    "too large": (GREY.astype(int) * 1000, "whole numbers from 0 to 65535"),
    "8 or 16 bits": (GREY.astype(np.int16), "of 8 or of 16 bits?"),
    "16 bits in 64": (GREY.astype(int) * 9, "of 8 or of 16 bits?"),
    "0 and 1 as fractions": (truth(0).astype(float), "black and white or nearly black"),
    "NaN": (np.full((30, 40), np.nan), "values like NaN"),
    "empty": (np.zeros((0, 40), np.uint8), "that is empty"),
    "a stack": (np.zeros((5, 30, 40), np.uint8), "an array of shape (5, 30, 40)"),
    "text": (np.full((30, 40), "a"), "are no image"),
    "complex": (np.full((30, 40), 1j), "are no image"),
}


@pytest.mark.parametrize("case", ODD)
def test_an_array_that_is_no_image_is_refused(case: str, tmp_path: Path) -> None:
    values, says = ODD[case]
    npy(tmp_path / "images" / "a.npy", values)
    npy(tmp_path / "masks" / "a.npy", truth(0))
    refusal(tmp_path, "images/a.npy: ", says)


def test_classes_of_an_array_follow_the_rules_of_masks(tmp_path: Path) -> None:
    npy(tmp_path / "images" / "a.npy", pixels(0))
    npy(tmp_path / "masks" / "a.npy", truth(0).astype(np.int64) * 2 + truth(1))
    refusal(tmp_path, "a mask of the values 0, 1, 3; say which")
    write(tmp_path / "lesion_values.txt", "3")
    (found,) = masks(tmp_path).values()
    np.testing.assert_array_equal(found, truth(0))


def test_an_array_that_would_run_code_is_refused(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.png", 0)
    npy(tmp_path / "masks" / "a.npy", np.array([{}], object))
    refusal(tmp_path, "a.npy: not an array that can be read")


@pytest.mark.parametrize("of_image", [nifti, None])
@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_nifti_of_one_slice_is_read(of_image: Any, ending: str, tmp_path: Path):
    for i in range(COUNT):
        if of_image:
            nifti(tmp_path / "images" / f"{i}.{ending}", pixels(i)[..., 0])
        else:
            image(tmp_path / "images" / f"{i}.png", i)
        nifti(tmp_path / "masks" / f"{i}_mask.{ending}", truth(i))
    check_truth(tmp_path)


SWAPPED = np.eye(4)[[1, 0, 2, 3]] * -1
AFFINES = {
    "of another image": (np.eye(4), ITK),
    "turned": (
        ITK,
        np.array([[0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
    ),
    "beside a picture": (None, np.eye(4)),
    "mirrored beside a picture": (None, np.diag([-1.0, 1.0, 1.0, 1.0])),
}


@pytest.mark.parametrize("case", AFFINES)
def test_a_nifti_mask_that_may_be_turned_is_refused(case: str, tmp_path: Path) -> None:
    of_image, of_mask = AFFINES[case]
    if of_image is None:
        image(tmp_path / "images" / "0.png", 0)
    else:
        nifti(tmp_path / "images" / "0.nii.gz", pixels(0)[..., 0], of_image)
    nifti(tmp_path / "masks" / "0.nii.gz", truth(0), np.asarray(of_mask, float))
    refusal(tmp_path, "its affine is not that of", "turned or mirrored")


def test_a_volume_is_refused(tmp_path: Path) -> None:
    image(tmp_path / "images" / "0.png", 0)
    volume = nibabel.Nifti1Image(np.zeros((40, 30, 9), np.uint8), ITK)
    (tmp_path / "masks").mkdir()
    nibabel.save(volume, tmp_path / "masks" / "0.nii.gz")
    refusal(tmp_path, "a volume of shape (40, 30, 9)", "lungct")


def test_damaged_nifti_is_named(tmp_path: Path) -> None:
    image(tmp_path / "images" / "0.png", 0)
    nifti(tmp_path / "masks" / "0.nii.gz", truth(0))
    path = tmp_path / "masks" / "0.nii.gz"
    path.write_bytes(path.read_bytes()[:60])
    refusal(tmp_path, "0.nii.gz: ")


def nnunet(raw: Path, labels: Any, value: int = 1, ts: bool = False) -> None:
    for i in range(COUNT):
        side = "Ts" if ts and i == COUNT - 1 else "Tr"
        image(raw / f"images{side}" / f"case{i}_0000.png", i)
        mask(raw / f"labels{side}" / f"case{i}.png", i, value)
    write(raw / "dataset.json", {"labels": labels, "file_ending": ".png"})


LABELS: dict[str, Any] = {
    "version 2": {"background": 0, "polyp": 1},
    "version 1": {"0": "background", "1": "polyp"},
    "an ignored value": {"background": 0, "polyp": 1, "ignore": 2},
    "a region": {"background": 0, "whole": [1, 2]},
}


@pytest.mark.parametrize("case", LABELS)
@pytest.mark.parametrize("below", ["", "Dataset001_Polyp"])
def test_nnunet_is_read(case: str, below: str, tmp_path: Path) -> None:
    nnunet(tmp_path / below, LABELS[case])
    check_truth(tmp_path)
    assert parts(tmp_path) == [""] * COUNT


def test_nnunet_with_marked_test_cases_has_parts(tmp_path: Path) -> None:
    nnunet(tmp_path, LABELS["version 2"], ts=True)
    check_truth(tmp_path)
    assert parts(tmp_path) == ["train"] * 3 + ["test"]


TWO = {"background": 0, "tool": 1, "polyp": 2}
CHOSEN = {"polyp": True, "Polyp": True, "2": True, "tool": False, "tool\npolyp": True}


@pytest.mark.parametrize("listed", CHOSEN)
def test_labels_of_nnunet_are_chosen_by_name_or_value(listed: str, tmp_path: Path):
    nnunet(tmp_path, TWO, value=2)
    write(tmp_path / "lesion_values.txt", listed)
    counts = [int(m.sum()) for m in masks(tmp_path).values()]
    assert counts == [int(truth(i).sum()) * CHOSEN[listed] for i in range(COUNT)]


NNUNET: dict[str, tuple[Any, str]] = {
    "two labels": (lambda raw: nnunet(raw, TWO), "its labels are tool, polyp; say"),
    "a misspelt one": (
        lambda raw: (nnunet(raw, TWO), write(raw / "lesion_values.txt", "polip")),
        "did you mean 'polyp'?",
    ),
    "channels": (
        lambda raw: (nnunet(raw, TWO), image(raw / "imagesTr" / "case0_0001.png", 0),
                     write(raw / "lesion_values.txt", "1")),
        "are further channels of a case",
    ),
    "no label": (
        lambda raw: (nnunet(raw, LABELS["version 2"]),
                     image(raw / "imagesTr" / "case9_0000.png", 0)),
        "have no mask: case9_0000.png",
    ),
    "no image": (
        lambda raw: (nnunet(raw, LABELS["version 2"]),
                     mask(raw / "labelsTr" / "case9.png", 0, 1)),
        "have no image: case9.png",
    ),
    "255 where the label is 1": (
        lambda raw: nnunet(raw, LABELS["version 2"], value=255),
        "a mask of 0 and 255",
    ),
    "no labels": (lambda raw: nnunet(raw, 3), "no labels that can be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", NNUNET)
def test_nnunet_that_is_not_clear_is_refused(case: str, tmp_path: Path) -> None:
    make, says = NNUNET[case]
    make(tmp_path)
    refusal(tmp_path, says)


def stack(of: Any, places: list[int]) -> np.ndarray:
    return np.stack([of(i) for i in places])


def test_medsegbench_is_read_with_its_parts(tmp_path: Path) -> None:
    arrays = {}
    for part, places in {"train": [0, 1], "val": [2], "test": [3]}.items():
        arrays[f"{part}_images"] = stack(pixels, places)
        arrays[f"{part}_label"] = stack(truth, places)
    np.savez_compressed(tmp_path / "polyps_256.npz", **arrays)
    found = {s.name.split("/")[1] + s.name[-1]: s for s in folder.samples(tmp_path)}
    order = ["train_images0", "train_images1", "val_images0", "test_images0"]
    for i, name in enumerate(order):
        np.testing.assert_array_equal(found[name].read()[0], pixels(i))
        np.testing.assert_array_equal(found[name].read()[1], truth(i))
    said = [found[name].part for name in order]
    assert said == ["train", "train", "validation", "test"]


def test_a_file_of_arrays_names_its_part(tmp_path: Path) -> None:
    for i, name in enumerate(("polyps_test", "train", "val_256")):
        arrays = {"images": stack(pixels, [i]), "masks": stack(truth, [i])}
        np.savez(tmp_path / f"{name}.npz", **arrays)
    assert parts(tmp_path) == ["test", "train", "validation"]


BUNDLES: dict[str, Any] = {
    "MedSAM": lambda raw: [
        np.savez(raw / f"{i}.npz", imgs=pixels(i), gts=truth(i)) for i in range(COUNT)
    ],
    "image and label": lambda raw: [
        np.savez(raw / f"{i}.npz", image=pixels(i)[..., 0] / 255, label=truth(i))
        for i in range(COUNT)
    ],
    "X and y": lambda raw: (
        np.save(raw / "X.npy", stack(pixels, [0, 1, 2, 3]) / 255),
        np.save(raw / "y.npy", stack(truth, [0, 1, 2, 3])[..., None].astype(float)),
    ),
    "greys": lambda raw: np.savez(
        raw / "a.npz",
        images=stack(pixels, [0, 1, 2, 3])[..., 0],
        masks=stack(truth, [0, 1, 2, 3]),
    ),
    "channels first": lambda raw: np.savez(
        raw / "a.npz",
        images=np.moveaxis(stack(pixels, [0, 1, 2, 3]), 3, 1),
        masks=stack(truth, [0, 1, 2, 3])[:, None],
    ),
}


@pytest.mark.parametrize("case", BUNDLES)
def test_arrays_of_many_images_are_read(case: str, tmp_path: Path) -> None:
    BUNDLES[case](tmp_path)
    check_truth(tmp_path)


def test_an_array_is_known_by_its_values_and_read_anew(tmp_path: Path) -> None:
    hashes = []
    for i in (0, 1, 0):
        np.savez(tmp_path / "a.npz", imgs=pixels(i), gts=truth(i))
        hashes.append(folder.samples(tmp_path)[0].hashes())
    assert hashes[0] == hashes[2]
    assert not set(hashes[0]) & set(hashes[1])


TWO_MASKS = {"images": stack(pixels, [0]), "masks": stack(truth, [0])}
UNEVEN: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "fewer masks": (
        {"images": stack(pixels, [0, 1]), "masks": stack(truth, [0])},
        "images has 2 images, masks 1 masks",
    ),
    "two of masks": (TWO_MASKS | {"labels": stack(truth, [0])}, "got images and"),
    "classes": (
        {"images": stack(pixels, [0]), "masks": stack(truth, [0]) * 2},
        "a mask of the values 0, 2",
    ),
    "another size": (
        {"images": stack(pixels, [0]), "masks": stack(truth, [0])[:, 1:]},
        "mask is 40 x 29, its image 40 x 30",
    ),
    "a part without masks": (
        {f"train_{k}": v for k, v in TWO_MASKS.items()} | {"test_images": GREY},
        "got test_images and none",
    ),
}


@pytest.mark.parametrize("case", UNEVEN)
def test_arrays_that_do_not_fit_are_refused(case: str, tmp_path: Path) -> None:
    arrays, says = UNEVEN[case]
    np.savez(tmp_path / "a.npz", **arrays)
    refusal(tmp_path, "a.npz", says)


def packed(values: np.ndarray) -> dict[str, Any]:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": None}


def parquet(path: Path, columns: dict[str, list], *, as_images: bool = True) -> None:
    datasets = pytest.importorskip("datasets", reason="parquet needs the extra hub")
    path.parent.mkdir(parents=True, exist_ok=True)
    table = datasets.Dataset.from_dict(columns)
    if as_images:
        for name in columns:
            table = table.cast_column(name, datasets.Image())
    table.to_parquet(path)


@pytest.mark.parametrize("as_images", [True, False])
@pytest.mark.parametrize("names", ["image mask", "image label", "img annotation"])
def test_parquet_is_read_with_its_parts(
    names: str, as_images: bool, tmp_path: Path, monkeypatch
) -> None:
    files = {"train": [0, 1], "validation": [2], "test": [3]}
    shown, marked = names.split()
    for part, places in files.items():
        columns = {
            shown: [packed(pixels(i)) for i in places],
            marked: [packed(truth(i) * 255) for i in places],
        }
        path = tmp_path / "data" / f"{part}-00000-of-00001.parquet"
        parquet(path, columns, as_images=as_images)
    said = {}
    for sample in folder.samples(tmp_path):
        picture, found = sample.read()
        i = [int(truth(i).sum()) for i in range(4)].index(int(found.sum()))
        np.testing.assert_array_equal(picture, pixels(i))
        np.testing.assert_array_equal(found, truth(i))
        said[i] = sample.part
    assert said == {0: "train", 1: "train", 2: "validation", 3: "test"}


PARQUET: dict[str, tuple[dict[str, list], str]] = {
    "numbers of classes": (
        {"image": [packed(pixels(0))], "label": [3]},
        "the column label holds int, not the bytes",
    ),
    "no masks": ({"image": [packed(pixels(0))], "x1": [3]}, "it has image, x1"),
    "two of masks": (
        {"image": [1], "mask": [1], "label": [1]},
        "one column of images and one of masks",
    ),
    "classes": (
        {"image": [packed(pixels(0))], "mask": [packed(truth(0) + truth(1))]},
        "a mask of the values 0, 1, 2",
    ),
}


@pytest.mark.parametrize("case", PARQUET)
def test_parquet_that_holds_no_masks_is_refused(case: str, tmp_path: Path) -> None:
    columns, says = PARQUET[case]
    parquet(tmp_path / "train.parquet", columns, as_images=False)
    with pytest.raises(ValueError, match="parquet") as caught:
        [(sample.hashes(), sample.read()) for sample in folder.samples(tmp_path)]
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [("masks/0.nii.gz", "nibabel", "ct"), ("a.parquet", "datasets", "hub")],
)
def test_what_is_not_installed_is_one_line(
    name: str, library: str, extra: str, tmp_path: Path, monkeypatch
) -> None:
    image(tmp_path / "images" / "0.png", 0)
    write(tmp_path / name, "x")
    monkeypatch.setitem(__import__("sys").modules, library, None)
    refusal(tmp_path, f"{library}, which is not installed: {install(extra)}")


def test_depths_that_would_be_mixed_are_refused() -> None:
    with pytest.raises(ValueError, match="of 8 or of 16 bits"):
        raster_of("a", np.full((4, 4), 300))
    assert raster_of("a", np.full((4, 4), 200)).colour.dtype == np.uint8
    assert raster_of("a", np.full((4, 4), 300), is_mask=True).colour.max() == 300


def test_an_ending_in_capitals_is_read_alike(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    values = np.arange(12, dtype=np.uint8).reshape(4, 3, 1)
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    expected = decoded(path).colour
    upper = path.rename(tmp_path / "A.NII.GZ")
    assert is_plane(upper)
    assert np.array_equal(decoded(upper).colour, expected)
