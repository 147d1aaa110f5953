"""The notebooks as pages: executed once for each state, and said how they were made."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def nbformat():
    """The library, which takes five seconds to import."""
    import nbformat

    return nbformat


@pytest.fixture
def executed_notebooks():
    """The extension, which imports it too."""
    import executed_notebooks

    return executed_notebooks


@pytest.fixture
def notebook(tmp_path, nbformat):
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
    notebook, monkeypatch, executed_notebooks
):
    path = notebook("1")
    states = [executed_notebooks.state_of(path, kit) for kit in ("kit", "kit", "new")]
    monkeypatch.setitem(executed_notebooks.SMALL, "07_page", {"epochs": 1})
    states.append(executed_notebooks.state_of(path, "kit"))
    notebook("2")
    states.append(executed_notebooks.state_of(path, "kit"))
    assert states[0] == states[1]
    assert len(set(states)) == 4


def test_the_state_of_the_kit_changes_with_a_file_and_with_a_pin(
    tmp_path, monkeypatch, executed_notebooks
):
    (tmp_path / "lesionkit").mkdir()
    monkeypatch.setattr(executed_notebooks, "ROOT", tmp_path)
    states = set()
    for name in ("pyproject.toml", "lesionkit/a.py", "lesionkit/b.csv", "notes.md"):
        (tmp_path / "pyproject.toml").touch()
        (tmp_path / name).write_text("1")
        states.add(executed_notebooks.kit_state())
    assert len(states) == 3  # notes are no part of it


@pytest.fixture
def site(tmp_path, monkeypatch, notebook, nbformat, executed_notebooks):
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
    config = SimpleNamespace(executed_in="", execute_notebooks=True, repository="")
    app = SimpleNamespace(srcdir=root / "docs", config=config)

    def build(**changed):
        vars(config).update(changed)
        executed_notebooks.make_pages(app)

    return build, done, root


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


def test_a_page_may_be_made_of_a_copy_that_was_executed_before(
    notebook, monkeypatch, nbformat, executed_notebooks
):
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


def test_a_page_has_no_widget_no_folder_of_this_machine_and_says_how_it_was_made(
    site, nbformat
):
    build, _, root = site
    build()
    page = nbformat.read(root / "docs/notebooks/07_page.ipynb", nbformat.NO_CONVERT)
    assert [output.text for output in page.cells[2].outputs] == ["data/runs\n"]
    assert (
        "`uv run papermill notebooks/07_page.ipynb out.ipynb`" in page.cells[1].source
    )


def test_the_facts_below_a_title_stand_on_lines_of_their_own(
    nbformat, executed_notebooks
):
    cell = nbformat.v4.new_markdown_cell("# A\n\nB.\n\n**Reads** a.\n**Writes** b.")
    executed_notebooks.with_lines(cell)
    assert cell.source == "# A\n\nB.\n\n**Reads** a.\\\n**Writes** b."


def test_a_page_of_small_parameters_names_them_and_says_that_it_is_no_result(
    executed_notebooks,
):
    said = executed_notebooks.made_with("06_lung_ct", {"size": 32, "epochs": 1})
    assert "out.ipynb -p size 32 -p epochs 1`" in said
    assert "no result" in said
    assert "no result" not in executed_notebooks.made_with("03_train", {})


def test_a_cell_that_fails_ends_the_build_and_names_the_notebook(
    notebook, executed_notebooks
):
    from sphinx.errors import ExtensionError

    path = notebook("[][3]")
    with (
        executed_notebooks.toy_data() as data,
        pytest.raises(ExtensionError, match=r"07_page.ipynb, cell failed: IndexError"),
    ):
        executed_notebooks.execute(path, data)


def test_a_site_may_be_built_without_executing_a_notebook(site, nbformat):
    build, done, root = site
    build(execute_notebooks=False)
    page = nbformat.read(root / "docs/notebooks/07_page.ipynb", nbformat.NO_CONVERT)
    assert done == []
    assert "built without executing" in page.cells[1].source
    assert (page.cells[2].source, page.cells[2].outputs) == ("1", [])


def test_a_page_opens_in_colab_and_binder_once_the_repository_has_an_address(
    site, nbformat
):
    build, done, root = site
    page = root / "docs/notebooks/07_page.ipynb"
    build()
    assert "olab" not in page.read_text()
    build(repository="some/kit")
    links = nbformat.read(page, nbformat.NO_CONVERT).cells[1].source
    assert (
        "https://colab.research.google.com/github/some/kit/blob/hosted/07_page.ipynb"
        in links
    )
    binder = "https://mybinder.org/v2/gh/some/kit/main?urlpath=lab/tree/notebooks/"
    assert f"{binder}07_page.ipynb" in links
    assert done == ["07_page.ipynb"]  # it is not executed again for its links


def test_the_page_of_an_executed_notebook_gives_it_away_with_its_outputs(
    site, nbformat
):
    build, _, root = site
    build()
    page = nbformat.read(root / "docs/notebooks/07_page.ipynb", nbformat.NO_CONVERT)
    assert "with its outputs <07_page.ipynb>`" in page.cells[1].source
