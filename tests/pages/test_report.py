"""The report page and the reproduction report hold what they promise."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from made_claims import AS_CLAIMED, made
from made_noise import noise

from lesionkit import published
from lesionkit.pages import report


class Page(HTMLParser):
    """Addresses, scripts and text of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for name, v in attrs if name in ("src", "href", "action")]

    def handle_data(self, data):
        self.words += data


@pytest.fixture(scope="module")
def made_report():
    """A report of made runs with background shares, and its page."""
    table = made(AS_CLAIMED, background=0.01, raw_mean_background=0.3)
    return report.make(table, "runs <b>&", title="A & <i>B</i>")


@pytest.fixture(scope="module")
def page(made_report, tmp_path_factory):
    """The page as text."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    return report.write_page(made_report, path).read_text()


def test_the_page_asks_no_network_for_anything(page):
    addresses = Page(page).addresses
    assert len(addresses) > 8
    assert [a for a in addresses if not a.startswith("data:")] == []
    assert "url(" not in page
    assert "@import" not in page


def test_names_of_the_user_are_text_and_never_markup(page):
    assert "<i>B</i>" not in page
    assert "runs <b>" not in page
    assert "A & <i>B</i>" in Page(page).words
    assert "lesionkit report 'runs <b>&' -o report.html" in Page(page).words


def test_a_page_names_the_options_that_its_table_was_read_with(made_report):
    asked = made_report.table.copy()
    asked.attrs["options"] = "--only 'model=unet net' --mix"
    asked = replace(made_report, table=asked)
    assert asked.command == "'runs <b>&' --only 'model=unet net' --mix"
    assert made_report.command == "'runs <b>&'"


def test_the_page_begins_with_the_verdict_and_has_every_part(made_report, page):
    words = Page(page).words
    assert words.index(made_report.standing.verdict.sentence) < words.index(
        "The losses"
    )
    for part in ("Methods", "Limits", "Tests", "The papers' claims", "make this page"):
        assert part in words
    for name in ("2A", "2B", "2C", "Critical", "Probability", "left out", "Background"):
        assert re.search(name, words)
    assert Page(page).tags.count("figure") == 9


def rows_of(page):
    """Name, class and cells of each row of the losses, by the names of the columns."""
    table = page[page.index('id="losses"') : page.index("</table>")]
    names = re.findall(r"<th[^>]*>([^<]*)</th>", table)
    rows = re.findall(r"<tr( class=\"out\")?>(<td.*?)</tr>", table)
    cells = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for _, row in rows]
    return {
        c[0]: dict(zip(names, c, strict=True)) | {"grey": bool(g)}
        for (g, _), c in zip(rows, cells, strict=True)
    }


def test_the_page_has_each_losss_answer_and_greys_what_is_behind(made_report, page):
    rows, losses = rows_of(page), made_report.standing.losses
    assert list(rows) == list(losses.index)
    assert [row["answer"] for row in rows.values()] == list(losses["answer"])
    assert [row["grey"] for row in rows.values()] == list(losses["answer"] == "behind")
    assert {row["grey"] for row in rows.values()} == {True, False}
    assert rows["focal"]["note"] == losses["note"]["focal"] != ""
    first = rows[made_report.standing.verdict.leader]
    assert float(first["behind"]) < 0
    assert "candidate" not in first


@pytest.mark.slow
def test_one_run_of_two_losses_has_a_page_without_ranks(tmp_path):
    table = made({"mine": 0.1, "theirs": 0.0}, datasets=1, models=("net",))
    found = report.make(table[table["repeat"] == 0], "one.csv")
    text = report.write_page(found, tmp_path / "page.html").read_text()
    assert "Nothing can be said" in text
    assert "Probability of each rank" not in text
    assert [row["answer"] for row in rows_of(text).values()] == ["undecided"] * 2
    assert [row["grey"] for row in rows_of(text).values()] == [False] * 2


def test_every_loss_and_claim_has_its_row(made_report, page):
    assert page.count('<td class="text" data-value="compound">') == 6
    assert page.count('class="text v-') == len(made_report.answers)
    for verdict in set(made_report.answers["verdict"]):
        assert f">{verdict}<" in page


@pytest.mark.slow
def test_ours_stands_beside_the_public_rerun_where_losses_are_the_same(made_report):
    assert made_report.beside_published
    assert not report.make(published.public_rerun(), published.NAME).beside_published


@pytest.mark.slow
def test_a_small_table_of_other_losses_has_a_page_too(tmp_path):
    table = made({"mine": 0.1, "theirs": 0.0}, datasets=1, models=("net",))
    found = report.make(table, "small.csv")
    text = report.write_page(found, tmp_path / "page.html").read_text()
    assert "mine is supported as the best of 2 losses for set0 with net" in text


@pytest.mark.slow
def test_the_figures_of_a_page_are_those_of_its_metric():
    table = made({"dice": 0.1, "iou": 0.0}, datasets=2, models=("fcn", "unet"))
    found = report.make(table, "runs", metric="iou")
    draw = {name: drawn for name, _, drawn in report.figures_of(found)}
    axis = draw["Runs against losses"]().axes[0]
    assert axis.get_xlabel().startswith("standard deviation of iou over")
    axis = draw["Behind the best of the others"]().axes[0]
    assert axis.get_xlabel().startswith("iou behind the best of the others")


@pytest.mark.slow
def test_the_figures_of_the_page_are_files_of_their_own_too(made_report, tmp_path):
    paths = report.write_figures(made_report, tmp_path / "figures")
    assert len(paths) == 9
    assert "behind_the_best_of_the_others.svg" in [path.name for path in paths]
    assert ">ioufocal</text>" in paths[0].read_text()
    with pytest.raises(ValueError, match="unknown form of a figure 'gif'"):
        report.write_figures(made_report, tmp_path / "others", "gif")
    assert not (tmp_path / "others").exists()


def test_the_reproduction_report_has_the_headings_of_the_challenge(
    made_report, tmp_path
):
    path = tmp_path / "reproduction.md"
    text = report.write_reproduction(made_report, path).read_text()
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings == [
        "Reproducibility summary",
        "Scope of reproducibility",
        "Methodology",
        "Results",
        "What the papers' own numbers say",
        "What was easy",
        "What was difficult",
        "Deviations",
    ]
    for claim in made_report.answers["claim"]:
        assert f"| {claim} | " in text
    losses = made_report.standing.losses
    for loss, row in losses.iterrows():
        (line,) = re.findall(rf"^\| {loss} \| 0.*$", text, re.M)
        assert f"| {row['answer']} | {row['note'] or '-'} |" in line
        assert f"| {row['low']:.4f} to {row['high']:.4f} |" in line
    assert "76.49" in text  # what the audit found
    assert "{{" not in text


def test_deviations_of_the_records_are_told_once(data_home):
    from made_records import made_record

    from lesionkit.config import RunConfig
    from lesionkit.tables import load_table

    for loss in ("custom", "focal"):
        config = RunConfig(
            protocol="paper_b", dataset="ct_phantom", model="unet", loss=loss, size=32
        )
        made_record(config)
    found = report._deviations(load_table(data_home / "runs"))
    assert "U-Net with same padding instead of cropped skips" in found
    assert len(found) == len(set(found)) == 5


def test_the_page_shows_what_to_look_at_before_the_verdict(tmp_path):
    table = noise((4, 2, 5, 2)).round(6).replace({"loss": {"l3": "<b>l3</b>"}})
    high = (table["dataset"] == "d1") & (table["model"] == "m1")
    table.loc[high & (table["loss"] == "<b>l3</b>"), "dice"] += 0.3
    found = report.make(table, "somewhere")
    page = report.write_page(found, tmp_path / "report.html").read_text()
    assert page.index('id="forensics"') < page.index('id="verdict"')
    assert "<b>l3</b>" not in page
    assert "F2 1 cell lies far above the other losses there: d1/m1 (<b>l3</b> " in (
        Page(page).words
    )
    told = report.write_reproduction(found, tmp_path / "r.md").read_text()
    assert "- F2: 1 cell lies far above" in told


def test_the_page_of_a_sound_table_has_no_such_part(page, made_report):
    assert made_report.standing.forensics == ()
    assert 'id="forensics"' not in page
