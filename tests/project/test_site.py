"""The built site: no warning, no dead link, nothing loaded from a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from gallery_pages import PAGES
from sphinx.util.inventory import InventoryFile

import lesionkit
from lesionkit.cli import cli
from lesionkit.extras import notebook_folder

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NOTEBOOKS = [path.stem for path in sorted(notebook_folder().glob("*.ipynb"))]
HEADINGS = {
    "thresholds": "<h1>Which pixels does a threshold mark?</h1>",
    "report": "<h1>Which loss, and is the difference real?</h1>",
    "data_report": "<h1>Data report: toy</h1>",
}
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src"}


@dataclass
class Page(HTMLParser):
    """What a page of the site names, links to, and loads."""

    text: str
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the names, the links and the assets of a tag."""
        facts = {name: value or "" for name, value in attrs}
        self.ids.add(facts.get("id", ""))
        if tag == "a" and "href" in facts:
            self.links.append(facts["href"])
        if tag == "link" and facts.get("rel") not in ("next", "prev", "canonical"):
            self.loads.append(facts["href"])
        if LOADING.get(tag) in facts:
            self.loads.append(facts[LOADING[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory, executed_pages):
    """The site, built without a network, of pages that were executed for all tests."""
    folder = tmp_path_factory.mktemp("site")
    nowhere = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https")}
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-E", "-b", "html"]
    command += ["-D", f"executed_in={executed_pages}"]
    done = subprocess.run(
        [*command, "-d", folder / "trees", ROOT / "docs", folder / "html"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | nowhere,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site):
    """Every page of the site by its file."""
    return {path: Page(path.read_text()) for path in sorted(site.rglob("*.html"))}


def dead(path, link, pages):
    """Whether a link of a page leads to no file, or to no place in its page."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return False
    address, anchor = unquote(parts.path), unquote(parts.fragment)
    target = (path.parent / address).resolve() if address else path
    if target not in pages:
        return not target.is_file()
    return bool(anchor) and anchor not in pages[target].ids


def test_every_link_inside_the_site_leads_somewhere(site, pages):
    found = {
        f"{path.relative_to(site)}: {link}"
        for path, page in pages.items()
        for link in [*page.links, *page.loads]
        if dead(path, link, pages)
    }
    assert sorted(found) == []
    assert sum(len(page.links) for page in pages.values()) > 1000


def test_no_page_loads_anything_from_a_network(site, pages):
    loads = {load for page in pages.values() for load in page.loads}
    assert [load for load in loads if urlsplit(load).netloc] == []
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"""(?:url\(|@import)\s*["']?(?:https?:)?//[^)]*""", styles) == []


def test_every_page_among_the_sources_is_in_the_site(site):
    sources = [p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts]
    wanted = {p.relative_to(ROOT / "docs").with_suffix(".html") for p in sources}
    wanted |= {Path(f"notebooks/{name}.html") for name in NOTEBOOKS}
    assert {str(page) for page in wanted if not (site / page).is_file()} == set()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_gallery_is_there_and_shown(site, pages, name):
    assert HEADINGS[name] in pages[site / f"gallery/{name}.html"].text
    gallery = pages[site / "gallery.html"]
    assert f"gallery/{name}.html" in gallery.links
    assert f"gallery/{name}.html" in gallery.loads


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_executed_notebook_can_be_taken_away(site, name):
    (found,) = site.glob(f"_downloads/*/{name}.ipynb")
    assert '"output_type"' in found.read_text()


def test_the_front_page_states_the_question_and_the_short_answer(site):
    text = re.sub(r"<[^>]*>", "", (site / "index.html").read_text())
    assert "Which loss should I train a lesion segmentation network with" in text
    assert "The short answer" in text


def test_the_search_finds_a_word_of_a_page_and_a_name_of_the_kit(site):
    index = (site / "searchindex.js").read_text()
    assert index.startswith("Search.setIndex(")
    assert '"build_loss"' in index
    assert '"hounsfield"' in index


@pytest.mark.parametrize("name", lesionkit.__all__)
def test_a_public_name_has_its_place_in_the_reference(site, name):
    known = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    found = {thing for kind in known if kind[:3] == "py:" for thing in known[kind]}
    assert f"{lesionkit._PUBLIC[name]}.{name}" in found
    assert import_module(lesionkit._PUBLIC[name])


@pytest.mark.parametrize("name", list(cli.commands))
def test_a_command_is_on_the_page_of_commands_with_its_options(site, name):
    text = (site / "reference/commands.html").read_text()
    options = [option for p in cli.commands[name].params for option in p.opts]
    long = [option for option in options if option.startswith("--")]
    assert f'id="lesionkit-{name}"' in text
    assert [
        o for o in long if f'id="cmdoption-lesionkit-{name}-{o[2:]}"' not in text
    ] == []


def test_a_section_of_ours_is_a_section_of_the_reference(site):
    text = (site / "reference/losses.html").read_text()
    for section in ("Shape", "Source", "Chosen"):
        assert re.search(rf"<dt[^>]*>{section}<", text)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_page_of_a_notebook_has_pictures_and_no_widget(site, name):
    text = (site / f"notebooks/{name}.html").read_text()
    assert text.count("cell_output") > 3
    assert "<img" in text
    assert "jupyter-widgets" not in text
    assert "interactive(" not in text


def test_formulas_are_mathml(site):
    text = (site / "notebooks/02_losses.html").read_text()
    assert text.count("<math ") > 10
    assert "$$" not in text
