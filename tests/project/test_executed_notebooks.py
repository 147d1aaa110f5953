"""Notebooks run from top to bottom, see made_pages, and refuse what is wrong."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_pages import AGAIN
from notebook_cells import PAGES, code, every_page
from notebook_outputs import wrong_with

from lesionkit.extras import notebook_folder
from lesionkit.figures import blank, note
from lesionkit.figures.pixels import bytes_of
from lesionkit.pages.notebook import table
from lesionkit.records.runs import RunRecord


@pytest.fixture(scope="module")
def executed(executed_pages):
    """The folder of the executed pages, and each page by its name."""
    import nbformat

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
@pytest.mark.parametrize("page", [*PAGES, *AGAIN])
def test_every_output_of_an_executed_page_is_something_one_looks_at(executed, page):
    cells = [cell for cell in executed[1][page].cells if cell.cell_type == "code"]
    assert {c.source: found for c in cells if (found := wrong_with(c))} == {}


def output(**data):
    """An output of a cell, by the kinds of its data."""
    kinds = {"plain": "text/plain", "html": "text/html", "png": "image/png"}
    shown = {kinds[name]: value for name, value in data.items()}
    return SimpleNamespace(outputs=[{"output_type": "display_data", "data": shown}])


def png_of(figure) -> str:
    """A figure as a notebook stores it."""
    return base64.b64encode(bytes_of(figure)).decode()


def drawn():
    """A figure with something in it."""
    figure, axis = blank((4, 3))
    axis.imshow(np.arange(12).reshape(3, 4))
    return figure


@pytest.mark.parametrize(
    ("wrong", "made"),
    [
        (["a repr"], lambda: output(plain="{'images': 297}")),
        (["a repr"], lambda: output(plain="(8, 3, 64, 64)")),
        (["a repr"], lambda: output(plain="'660 rows'")),
        (["cut"], lambda: output(html="<td>a long sentence...</td>")),
        (["cut"], lambda: output(html="<td>a</td><td>…</td>")),
        (
            ["cut", "a plain data frame"],
            lambda: output(html=pd.DataFrame({"a": ["long " * 20]})._repr_html_()),
        ),
        (["empty figure"], lambda: output(png=png_of(note("no images to show")))),
        (["empty figure"], lambda: output(png=png_of(blank((4, 3))[0]))),
        ([], lambda: output(png=png_of(drawn()))),
        ([], lambda: output(html="<p>What it is.</p>", plain="What it is.")),
        ([], lambda: output(html=table(pd.DataFrame({"a": ["long " * 20]})).html)),
    ],
)
def test_what_nobody_wants_to_look_at_is_found(wrong, made):
    assert wrong_with(made()) == wrong


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
def test_the_training_page_ends_with_its_record_and_what_to_do_next(executed):
    folder, done = executed
    (seal,) = (folder / "data" / "runs").rglob("toy/unet/ioufocal/**/DONE")
    told = done["03_train"].cells[-1].outputs[-1].data["text/plain"]
    where, *steps = told.splitlines()
    assert where == f"The record is in {seal.parent}"
    assert [re.search(r"lesionkit (\w+) ", step)[1] for step in steps] == [
        *("train", "rank", "predict", "browse")
    ]


@pytest.mark.slow
def test_the_page_of_paper_b_shows_how_many_runs_have_ended(executed):
    _, done = executed
    (cell,) = (c for c in done["06_lung_ct"].cells if "run_sweep(" in c.source)
    texts = [o.data["text/plain"] for o in cell.outputs if "data" in o]
    assert any("run 9/9 |" in text for text in texts)


def has_facts(notebook, pattern: str) -> bool:
    """Whether an output's plain text has these lines."""
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    texts = [o.get("data", {}).get("text/plain", "") for o in outputs]
    return any(re.search(pattern, text) for text in texts)


@pytest.mark.slow
def test_the_analysis_page_judges_the_public_rerun(executed):
    import nbformat

    text = nbformat.writes(executed[1]["04_analysis"])
    assert has_facts(
        executed[1]["04_analysis"], r"rows of the table +660\n +losses +10\n"
    )
    assert "No loss is supported as the best" in text
    assert text.count('"image/png"') >= 8


@pytest.mark.slow
def test_of_one_run_of_each_of_two_losses_the_page_speaks_of_these_alone(executed):
    import nbformat

    text = nbformat.writes(executed[1]["04_records"])
    assert has_facts(executed[1]["04_records"], r"rows of the table +2\n +losses +2\n")
    assert "for groups like those of toy and this training of unet" in text
    # whether the lead decides is a matter of these two trainings
    lead = (
        r"(dice|ioufocal) (is supported as the best of 2 losses|leads (dice|ioufocal))"
    )
    assert re.search(lead, text)


@pytest.mark.slow
def test_the_mean_first_focal_loss_pulls_where_bce_pulls_on_the_page(executed):
    _, done = executed
    (cell,) = (c for c in done["02_losses"].cells if c.source.startswith("forms ="))
    found = cell.outputs[-1].data["text/plain"]
    rows = {line.split()[0]: line.split()[-1] for line in found.splitlines()}
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
    shown = done["04_records"].cells[-1].outputs[-1].data["text/plain"]
    assert "mean with background, pooled" in shown


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


@pytest.mark.slow
def test_what_vs_code_puts_into_a_kernel_is_no_parameter(run_cell, kernel):
    folder = notebook_folder()
    hidden = [  # in the way of its Jupyter extension, which is not run here
        f"import os as _VSCODE_os; _VSCODE_os.chdir({str(folder)!r})",
        f"__vsc_ipynb_file__ = {str(folder / '03_train.ipynb')!r}",
        "import builtins as _VSCODE_builtins, json as _VSCODE_json",
        "def _VSCODE_getVariable(what_to_get, name): return name",
    ]
    for line in hidden:
        kernel.execute_interactive(line, timeout=60, silent=True, store_history=False)
    imports, parameters, config, *_ = code("03_train")
    changed = parameters.replace("repeat: int = 0", "repeat: int = 3")
    replies = [run_cell(s) for s in (imports, changed, config)]
    assert [reply["status"] for reply in replies] == ["ok"] * 3
    seen = run_cell("assert config.repeat == 3, config")
    assert seen["status"] == "ok", seen
