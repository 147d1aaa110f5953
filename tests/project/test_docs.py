"""The sources of the documentation site name everything, and say it as we mean it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import docstring_sections
import executed_notebooks
import kit_tables
import nbformat
import page_links
import pytest
from sphinx.errors import ExtensionError

import lesionkit
from lesionkit.config import RunConfig

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
NAMED = re.findall(r"\.\. automodule:: lesionkit\.(\S+)\n +:members:\n", REFERENCE)
# what users meet beyond the lazy list: the promised surface
PROMISED = (
    "sweeps.sweep",
    "prepared",
    "datasets.dicom",
    "records.runs",
    "losses.pixels",
    "inference.verdicts",
)


@pytest.mark.parametrize("name", [*lesionkit._MODULES, *PROMISED])
def test_a_public_module_is_in_the_reference(name):
    place = lesionkit._MODULES.get(name, f"lesionkit.{name}")
    assert NAMED.count(place.removeprefix("lesionkit.")) == 1


@pytest.mark.parametrize("name", lesionkit.__all__)
def test_a_public_name_is_in_the_reference(name):
    module = lesionkit._PUBLIC[name]
    if name.isupper():  # a dict
        assert f".. autodata:: {module}.{name}\n" in REFERENCE
    assert module.removeprefix("lesionkit.") in NAMED


def test_every_page_of_the_reference_is_in_the_table_of_contents():
    pages = {f"reference/{page.stem}" for page in (DOCS / "reference").glob("*.md")}
    assert pages - set((DOCS / "index.md").read_text().splitlines()) == set()


@pytest.mark.slow
def test_the_short_list_has_every_public_name_with_its_first_sentence():
    table = kit_tables.names()
    first = lesionkit.build_loss.__doc__.split("\n")[0]
    assert f"`lk.build_loss <lesionkit.losses.build_loss>` | {first} |" in table
    assert [n for n in lesionkit.__all__ if f"`lk.{n} <" not in table] == []


def test_the_table_of_parameters_has_each_with_its_default_and_limits():
    rows = kit_tables.parameters().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [f.name for f in fields(RunConfig)]
    assert rows[0].endswith("| str | `ioufocal` |  |")
    assert "| `alpha` | focal weight | float | open | 0 to 1 |" in rows
    assert (
        "| `repeat` | which repetition, 0 to repeats - 1 | int | `0` | 0 or more |"
        in (rows)
    )
    assert any(row.endswith("| `best`, `half`, `none` |") for row in rows)


QUICK = [name for name in kit_tables.TABLES if name != "names"]  # it imports everything


@pytest.mark.parametrize("name", QUICK)
def test_every_row_of_a_table_has_as_many_cells_as_its_head(name):
    lines = kit_tables.TABLES[name]().splitlines()
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    assert len(lines) > 2
    assert set(bars) == {bars[0]}


def test_a_bar_in_a_cell_ends_no_cell():
    assert kit_tables.markdown("a, b", [("x|y", 1)]).endswith("\n| x\\|y | 1 |")


@pytest.mark.parametrize("name", kit_tables.TABLES)
def test_every_table_stands_on_a_page(name):
    assert f"```{{kit-table}} {name}\n" in REFERENCE


SECTIONS = {
    "One.\n\n    a = b * c\n": "One.\n\n::\n\n    a = b * c\n",
    "One.\n\nSource: paper A.\nChosen: ours,\n    so.\n": (
        "One.\n\n:Source: paper A.\n:Chosen: ours,\n   so.\n"
    ),
    "The mean. Source: paper A,\nFig. 2. Chosen: dots.\n": (
        "The mean.\n\n:Source: paper A,\n   Fig. 2.\n:Chosen: dots.\n"
    ),
    "Args:\n    a: one.\n\n    b: two.\n": "Args:\n    a: one.\n\n    b: two.\n",
    "Every a*.csv, `b*`.\n": "Every a\\*.csv, `b*`.\n",
    ">>> 2 * 3\n6\n": ">>> 2 * 3\n6\n",
}


@pytest.mark.parametrize("written", SECTIONS)
def test_a_docstring_keeps_its_formulas_and_gets_its_fields(written):
    made = docstring_sections.with_sections(written.splitlines())
    assert "\n".join(made) == SECTIONS[written]


@pytest.mark.parametrize(
    ("link", "page"),
    [
        ("[a](../notebooks/01_data.ipynb)", "[a](/notebooks/01_data.ipynb)"),
        ("[a](../../notebooks/01_data.ipynb)", "[a](/notebooks/01_data.ipynb)"),
        ("[a](../README.md#two-commands)", "[a](/index.md#two-commands)"),
        ("[a](../../CHANGELOG.md)", "[a](/changelog.md)"),
        ("[a](../../CONTRIBUTING.md#add-a-loss)", "[a](/contributing.md#add-a-loss)"),
        ("[a](verdict.md)", "[a](verdict.md)"),
    ],
)
def test_a_link_to_a_file_of_the_repository_leads_to_its_page(link, page):
    assert page_links.to_pages(link) == page


@pytest.fixture
def notebook(tmp_path):
    """A notebook of one cell that can be made to fail."""

    def write(source):
        cells = [nbformat.v4.new_markdown_cell("# A page")]
        cells.append(nbformat.v4.new_code_cell(source))
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        made = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
        nbformat.write(made, tmp_path / "07_page.ipynb")
        return tmp_path / "07_page.ipynb"

    return write


def test_a_state_is_that_of_the_notebook_its_parameters_and_the_kit(
    notebook, monkeypatch
):
    path = notebook("1")
    states = [executed_notebooks.state_of(path, kit) for kit in ("kit", "kit", "new")]
    monkeypatch.setitem(executed_notebooks.SMALL, "07_page", {"epochs": 1})
    states.append(executed_notebooks.state_of(path, "kit"))
    notebook("2")
    states.append(executed_notebooks.state_of(path, "kit"))
    assert states[0] == states[1]
    assert len(set(states)) == 4


def test_the_state_of_the_kit_changes_with_a_file_and_with_a_pin(tmp_path, monkeypatch):
    (tmp_path / "lesionkit").mkdir()
    monkeypatch.setattr(executed_notebooks, "ROOT", tmp_path)
    states = set()
    for name in ("pyproject.toml", "lesionkit/a.py", "lesionkit/b.csv", "notes.md"):
        (tmp_path / "pyproject.toml").touch()
        (tmp_path / name).write_text("1")
        states.add(executed_notebooks.kit_state())
    assert len(states) == 3  # notes are no part of it


@pytest.fixture
def site(tmp_path, monkeypatch, notebook):
    """Sources of a site with one notebook, and what was executed for it."""
    from types import SimpleNamespace

    done = []

    def execute(path, data):
        done.append(path.name)
        made = nbformat.read(path, nbformat.NO_CONVERT)
        made.metadata.papermill = {"input_path": str(path), "parameters": {}}
        text = nbformat.v4.new_output("stream", text=f"{data / 'runs'}\n")
        widget = {executed_notebooks.WIDGET: {}, "text/plain": "interactive()"}
        made.cells[1].outputs = [text, nbformat.v4.new_output("display_data", widget)]
        return made

    root = notebook("1").parent
    (root / "notebooks").mkdir()
    (root / "07_page.ipynb").rename(root / "notebooks/07_page.ipynb")
    (root / "lesionkit").mkdir()
    (root / "pyproject.toml").touch()
    monkeypatch.setattr(executed_notebooks, "ROOT", root)
    monkeypatch.setattr(executed_notebooks, "execute", execute)
    config = SimpleNamespace(executed_in="")
    app = SimpleNamespace(srcdir=root / "docs", config=config)
    return lambda: executed_notebooks.make_pages(app), done, root


def test_a_notebook_is_executed_once_for_each_state(site):
    build, done, root = site
    build()
    before = (root / "docs/notebooks/07_page.ipynb").stat().st_mtime_ns
    build()
    assert done == ["07_page.ipynb"]
    assert (root / "docs/notebooks/07_page.ipynb").stat().st_mtime_ns == before
    (root / "pyproject.toml").write_text("other pins")
    build()
    assert done == ["07_page.ipynb"] * 2


def test_a_page_may_be_made_of_a_copy_that_was_executed_before(notebook, monkeypatch):
    path = notebook("1")
    copy = nbformat.read(path, nbformat.NO_CONVERT)
    copy.metadata.papermill = {"input_path": str(path), "parameters": {"epochs": 2}}
    copy.cells[1].outputs = [
        nbformat.v4.new_output("stream", text=f"{path.parent / 'data'}\n")
    ]
    nbformat.write(copy, path)
    ((source, text),) = executed_notebooks.executed_before(path.parent, [path])
    page = nbformat.reads(text, nbformat.NO_CONVERT)
    assert source == path
    assert page.cells[2].outputs[0].text == "data\n"
    assert "out.ipynb -p epochs 2`" in page.cells[1].source


def test_the_page_of_a_notebook_that_is_gone_goes_too(site):
    build, _, root = site
    build()
    (root / "notebooks/07_page.ipynb").unlink()
    build()
    assert list((root / "docs/notebooks").iterdir()) == []


def test_a_page_has_no_widget_no_folder_of_this_machine_and_says_how_it_was_made(site):
    build, _, root = site
    build()
    page = nbformat.read(root / "docs/notebooks/07_page.ipynb", nbformat.NO_CONVERT)
    assert [output.text for output in page.cells[2].outputs] == ["data/runs\n"]
    assert (
        "`uv run papermill notebooks/07_page.ipynb out.ipynb`" in page.cells[1].source
    )


def test_the_facts_below_a_title_stand_on_lines_of_their_own():
    cell = nbformat.v4.new_markdown_cell("# A\n\nB.\n\n**Reads** a.\n**Writes** b.")
    executed_notebooks.with_lines(cell)
    assert cell.source == "# A\n\nB.\n\n**Reads** a.\\\n**Writes** b."


def test_a_page_of_small_parameters_names_them_and_says_that_it_is_no_result():
    said = executed_notebooks.made_with("06_lung_ct", {"size": 32, "epochs": 1})
    assert "out.ipynb -p size 32 -p epochs 1`" in said
    assert "no result" in said
    assert "no result" not in executed_notebooks.made_with("03_train", {})


@pytest.mark.slow
def test_a_cell_that_fails_ends_the_build_and_names_the_notebook(notebook):
    path = notebook("[][3]")
    with (
        executed_notebooks.toy_data() as data,
        pytest.raises(ExtensionError, match=r"07_page.ipynb, cell failed: IndexError"),
    ):
        executed_notebooks.execute(path, data)
