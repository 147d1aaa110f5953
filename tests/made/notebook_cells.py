"""The notebooks, cell by cell, as they are in the repository."""

from __future__ import annotations

import ast
import json
from types import SimpleNamespace

import pytest

from lesionkit.extras import notebook_folder

PAGES = {path.stem: path for path in sorted(notebook_folder().glob("*.ipynb"))}
every_page = pytest.mark.parametrize("page", PAGES)


def cells(page, kind=None):
    """The cells of a notebook, of one kind if it is given."""
    found = [as_cell(**cell) for cell in notebook(page)["cells"]]
    return [cell for cell in found if kind in (None, cell.cell_type)]


def notebook(page):
    """The JSON of a notebook. nbformat takes five seconds to import."""
    return json.loads(PAGES[page].read_text())


def as_cell(source, **other):
    """A cell with its source in one piece."""
    return SimpleNamespace(source="".join(source), **other)


def code(page):
    """The sources of its code cells."""
    return [cell.source for cell in cells(page, "code")]


def nodes(page):
    """Everything in the syntax of its code."""
    return [node for source in code(page) for node in ast.walk(ast.parse(source))]
