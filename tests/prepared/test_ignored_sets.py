"""Sets whose masks hold pixels that count neither way, prepared and opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made_ignored import bordered, cut, write_ignored, write_pairs
from made_own_folder import picture
from PIL import Image

from lesionkit.prepared import open_prepared, telling
from lesionkit.prepared.loading import Batches
from lesionkit.prepared.preparing import prepare


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Three images; the second mask has a border of 255, the third is all 255."""
    folder = tmp_path / "raw"
    (folder / "masks").mkdir(parents=True)
    for i, name in enumerate("abc"):
        picture(folder / "images" / f"{name}.png", 50 + i)
        mask = np.zeros((12, 20), np.uint8)
        mask[2:8, 3:9] = 1
        if name == "b":
            mask[:, 10:] = 255
        if name == "c":
            mask[:] = 255
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    (folder / "lesion_values.txt").write_text("1\nignore 255\n")
    return folder


def test_the_manifest_says_what_is_ignored_and_masks_hold_it(raw, data_home) -> None:
    data = prepare("mine", raw, size=20)
    assert data.ignore and data.manifest["ignore"] == 255
    assert open_prepared("mine", 20).ignore
    assert [set(np.unique(m)) for m in data.masks] == [{0, 1}, {0, 1, 255}, {255}]
    assert data.index["lesion_share"].tolist() == pytest.approx([0.15, 0.3, 0])


def test_the_facts_tell_what_is_ignored(raw, data_home) -> None:
    lines = telling.told(telling.facts_of(prepare("mine", raw, size=20)))
    (said,) = [line for line in lines if line.startswith("ignored")]
    assert "50.00% of the pixels, in 2 images" in said
    assert "1 images are ignored as a whole" in said


@pytest.mark.filterwarnings("ignore::lesionkit.prepared.preparing.BackgroundWarning")
def test_without_the_line_nothing_is_ignored_or_told(raw, data_home) -> None:
    (raw / "lesion_values.txt").write_text("1\n255\n")
    data = prepare("mine", raw, size=20)
    assert not data.ignore and "ignore" not in data.manifest
    assert data.masks.max() == 1
    assert "ignored" not in " ".join(telling.told(telling.facts_of(data)))


@pytest.mark.filterwarnings("ignore::lesionkit.prepared.preparing.BackgroundWarning")
def test_the_line_makes_another_set(raw, data_home) -> None:
    first = prepare("mine", raw, size=20)
    assert np.array_equal(prepare("mine", raw, size=20).masks, first.masks)
    (raw / "lesion_values.txt").write_text("1\n255\n")
    other = prepare("mine", raw, size=20)
    assert first.fingerprint != other.fingerprint
    assert not other.ignore


def test_a_set_without_any_lesion_is_refused(raw, data_home) -> None:
    for path in (raw / "masks").iterdir():
        mask = np.asarray(Image.open(path)).copy()
        mask[mask == 1] = 255  # as programs save a mask of two values
        Image.fromarray(mask).save(path)
    with pytest.raises(ValueError, match="mine: no mask has a lesion by lesion_values"):
        prepare("mine", raw, size=20)
    with pytest.raises(FileNotFoundError):
        open_prepared("mine", 20)


def test_255_is_written_only_where_the_manifest_says_so(data_home) -> None:
    with pytest.raises(ValueError, match="mask .* up to 255, expected .* and 0 or 1"):
        write_pairs("tiny", bordered(3))
    pairs = bordered(3)
    pairs[1][1][9, 9] = 7
    with pytest.raises(ValueError, match=r"disc_01.png: .* and 0 or 1"):
        write_pairs("tiny", pairs, ignore=255)


def test_batches_hold_255_and_of_other_sets_truth_values(data_home) -> None:
    data, inner = write_ignored(count=4), write_pairs("inner", cut(bordered(4)))
    masks = [
        next(Batches(each, np.arange(4), batch_size=4).in_order())[1]
        for each in (data, inner)
    ]
    assert masks[0].dtype == torch.uint8 and masks[1].dtype == torch.bool
    assert torch.equal(masks[0] == 255, torch.from_numpy(data.masks[:, None] == 255))


def test_a_border_that_is_ignored_is_no_marked_background(data_home) -> None:
    assert telling.warning_of(write_ignored()) == ""
