"""The adapters: each publisher's layout made small, and the real data where present."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from shared_data import SHARED, needs_shared

from lesionkit.catalogue import DATASETS
from lesionkit.datasets import busi, clinicdb, folder, isic2017, kvasir, wound
from lesionkit.datasets.pairs import natural_key
from lesionkit.datasets.pictures.images import read_image, read_mask
from lesionkit.lookup import resolve

SQUARE = np.zeros((16, 24), np.uint8)
SQUARE[4:12, 8:20] = 255
CORNER = np.zeros((16, 24), np.uint8)
CORNER[:2, :2] = 255
COLOUR = np.dstack([np.full_like(SQUARE, value) for value in (10, 90, 200)])

ISIC = "ISIC-2017_Training_Data/ISIC_{0}.jpg"
ISIC_MASK = "ISIC-2017_Training_Part1_GroundTruth/ISIC_{0}_segmentation.png"
# data set: image and mask of one pair, in the folder the publisher's archive makes
LAYOUTS = {
    "kvasir": ("Kvasir-SEG/images/{0}.jpg", "Kvasir-SEG/masks/{0}.jpg"),
    "clinicdb": ("CVC-ClinicDB/Original/{0}.tif", "CVC-ClinicDB/Ground Truth/{0}.tif"),
    "isic2017": (f"ISIC-2017/{ISIC}", f"ISIC-2017/{ISIC_MASK}"),
    "wound": ("Challenge/train/images/{0}.png", "Challenge/train/labels/{0}.png"),
    "busi_benign": (
        "BUSI/benign/benign ({0}).png",
        "BUSI/benign/benign ({0})_mask.png",
    ),
    "busi_malignant": (
        "BUSI/malignant/malignant ({0}).png",
        "BUSI/malignant/malignant ({0})_mask.png",
    ),
    "folder": ("mine/images/{0}.webp", "mine/masks/{0}.bmp"),
}
# data set: folder, count, and the stated smallest, median and largest lesion share
REAL = {
    "kvasir": ("kvasir-seg", 1000, (0.00481, 0.11398, 0.81084)),
    "clinicdb": ("cvc-clinicdb", 612, (0.0034, 0.0683, 0.48944)),
    "isic2017": ("isic-2017", 2000, (0.00292, 0.12959, 0.94112)),
    "wound": ("wound-fuseg", 1010, (0.0, 0.00716, 0.13216)),
    "busi_benign": ("busi", 29, (0.00495, 0.02254, 0.1985)),
    "busi_malignant": ("busi", 38, (0.02799, 0.12612, 0.38375)),
}
SLOW_SETS = ("kvasir", "isic2017", "wound")
SETS = [
    pytest.param(name, marks=pytest.mark.slow) if name in SLOW_SETS else name
    for name in REAL
]


def samples_of(dataset, raw):
    """What the catalogue's adapter finds in `raw`."""
    return resolve(DATASETS[dataset].target)(raw)


def put(path, array):
    """Write `array` at `path`, whose folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, photometric="minisblack", planarconfig="contig")
    else:
        Image.fromarray(array).save(path, quality=100)


def put_pair(raw, dataset, number):
    """Write one image with its mask in the layout of `dataset`."""
    image, mask = LAYOUTS[dataset]
    put(raw / image.format(number), COLOUR)
    put(raw / mask.format(number), SQUARE)


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_two_pairs_are_found_in_natural_order(tmp_path, dataset):
    for number in (10, 9):
        put_pair(tmp_path, dataset, number)
    names = [sample.name for sample in samples_of(dataset, tmp_path)]
    assert names == [LAYOUTS[dataset][0].format(number) for number in (9, 10)]


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_the_inner_folder_serves_as_well(tmp_path, dataset):
    put_pair(tmp_path, dataset, 9)
    outer, _, inner = LAYOUTS[dataset][0].format(9).partition("/")
    assert [s.name for s in samples_of(dataset, tmp_path / outer)] == [inner]


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_a_sample_reads_as_its_files_were_written(tmp_path, dataset):
    put_pair(tmp_path, dataset, 9)
    image, mask = samples_of(dataset, tmp_path)[0].read()
    np.testing.assert_array_equal(mask, SQUARE // 255)
    np.testing.assert_allclose(image, COLOUR, atol=3)  # JPEG and WebP are lossy


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_image_without_mask_is_counted_and_named(tmp_path, dataset):
    for number in range(1, 6):
        put_pair(tmp_path, dataset, number)
    for number in (1, 2, 3, 4):
        (tmp_path / LAYOUTS[dataset][1].format(number)).unlink()
    with pytest.raises(ValueError, match=r"4 file\(s\) .* have no mask") as caught:
        samples_of(dataset, tmp_path)
    assert Path(LAYOUTS[dataset][0].format(1)).name in str(caught.value)


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_mask_without_image_is_named(tmp_path, dataset):
    for number in (1, 2):
        put_pair(tmp_path, dataset, number)
    (tmp_path / LAYOUTS[dataset][0].format(1)).unlink()
    with pytest.raises(ValueError, match="have no image"):
        samples_of(dataset, tmp_path)


@pytest.mark.parametrize("raw", ["missing", "foreign"])
@pytest.mark.parametrize("dataset", LAYOUTS)
def test_wrong_folder_is_answered_with_the_layout(tmp_path, dataset, raw):
    (tmp_path / "foreign" / "things").mkdir(parents=True)
    with pytest.raises(FileNotFoundError) as caught:
        samples_of(dataset, tmp_path / raw)
    assert DATASETS[dataset].layout in str(caught.value)
    assert str(tmp_path / raw) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_folders_that_fit_are_refused(tmp_path):
    put_pair(tmp_path / "a", "folder", 1)
    (tmp_path / "a" / "mine").rename(tmp_path / "first")
    put_pair(tmp_path, "folder", 1)
    with pytest.raises(ValueError, match="first/images, mine/images"):
        folder.samples(tmp_path)


def test_files_of_macos_archives_are_skipped(tmp_path):
    put_pair(tmp_path, "kvasir", 1)
    put_pair(tmp_path / "__MACOSX", "kvasir", 1)
    (tmp_path / "Kvasir-SEG" / "images" / "._1.jpg").write_bytes(b"x")
    assert len(kvasir.samples(tmp_path)) == 1


def test_natural_order_is_by_number():
    names = sorted(["a10.tif", "10.tif", "a2.tif", "2.tif"], key=natural_key)
    assert names == ["2.tif", "10.tif", "a2.tif", "a10.tif"]


def test_mask_of_another_size_is_refused(tmp_path):
    put_pair(tmp_path, "wound", 1)
    put(tmp_path / LAYOUTS["wound"][1].format(1), SQUARE[:-1])
    with pytest.raises(ValueError, match="mask is 24 x 15, its image 1.png is 24 x 16"):
        wound.samples(tmp_path)[0].read()


def test_frames_are_grouped_by_sequence(tmp_path):
    for number in (25, 26, 612, 613):
        put_pair(tmp_path, "clinicdb", number)
    groups = [sample.group for sample in clinicdb.samples(tmp_path)]
    assert groups == ["sequence_01", "sequence_02", "sequence_29", ""]


def test_sequences_are_29_and_cover_all_612_frames():
    groups = {clinicdb.sequence(str(number)) for number in range(1, 613)}
    assert groups == {f"sequence_{number:02d}" for number in range(1, 30)}


def test_isic_superpixels_are_skipped(tmp_path):
    put_pair(tmp_path, "isic2017", 1)
    put(tmp_path / "ISIC-2017/ISIC-2017_Training_Data/ISIC_1_superpixels.png", COLOUR)
    assert len(isic2017.samples(tmp_path)) == 1


def test_isic_pools_every_labelled_part(tmp_path):
    for part in ("Training", "Validation", "Test_v2"):
        put(tmp_path / ISIC.format(1).replace("Training", part), COLOUR)
        put(tmp_path / ISIC_MASK.format(1).replace("Training", part), SQUARE)
    assert len(isic2017.samples(tmp_path)) == 3


def test_isic_part_without_ground_truth_is_left_out(tmp_path):
    put_pair(tmp_path, "isic2017", 1)
    put(tmp_path / "ISIC-2017/ISIC-2017_Validation_Data/ISIC_2.jpg", COLOUR)
    assert len(isic2017.samples(tmp_path)) == 1


def put_wound(root, *parts):
    """Write one wound pair in each of `parts`."""
    for part in parts:
        put(root / part / "images" / "1.png", COLOUR)
        put(root / part / "labels" / "1.png", SQUARE)


def test_challenge_is_known_by_its_validation_part(tmp_path):
    put_wound(tmp_path, "train", "validation")
    put(tmp_path / "test" / "images" / "1.png", COLOUR)  # never labelled
    assert len(wound.samples(tmp_path)) == 2
    assert wound.source(tmp_path) == "fuseg"


def test_study_s_set_is_known_by_its_folder(tmp_path):
    put_wound(tmp_path / "azh_wound_care_center_dataset_patches", "train", "test")
    assert len(wound.samples(tmp_path)) == 2
    assert wound.source(tmp_path) == "wound"


def test_wound_set_without_a_sign_is_unclear(tmp_path):
    put_wound(tmp_path, "train", "test")
    assert wound.source(tmp_path) == "unclear"


def test_wound_training_part_needs_labels(tmp_path):
    put_wound(tmp_path, "validation")
    put(tmp_path / "train" / "images" / "1.png", COLOUR)
    with pytest.raises(FileNotFoundError, match="labels"):
        wound.samples(tmp_path)


def test_several_masks_of_one_image_are_united(tmp_path):
    put_pair(tmp_path, "busi_benign", 1)
    put(tmp_path / "BUSI/benign/benign (1)_mask_1.png", CORNER)
    mask = busi.benign_samples(tmp_path)[0].read()[1]
    np.testing.assert_array_equal(mask, (SQUARE | CORNER) // 255)


def test_both_classes_of_busi_are_one_set_by_their_own_files(tmp_path):
    put_pair(tmp_path, "busi_benign", 1)
    put_pair(tmp_path, "busi_malignant", 1)
    names = [sample.name for sample in busi.samples(tmp_path)]
    assert names == ["BUSI/benign/benign (1).png", "BUSI/malignant/malignant (1).png"]


@pytest.mark.parametrize("mask", ["a.PNG", "a_mask.tif", "a_Segmentation.jpeg"])
def test_your_masks_may_carry_an_ending(tmp_path, mask):
    put(tmp_path / "images" / "a.JPG", COLOUR)
    put(tmp_path / "masks" / mask, SQUARE)
    (sample,) = folder.samples(tmp_path)
    assert sample.masks == (tmp_path / "masks" / mask,)


def test_two_images_of_one_stem_are_refused(tmp_path):
    put(tmp_path / "images" / "a.jpg", COLOUR)
    put(tmp_path / "images" / "a.png", COLOUR)
    put(tmp_path / "masks" / "a.png", SQUARE)
    with pytest.raises(ValueError, match="share one stem: a.jpg, a.png"):
        folder.samples(tmp_path)


def test_two_masks_of_one_image_are_refused_in_your_folder(tmp_path):
    put(tmp_path / "images" / "a.jpg", COLOUR)
    put(tmp_path / "masks" / "a.png", SQUARE)
    put(tmp_path / "masks" / "a_mask.png", SQUARE)
    with pytest.raises(ValueError, match="belong to one image: a.png, a_mask.png"):
        folder.samples(tmp_path)


@needs_shared
@pytest.mark.parametrize("dataset", REAL)
def test_real_set_has_its_count(dataset):
    place, count, _ = REAL[dataset]
    assert len(samples_of(dataset, SHARED / place)) == count


@needs_shared
@pytest.mark.parametrize("dataset", SETS)
def test_real_lesion_shares_are_as_stated(dataset):
    place, _, stated = REAL[dataset]
    found = samples_of(dataset, SHARED / place)
    shares = [np.bitwise_or.reduce([*map(read_mask, s.masks)]).mean() for s in found]
    measured = (np.min(shares), np.median(shares), np.max(shares))
    assert measured == pytest.approx(stated, abs=6e-6)  # stated to 5 places


@needs_shared
def test_real_wound_set_is_the_challenge():
    assert wound.source(SHARED / "wound-fuseg") == "fuseg"


@needs_shared
@pytest.mark.parametrize("dataset", REAL)
def test_real_native_files_decode_in_pairs(dataset):
    for sample in samples_of(dataset, SHARED / "native" / REAL[dataset][0])[:3]:
        image, mask = sample.read()
        assert image.shape[:2] == mask.shape
        assert set(np.unique(mask)) == {0, 1}


@needs_shared
def test_real_frame_is_read_in_true_colour():
    path = SHARED / "native/cvc-clinicdb/CVC-ClinicDB/Original/300.tif"
    image = read_image(path)
    np.testing.assert_array_equal(image, tifffile.imread(path))
    assert (image[..., 0] != image[..., 1]).mean() > 0.5


@needs_shared
def test_real_benign_25_is_the_union_of_two_masks():
    found = {s.image.stem: s for s in busi.benign_samples(SHARED / "native/busi")}
    sample = found["benign (25)"]
    first, second = (np.asarray(Image.open(path)) for path in sample.masks)
    assert not (first & second).any()
    np.testing.assert_array_equal(sample.read()[1], first | second)
