"""Four readers become one mask by a named rule; whole slices keep all their nodules."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from shared_data import SHARED, needs_shared

from lesionkit.datasets import lidc
from lesionkit.prepared.preparing import find_samples


def crop(folder, readers):
    """One crop with a mask file for each reader, rows of marked pixels."""
    nodule = folder / "LIDC-IDRI-0007" / "nodule-0"
    (nodule / "images").mkdir(parents=True)
    Image.fromarray(np.full((6, 6), 90, np.uint8)).save(nodule / "images/slice-0.png")
    for k, rows in enumerate(readers):
        mask = np.zeros((6, 6), np.uint8)
        mask[:rows] = 255
        (nodule / f"mask-{k}").mkdir()
        Image.fromarray(mask).save(nodule / f"mask-{k}" / "slice-0.png")
    return folder


@pytest.mark.parametrize(("rule", "rows"), [("any", 4), ("majority", 2), ("all", 1)])
def test_of_four_readers_any_two_or_all_have_to_agree(tmp_path, rule, rows):
    crop(tmp_path, (1, 1, 2, 4))  # row 0: four readers; row 1: two; rows 2, 3: one
    (sample,) = find_samples(f"lidc_slices_{rule}", tmp_path)[0]
    image, mask = sample.read()
    assert mask.sum(1).tolist() == [6] * rows + [0] * (6 - rows)
    assert (image.shape, sample.group) == ((6, 6, 1), "LIDC-IDRI-0007")


def test_the_three_rules_are_three_contents(tmp_path):
    crop(tmp_path, (1, 1, 2, 4))
    hashes = {
        rule: find_samples(f"lidc_slices_{rule}", tmp_path)[0][0].hashes()
        for rule in lidc.CONSENSUS
    }
    assert len({image for image, _ in hashes.values()}) == 1
    assert len({mask for _, mask in hashes.values()}) == 3


def test_a_crop_that_a_reader_lacks_is_refused(tmp_path):
    crop(tmp_path, (1, 1, 2, 4))
    (tmp_path / "LIDC-IDRI-0007/nodule-0/mask-2/slice-0.png").unlink()
    with pytest.raises(ValueError, match="missing or have no reader"):
        lidc.any_samples(tmp_path)
    with pytest.raises(FileNotFoundError, match="no (crop|slice) in .*LIDC-IDRI"):
        lidc.any_samples(tmp_path / "LIDC-IDRI-0007" / "nodule-0" / "mask-0")


def test_what_macos_puts_beside_a_slice_is_no_slice(tmp_path):
    crop(tmp_path, (1, 1, 2, 4))
    images = tmp_path / "LIDC-IDRI-0007" / "nodule-0" / "images"
    (images / "._slice-0.png").write_bytes(b"Mac OS X")
    assert len(lidc.any_samples(tmp_path)) == 1
    whole = tmp_path / "LIDC-IDRI-0007" / "a.npz"
    np.savez(whole, image=np.eye(4), mask=np.eye(4))
    whole.with_name("._a.npz").write_bytes(b"Mac OS X")
    assert len(lidc.array_samples(tmp_path)) == 1


def test_a_slice_with_two_nodules_is_one_sample_with_both(tmp_path):
    folder = tmp_path / "LIDC-IDRI-0001"
    folder.mkdir()
    image = np.linspace(-0.2, 3, 16, dtype=np.float16).reshape(4, 4)
    for k in range(2):
        mask = np.zeros((4, 4), bool)
        mask[k, k] = True
        np.savez(folder / f"0001_slice00{k}_000.npz", image=image, mask=mask)
    (sample,) = lidc.array_samples(tmp_path)
    grey, mask = sample.read()
    assert (grey.min(), grey.max(), mask.sum()) == (0, 255, 2)


def test_broken_arrays_are_refused(tmp_path):
    folder = tmp_path / "LIDC-IDRI-0001"
    folder.mkdir()
    path = folder / "a.npz"
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"a\.npz: not an array"):
        lidc.array_samples(tmp_path)
    np.savez(path, image=np.zeros((2, 2, 2)), mask=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="a slice has two axes"):
        lidc.array_samples(tmp_path)


@needs_shared
def test_the_real_crops_shrink_from_any_reader_to_all():
    folder = SHARED / "lung-lidc" / "LIDC-IDRI-slices"
    marked = {}
    for rule in lidc.CONSENSUS:
        samples = find_samples(f"lidc_slices_{rule}", folder)[0]
        assert len(samples) == 1085
        assert len({sample.group for sample in samples}) == 60
        marked[rule] = sum(int(s.read()[1].sum()) for s in samples[::40])
    assert marked["any"] > marked["majority"] > marked["all"] > 0


@needs_shared
def test_the_real_whole_slices_lose_their_repeats():
    samples = find_samples("lidc_npz", SHARED / "lung-lidc" / "preprocessed_npz_512")[0]
    assert (len(samples), sum(len(s.masks) for s in samples)) == (105, 108)
    assert len({sample.group for sample in samples}) == 8
