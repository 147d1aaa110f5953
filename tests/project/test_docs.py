"""The sources of the documentation site name everything, and say it as we mean it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import docstring_sections
import kit_tables
import page_links
import pytest

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


def test_a_public_module_is_in_the_reference():
    places = [lesionkit._MODULES.get(n, n) for n in (*lesionkit._MODULES, *PROMISED)]
    names = [place.removeprefix("lesionkit.") for place in places]
    assert [name for name in names if NAMED.count(name) != 1] == []


def test_a_public_name_is_in_the_reference():
    for name, module in lesionkit._PUBLIC.items():
        if name.isupper():  # a dict
            assert f".. autodata:: {module}.{name}\n" in REFERENCE
        assert module.removeprefix("lesionkit.") in NAMED, name


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
    assert (
        "| `alpha` | focal term: weight of the lesion class | float | open | 0 to 1 |"
        in rows
    )
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
