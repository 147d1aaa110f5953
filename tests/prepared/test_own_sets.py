"""What is said of a set of one's own, what is left out, and when it is read again."""

from __future__ import annotations

import json
import warnings
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import tifffile
from made_own_folder import files, lesion, picture
from PIL import Image

from lesionkit.cli import main
from lesionkit.datasets import folder
from lesionkit.prepared.preparing import BackgroundWarning, prepare


def inverted(path: Path) -> None:
    """The mask with background and lesion exchanged."""
    with Image.open(path) as image:
        values = 255 - np.asarray(image)
    Image.fromarray(values).save(path)


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """Five images with masks of one column."""
    raw = tmp_path / "own"
    names = [f"a{i}.png" for i in range(5)]
    images, masks = (" ".join(f"{p}/{n}" for n in names) for p in ("images", "masks"))
    files(raw, images, masks)
    return raw


def test_a_set_whose_background_is_marked_is_named_each_time(five: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", BackgroundWarning)
        prepare("my_set", five, size=16)
    for i in range(3):
        inverted(five / "masks" / f"a{i}.png")
    for _ in range(2):  # made, and there already
        with pytest.warns(BackgroundWarning, match="my_set: 3 of 5 masks with lesion"):
            prepare("my_set", five, size=16)


def test_two_of_five_are_not_the_most_and_empty_masks_do_not_count(five: Path) -> None:
    for i in range(2):
        inverted(five / "masks" / f"a{i}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error", BackgroundWarning)
        prepare("my_set", five, size=16)
    for i in (2, 3):
        lesion(five / "masks" / f"a{i}.png", value=0)
    with pytest.warns(BackgroundWarning, match="2 of 3 masks with lesion cover"):
        prepare("my_set", five, size=16)


def test_a_mask_of_all_four_corners_counts_though_it_is_small(five: Path) -> None:
    mask = np.zeros((12, 20), np.uint8)
    mask[[0, 0, -1, -1], [0, -1, 0, -1]] = 255
    for i in range(5):
        Image.fromarray(mask).save(five / "masks" / f"a{i}.png")
    with pytest.warns(BackgroundWarning, match="5 of 5"):
        prepare("my_set", five, size=20)


def test_the_command_says_it_once_as_a_line_and_in_json(five: Path, capsys) -> None:
    for i in range(5):
        inverted(five / "masks" / f"a{i}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        main(["prepare", "my_set", "--raw", str(five), "--size", "16"])
        *lines, last = capsys.readouterr().out.splitlines()
        assert (len(lines), last[:20]) == (6, "Warning: 5 of 5 mask")
        main(["prepare", "my_set", "--raw", str(five), "--size", "16", "--json"])
    assert json.loads(capsys.readouterr().out)["warning"].startswith("5 of 5 masks")


def test_what_has_no_partner_is_left_out_by_name_where_asked(five: Path) -> None:
    (five / "masks" / "a1.png").unlink()
    lesion(five / "masks" / "stray.png")
    with pytest.raises(
        ValueError, match="stray.*leave them out with --skip-bad"
    ) as told:
        prepare("my_set", five, size=16)
    assert "\n" not in str(told.value)
    data = prepare("my_set", five, size=16, skip_bad=True)
    assert data.index["file"].tolist() == [f"images/a{i}.png" for i in (0, 2, 3, 4)]
    left_out = {"images/a1.png", "masks/stray.png"}
    assert set(data.manifest["left_out"]) == left_out


def test_with_nothing_new_what_was_left_out_stays_and_a_new_mask_is_taken(
    five: Path,
) -> None:
    (five / "masks" / "a1.png").unlink()
    first = prepare("my_set", five, size=16, skip_bad=True)
    made = (first.folder / "manifest.json").stat().st_mtime_ns
    prepare("my_set", five, size=16, skip_bad=True)
    assert (first.folder / "manifest.json").stat().st_mtime_ns == made
    lesion(five / "masks" / "a1.png")
    assert len(prepare("my_set", five, size=16, skip_bad=True)) == 5


def test_other_defects_of_a_folder_are_not_skipped(five: Path) -> None:
    picture(five / "images" / "a1.jpg")
    with pytest.raises(ValueError, match="share one stem"):
        prepare("my_set", five, size=16, skip_bad=True)


def test_a_folder_without_any_pair_is_refused(five: Path) -> None:
    for path in (five / "masks").iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    with pytest.raises(ValueError, match=r"my_set: 5 file\(s\) in .*have no image"):
        prepare("my_set", five, size=16, skip_bad=True)


def test_a_set_that_older_rules_read_is_read_again(five: Path) -> None:
    data = prepare("my_set", five, size=16)
    manifest = json.loads((data.folder / "manifest.json").read_text())
    mask = np.zeros((12, 20), np.uint8)
    mask[4:8, 4:8], mask[8:11, 12:15] = 128, 255
    Image.fromarray(mask).save(five / "masks" / "a1.png")
    index = data.index
    content = (five / "masks" / "a1.png").read_bytes()
    index.loc[1, "mask_hash"] = sha256(content).hexdigest()
    index.to_csv(data.folder / "index.csv", index=False)
    del manifest["reading"]
    (data.folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="the values 0, 128, 255"):
        prepare("my_set", five, size=16)


def test_a_mask_that_older_rules_inverted_has_another_hash(five: Path) -> None:
    mask = np.zeros((12, 20), bool)
    mask[3:6, 3:9] = True
    (five / "masks" / "a1.png").unlink()
    path = five / "masks" / "a1.tif"
    same = []
    for photometric in ("miniswhite", "minisblack"):
        tifffile.imwrite(path, mask, photometric=photometric)
        found = folder.samples(five)[1].hashes()[1]
        same.append(found == sha256(path.read_bytes()).hexdigest())
    assert same == [False, True]
