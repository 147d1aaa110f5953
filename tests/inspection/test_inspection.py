"""The data report finds what was put wrong, by name, and nothing in a clean set."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shared_data import SHARED, needs_shared

from lesionkit import inspection
from lesionkit.cli import main
from lesionkit.pages.inspection import write_page


def picture(seed: int, size: int = 48) -> np.ndarray:
    """A smooth random picture unlike any other seed's."""
    small = np.random.default_rng(seed).integers(20, 230, (6, 6), np.uint8)
    return np.asarray(Image.fromarray(small).resize((size, size), 3))


def save(raw: Path, name: str, image: np.ndarray, mask: np.ndarray) -> None:
    """One pair of a user's folder."""
    for kind, array in (("images", image), ("masks", mask)):
        (raw / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(raw / kind / f"{name}.png")


def disc(side: int = 48, radius: int = 9, value: int = 255) -> np.ndarray:
    """A mask with a disc in the middle."""
    rows, columns = np.mgrid[:side, :side] - side // 2
    return (np.hypot(rows, columns) < radius).astype(np.uint8) * value


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Twelve different pictures with discs of growing size."""
    raw = tmp_path / "clean"
    for i in range(12):
        save(raw, f"case_{i:02d}", picture(i), disc(radius=3 + i))
    return raw


def found(raw: Path) -> dict[str, inspection.Finding]:
    """The findings by kind."""
    return {f.kind: f for f in inspection.inspect("my_set", raw).findings}


def test_a_clean_set_has_no_finding_and_its_facts(clean: Path) -> None:
    report = inspection.inspect("my_set", clean)
    assert report.findings == ()
    facts = report.facts
    assert (facts["images"], facts["readable"], facts["published"]) == (12, 12, None)
    assert facts["kinds"] == {"grey 8 bit": 12}
    assert (facts["smallest"], facts["sizes"]) == ("48x48", 1)
    assert facts["images_with_a_near_copy"] == 0
    share = disc(radius=3).astype(bool).mean()
    assert facts["lesion_share_min"] == pytest.approx(share)
    assert report.leakage["leaked_share"].tolist() == [0, 0]


DEFECTS = {
    "unpaired": lambda raw: (raw / "masks" / "case_03.png").unlink(),
    "cannot be used": lambda raw: (raw / "images" / "case_03.png").write_bytes(
        (raw / "images" / "case_03.png").read_bytes()[:200]
    ),
    "grey mask values": lambda raw: save(
        raw, "case_03", picture(3), np.where(disc() > 0, 255, 3).astype(np.uint8)
    ),
    "empty mask": lambda raw: save(raw, "case_03", picture(3), 0 * disc()),
    "full mask": lambda raw: save(raw, "case_03", picture(3), 0 * disc() + 255),
    "the same image again": lambda raw: save(raw, "again", picture(3), disc(radius=6)),
    "near-copies": lambda raw: save(raw, "again", picture(3) // 2 + 60, disc()),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", DEFECTS)
def test_what_was_put_wrong_is_found_by_name(clean: Path, kind: str) -> None:
    DEFECTS[kind](clean)
    findings = found(clean)
    assert kind in findings
    assert any("case_03" in name for name in findings[kind].files)
    related = {"the same image again": {"near-copies"}}
    assert set(findings) - {kind} <= related.get(kind, set())


def test_a_mask_of_another_size_is_told_and_the_others_are_counted(clean: Path) -> None:
    save(clean, "case_03", picture(3), disc(side=40))
    report = inspection.inspect("my_set", clean)
    (finding,) = report.findings
    assert finding.kind == "cannot be used"
    assert "40" in finding.says
    assert "48" in finding.says
    assert (report.facts["images"], report.facts["readable"]) == (12, 11)


def test_one_image_under_two_labels_is_told_with_their_agreement(clean: Path) -> None:
    save(clean, "again", picture(3), disc(radius=9))
    finding = found(clean)["one image, two labels"]
    assert finding.count == 2
    one, other = disc(radius=6) > 0, disc(radius=9) > 0
    dice = 2 * (one & other).sum() / (one.sum() + other.sum())
    assert f"Dice between the labels {dice:.2f}" in finding.says


def test_extra_copies_are_those_beyond_the_first(clean: Path) -> None:
    for name in ("again", "and_again"):
        save(clean, name, picture(3), disc(radius=6))
    finding = found(clean)["the same image again"]
    assert finding.says == "1 groups of byte-identical images, 2 extra copies"
    assert finding.count == 3


def test_masks_of_zero_and_one_are_not_grey(clean: Path) -> None:
    save(clean, "case_03", picture(3), disc(value=1))
    assert found(clean) == {}


@pytest.mark.parametrize("marked", ["corners", "area"])
def test_a_set_whose_background_is_marked_is_told(clean: Path, marked: str) -> None:
    frame = 255 - disc(radius=20)
    area = np.zeros_like(frame)
    area[2:46, 2:46] = 255
    for i in range(7):
        save(clean, f"case_{i:02d}", picture(i), frame if marked == "corners" else area)
    says = found(clean)["background marked"]
    assert says.files == tuple(f"images/case_{i:02d}.png" for i in range(7))
    assert says.says.startswith("7 of 12 masks with lesion cover more than half")
    save(clean, "case_06", picture(6), disc())
    assert "background marked" not in found(clean)  # half of them are not the most


def test_copies_leak_through_an_image_split_and_not_through_a_group_split(
    tmp_path: Path,
) -> None:
    raw = tmp_path / "copied"
    for i in range(12):
        for k in range(3):
            save(raw, f"case_{i}_{k}", picture(i) // 8 * 7 + 4 * k, disc(radius=2 + i))
    table = inspection.inspect("my_set", raw).leakage.set_index("split")
    assert table.loc["image", "leaked_share"] > 0.7
    assert table.loc["group", "leaked_share"] == 0
    assert table.loc["image", "copy_nearest_dice"] > 0.85
    assert table.loc["group", "copy_nearest_dice"] < 0.8


def test_the_same_image_in_another_set_is_found(clean: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    save(other, "stranger", picture(99), disc())
    save(other, "known", picture(5), disc())
    report = inspection.inspect("my_set", clean, against=[("their_set", other)])
    (finding,) = report.findings
    assert finding.kind == "also in their_set"
    assert finding.files == ("images/case_05.png = images/known.png",)


def coloured(raw: Path, *, lesion: int, background: int) -> inspection.DataReport:
    """The report of twelve pictures whose lesion and background differ in red."""
    for i in range(12):
        mask = disc(radius=6 + i)
        noise = np.random.default_rng(i).integers(0, 9, (48, 48, 3), np.uint8)
        noise[..., 0] += np.where(mask > 0, lesion, background).astype(np.uint8)
        save(raw, f"case_{i:02d}", noise, mask)
    return inspection.inspect("my_set", raw)


def test_lesions_of_another_colour_are_found_by_colour_alone(tmp_path: Path) -> None:
    report = coloured(tmp_path, lesion=200, background=20)
    assert report.colour_dice > 0.9  # a smaller picture blurs the rim
    assert report.as_json()["colour_dice"] == report.colour_dice
    assert report.colour_alone.startswith("colour alone gets a Dice of 0.9")


def test_lesions_of_the_same_colour_are_not(tmp_path: Path) -> None:
    report = coloured(tmp_path, lesion=20, background=20)
    everything = np.mean([2 * m / (1 + m) for m in report_shares(tmp_path)])
    assert report.colour_dice < everything + 0.15


def report_shares(raw: Path) -> list[float]:
    """The share of lesion in each mask of a folder."""
    masks = [np.asarray(Image.open(path)) for path in (raw / "masks").iterdir()]
    return [float((mask > 0).mean()) for mask in masks]


def test_colour_alone_twice_gives_the_same(tmp_path: Path) -> None:
    one, again = (
        coloured(tmp_path, lesion=60, background=50).colour_dice for _ in range(2)
    )
    assert one == again


def test_of_masks_without_lesion_or_too_few_images_colour_says_nothing(
    tmp_path: Path,
) -> None:
    for i in range(12):
        save(tmp_path / "empty", f"case_{i}", picture(i), 0 * disc())
    save(tmp_path / "one", "case", picture(0), disc())
    for name in ("empty", "one"):
        report = inspection.inspect("my_set", tmp_path / name)
        assert (report.colour_dice, report.colour_alone) == (None, "")


def test_the_command_says_what_colour_alone_gets(clean: Path, capsys) -> None:
    main(["inspect", "my_set", "--raw", str(clean)])
    lines = capsys.readouterr().out.splitlines()
    said = [line for line in lines if line.startswith("colour alone gets a Dice of 0.")]
    assert len(said) == 1


class Page(HTMLParser):
    """Addresses and tags of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for name, v in attrs if name in ("src", "href")]


def test_the_page_shows_pictures_and_asks_no_network(clean: Path, tmp_path) -> None:
    DEFECTS["near-copies"](clean)
    (clean / "images" / "case_05.png").write_bytes(b"<html>")
    report = inspection.inspect("my_set", clean)
    page = Page(write_page(report, tmp_path / "page.html").read_text())
    assert all(address.startswith("data:") for address in page.addresses)
    assert page.tags.count("figure") >= 3
    assert page.tags.count("img") == page.tags.count("figure") - 1  # one is cut off


def test_the_command_prints_json_and_writes_the_page(clean, tmp_path, capsys) -> None:
    DEFECTS["empty mask"](clean)
    page = tmp_path / "page.html"
    main(["inspect", "my_set", "--raw", str(clean), "--html", str(page), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["findings"] == [
        {
            "kind": "empty mask",
            "count": 1,
            "says": "no lesion: Dice needs a stated rule there",
            "files": ["images/case_03.png"],
        }
    ]
    assert page.is_file()


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "folder", "facts"),
    [
        ("clinicdb", "cvc-clinicdb", {"images": 612, "groups": 29, "leaks": 0.43}),
        ("kvasir", "kvasir-seg", {"images": 1000, "groups": 0, "leaks": 0.01}),
        ("wound", "wound-fuseg", {"images": 1010, "groups": 0, "leaks": 0.04}),
    ],
)
def test_the_real_sets_have_the_facts_that_were_measured(name, folder, facts) -> None:
    report = inspection.inspect(name, SHARED / folder)
    assert report.facts["images"] == report.facts["readable"] == facts["images"]
    assert report.facts["groups"] == facts["groups"]
    leakage = report.leakage.set_index("split")
    assert leakage.loc["image", "leaked_share"] == pytest.approx(
        facts["leaks"], abs=0.03
    )
    findings = {f.kind: f for f in report.findings}
    if name == "clinicdb":
        assert leakage["copy_nearest_dice"].tolist() == [
            pytest.approx(0.52, abs=0.03),
            pytest.approx(0.11, abs=0.06),
        ]
    if name == "kvasir":
        assert findings["grey mask values"].count == 1000
    if name == "wound":
        assert findings["empty mask"].count == 24
        assert findings["the same image again"].says.startswith("24 groups")
        assert findings["one image, two labels"].says.startswith("23 of these")
