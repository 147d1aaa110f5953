"""Notebooks are short pages that are stripped, run from top to bottom, and refuse."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import fields
from statistics import median

import nbformat
import pytest
from papermill import inspect_notebook

from lesionkit.config import RunConfig, notebook_folder
from lesionkit.runs import RunRecord

PAGES = {path.stem: path for path in sorted(notebook_folder().glob("*.ipynb"))}
FACTS = ("**Reads**", "**Writes**", "**Takes**", "**Source**", "**Expect**")
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


@every_page
def test_a_page_is_a_valid_notebook_of_at_most_40_cells(page):
    nbformat.validate(nbformat.read(PAGES[page], nbformat.NO_CONVERT))
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


@every_page
def test_papermill_lists_every_parameter_of_a_page_with_its_comment(page):
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
    assert [type(value).__name__ for value in values] == annotated
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
    notebook = nbformat.read(PAGES[page], nbformat.NO_CONVERT)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert all(cell.outputs == [] for cell in cells(page, "code"))
    assert all(cell.execution_count is None for cell in cells(page, "code"))
    keys = {key for cell in cells(page) for key in cell.metadata}
    assert keys <= {"tags"}


@every_page
def test_every_cell_has_an_id_of_its_own(page):
    ids = [cell["id"] for cell in cells(page)]
    assert len(set(ids)) == len(ids)


def test_the_parameters_of_the_training_page_have_the_defaults_of_a_run():
    statements = ast.parse(parameter_cells("03_train")[0].source).body
    page = {s.target.id: ast.literal_eval(s.value) for s in statements}
    defaults = {rule.name: rule.default for rule in fields(RunConfig)}
    assert page == {name: defaults[name] for name in page}


# From here on notebooks are executed; see made_pages.


@pytest.fixture(scope="module")
def executed(executed_pages):
    """The folder of the executed pages, and each page by its name."""
    copies = executed_pages.glob("*.ipynb")
    found = {path.stem: nbformat.read(path, nbformat.NO_CONVERT) for path in copies}
    return executed_pages, found


@pytest.mark.slow
@every_page
def test_every_code_cell_of_an_executed_page_but_two_shows_something(executed, page):
    notebook = executed[1][page]
    injected = "injected-parameters"
    shown = [
        bool(cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code" and injected not in cell.metadata.get("tags", [])
    ]
    assert shown == [False, False] + [True] * (len(shown) - 2)


@pytest.mark.slow
@every_page
def test_an_executed_page_writes_no_warning(executed, page):
    outputs = [o for c in executed[1][page].cells for o in c.get("outputs", [])]
    assert [o.text for o in outputs if o.get("name") == "stderr"] == []


@pytest.mark.slow
def test_the_page_of_paper_b_trains_the_nine_rows_and_its_search(executed):
    root = executed[0] / "data" / "runs" / "paper_b" / "ct_phantom"
    records = [RunRecord(seal.parent) for seal in root.rglob("DONE")]
    numbers = [
        tuple(r.identity[n] for n in ("model", "loss", "alpha", "gamma", "beta"))
        for r in records
    ]
    assert len(set(numbers)) == len(records) >= 9 + 6  # enet's rows may be searched
    assert {r.identity["epochs"] for r in records} == {1}
    assert len({model for model, *_ in numbers}) == 3


@pytest.mark.slow
def test_the_training_page_leaves_one_sealed_record_of_its_parameters(executed):
    folder, _ = executed
    (seal,) = (folder / "data" / "runs").rglob("toy/unet/ioufocal/**/DONE")
    table = (seal.parent / "history.csv").read_text().splitlines()
    assert len(table) == 1 + 2  # a head and an epoch each
    assert seal.parent.name.startswith("repeat0-")


@pytest.mark.slow
def test_the_analysis_page_judges_the_public_rerun(executed):
    text = nbformat.writes(executed[1]["04_analysis"])
    assert "660 rows of 10 losses" in text
    assert "No loss is supported as the best" in text
    assert text.count('"image/png"') >= 8


@pytest.mark.slow
def test_the_analysis_page_says_nothing_of_one_run_of_each_of_two_losses(executed):
    text = nbformat.writes(executed[1]["04_records"])
    assert "2 rows of 2 losses" in text
    assert "Nothing can be said: " in text


@pytest.mark.slow
def test_the_mean_first_focal_loss_pulls_where_bce_pulls_on_the_page(executed):
    _, done = executed
    (cell,) = (c for c in done["02_losses"].cells if c.source.startswith("forms ="))
    table = cell.outputs[-1].data["text/plain"]
    rows = {line.split()[0]: line.split()[-1] for line in table.splitlines()}
    assert rows["bce"] == "1.000000"


@pytest.mark.slow
def test_the_sliders_leave_a_plain_picture_on_the_page(executed):
    _, done = executed
    (cell,) = (c for c in done["02_losses"].cells if "focal_sliders(" in c.source)
    kinds = [set(output.data) for output in cell.outputs]
    assert any("image/png" in kind for kind in kinds[1:])


@pytest.mark.slow
def test_the_page_of_analysis_scores_under_every_convention(executed):
    _, done = executed
    table = done["04_records"].cells[-1].outputs[-1].data["text/plain"]
    assert "mean with background, pooled" in table


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parameter", "value", "said"),
    [
        ("los", "ioufocal", "unknown parameter 'los'. Did you mean 'loss'?"),
        ("loss", "iuofocal", "unknown loss 'iuofocal'. Did you mean 'ioufocal'?"),
        ("repeat", "7", "repeat must be 0 to 4, got 7. .* -p repeats 12"),
        (
            "dataset",
            "kvasir",
            "no folder .*/data/prepared/kvasir/64. "
            "Fill it with: lesionkit prepare kvasir --raw DIR --size 64",
        ),
    ],
)
def test_papermill_ends_with_what_was_wrong_on_its_last_line(
    tmp_path, data_home, parameter, value, said
):
    done = subprocess.run(
        [sys.executable, "-m", "papermill", PAGES["03_train"], tmp_path / "out.ipynb"]
        + ["-p", parameter, value],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode != 0
    assert re.search(said, done.stderr.strip().splitlines()[-1])
    assert not (data_home / "runs").exists()


@pytest.fixture(scope="module")
def kernel():
    """A Python kernel of this interpreter."""
    from jupyter_client.manager import start_new_kernel

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
        manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture
def run_cell(kernel):
    """Runs a cell in a kernel whose variables and history are new."""

    def run(source):
        reply = kernel.execute_interactive(
            source, timeout=300, store_history=True, output_hook=lambda message: None
        )
        return reply["content"]

    run("%reset -f in out")
    return run


@pytest.mark.slow
@pytest.mark.parametrize("line", ["note = 3", "lr = 1", "note: int = 3", "%pwd", "!ls"])
def test_the_config_cell_may_be_run_again_after_other_cells(run_cell, line):
    imports, parameters, config, *_ = code("03_train")
    replies = [run_cell(s) for s in (imports, parameters, config, line, config)]
    assert [reply["status"] for reply in replies] == ["ok"] * 5


@pytest.mark.slow
def test_the_config_cell_refuses_a_misspelt_parameter_until_it_is_corrected(run_cell):
    imports, parameters, config, *_ = code("03_train")
    wrong = parameters.replace("loss:", "los:")
    refused = [run_cell(s) for s in (imports, wrong, config)][-1]
    assert refused["status"] == "error"
    assert "Did you mean 'loss'?" in refused["evalue"]
    accepted = [run_cell(s) for s in (parameters, config)][-1]
    assert accepted["status"] == "ok"
