"""The notebooks, cell by cell, as they are in the repository."""

from __future__ import annotations

import ast

import nbformat
import pytest

from lesionkit.extras import notebook_folder

PAGES = {path.stem: path for path in sorted(notebook_folder().glob("*.ipynb"))}
every_page = pytest.mark.parametrize("page", PAGES)


def cells(page, kind=None):
    """The cells of a notebook, of one kind if it is given."""
    notebook = nbformat.read(PAGES[page], nbformat.NO_CONVERT)
    return [cell for cell in notebook.cells if kind in (None, cell.cell_type)]


def code(page):
    """The sources of its code cells."""
    return [cell.source for cell in cells(page, "code")]


def nodes(page):
    """Everything in the syntax of its code."""
    return [node for source in code(page) for node in ast.walk(ast.parse(source))]
