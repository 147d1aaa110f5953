"""Notebooks are short pages that are stripped, and whose parameters are checked."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from statistics import median

import pytest
from notebook_cells import PAGES, cells, code, every_page, nodes, notebook

from lesionkit.config import RunConfig, manual

FACTS = ("**Reads**", "**Writes**", "**Takes**", "**Source**", "**Expect**")


def parameter_cells(page):
    """The cells with the tag `parameters`."""
    found = cells(page, "code")
    return [cell for cell in found if "parameters" in cell.metadata.get("tags", [])]


def few_words(page):
    """Code cells after the third with less words before them than in them."""
    everything = cells(page)
    places = [i for i, cell in enumerate(everything) if cell.cell_type == "code"][3:]
    return [
        everything[place].source
        for place in places
        if everything[place - 1].cell_type != "markdown"
        or len(everything[place - 1].source.split())
        < len(everything[place].source.split())
    ]


def test_the_pages_are_numbered_in_the_order_of_the_walk():
    assert list(PAGES)[:4] == ["01_data", "02_losses", "03_train", "04_analysis"]


@pytest.mark.slow
@every_page
def test_a_page_is_a_valid_notebook(page):
    import nbformat

    nbformat.validate(nbformat.read(PAGES[page], nbformat.NO_CONVERT))


@every_page
def test_a_page_has_at_most_40_cells(page):
    assert len(cells(page)) <= 40


@every_page
def test_the_first_cell_has_a_title_and_states_the_five_facts(page):
    lines = cells(page)[0].source.splitlines()
    assert re.match(r"# \w", lines[0])
    assert tuple(line.split()[0] for line in lines if line[:2] == "**") == FACTS


@every_page
def test_a_code_cell_has_at_most_12_lines(page):
    assert max(len(source.splitlines()) for source in code(page)) <= 12


def test_the_median_code_cell_has_at_most_4_lines():
    lengths = [len(source.splitlines()) for page in PAGES for source in code(page)]
    assert median(lengths) <= 4


@every_page
def test_the_first_code_cell_is_all_imports(page):
    first, *others = code(page)
    kinds = {type(statement) for statement in ast.parse(first).body}
    assert kinds <= {ast.Import, ast.ImportFrom}
    later = [node for source in others for node in ast.walk(ast.parse(source))]
    assert not any(isinstance(n, ast.Import | ast.ImportFrom) for n in later)


@pytest.mark.slow
@every_page
def test_papermill_lists_every_parameter_of_a_page_with_its_comment(page):
    from papermill import inspect_notebook

    found = inspect_notebook(PAGES[page])
    (cell,) = parameter_cells(page)
    names = [line.split(":")[0] for line in cell.source.splitlines()]
    assert list(found) == names
    assert all(facts["help"] for facts in found.values())


@every_page
def test_the_second_code_cell_is_the_only_one_with_parameters(page):
    assert parameter_cells(page) == [cells(page, "code")[1]]


@every_page
def test_parameters_are_annotated_literals_of_their_type_each_with_a_comment(page):
    source = parameter_cells(page)[0].source
    statements = ast.parse(source).body
    assert {type(statement) for statement in statements} == {ast.AnnAssign}
    annotated = [statement.annotation.id for statement in statements]
    values = [ast.literal_eval(statement.value) for statement in statements]
    given = [(v, kind) for v, kind in zip(values, annotated, strict=True)]
    given = [(v, kind) for v, kind in given if page != "03_train" or v is not None]
    assert [type(value).__name__ for value, _ in given] == [kind for _, kind in given]
    assert all(re.search(r"  # .{6}", line) for line in source.splitlines())


@every_page
def test_the_third_code_cell_checks_the_parameters(page):
    assert re.search(
        r"(from_notebook|notebook_parameters)\(globals\(\)\)", code(page)[2]
    )


@every_page
def test_code_is_plain_python_without_definitions_or_traps(page):
    forbidden = (
        ast.FunctionDef
        | ast.AsyncFunctionDef
        | ast.ClassDef
        | ast.Try
        | ast.While
        | ast.Assert
        | ast.Global
        | ast.Delete
    )
    assert [n for n in nodes(page) if isinstance(n, forbidden)] == []


@every_page
def test_no_loop_stands_in_a_loop(page):
    loops = [node for node in nodes(page) if isinstance(node, ast.For)]
    inner = [n for loop in loops for n in ast.walk(loop) if isinstance(n, ast.For)]
    assert len(inner) == len(loops)


@every_page
def test_code_names_no_path(page):
    texts = [n.value for n in nodes(page) if isinstance(n, ast.Constant)]
    paths = [
        t for t in texts if isinstance(t, str) and re.search(r"\w[/\\]\w|^[.~]*/", t)
    ]
    assert paths == []


@every_page
def test_the_last_line_of_a_code_cell_shows_something(page):
    last = [ast.parse(source).body[-1] for source in code(page)[2:]]
    assert {type(statement) for statement in last} == {ast.Expr}


@every_page
def test_a_code_cell_after_the_third_has_markdown_before_it_with_as_many_words(page):
    assert few_words(page) == []


@every_page
def test_a_page_is_stripped_of_outputs_counts_and_papermill(page):
    assert set(notebook(page)["metadata"]) <= {"kernelspec", "language_info"}
    assert all(cell.outputs == [] for cell in cells(page, "code"))
    assert all(cell.execution_count is None for cell in cells(page, "code"))
    keys = {key for cell in cells(page) for key in cell.metadata}
    assert keys <= {"tags"}


@every_page
def test_every_cell_has_an_id_of_its_own(page):
    ids = [cell.id for cell in cells(page)]
    assert len(set(ids)) == len(ids)


def test_the_parameters_of_the_training_page_have_the_defaults_of_a_run():
    statements = ast.parse(parameter_cells("03_train")[0].source).body
    page = {s.target.id: ast.literal_eval(s.value) for s in statements}
    defaults = {rule.name: rule.default for rule in fields(RunConfig)}
    assert page == {name: defaults[name] for name in manual.FIRST}


def test_the_parameters_of_the_training_page_have_the_types_of_a_run():
    statements = ast.parse(parameter_cells("03_train")[0].source).body
    kinds = {rule.name: rule.metadata["kind"].__name__ for rule in fields(RunConfig)}
    page = {s.target.id: s.annotation.id for s in statements}
    assert page == {name: kinds[name] for name in manual.FIRST}


@every_page
def test_the_last_line_of_a_code_cell_is_no_plain_dict_tuple_list_or_text(page):
    plain = ast.Dict | ast.Tuple | ast.List | ast.Set | ast.JoinedStr | ast.Constant
    last = [ast.parse(source).body[-1].value for source in code(page)[2:]]
    assert [ast.unparse(value) for value in last if isinstance(value, plain)] == []
