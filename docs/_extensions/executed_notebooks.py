"""The notebooks as pages: executed on toy data through papermill, once for each state.

An executed copy stays in `_build/notebooks` until its notebook, its parameters, the kit
or the pins change. A cell that fails, fails the build. With -D execute_notebooks=0 no
notebook is executed, and the pages have no outputs.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
KEY = "lesionkit_state"
WIDGET = "application/vnd.jupyter.widget-view+json"
# Half an hour of training is no part of a build: this page is short, and says so.
SMALL: dict[str, dict[str, Any]] = {"06_lung_ct": {"size": 32, "epochs": 1}}
HOSTED = "hosted"  # the branch of .github/workflows/site.yml
say = logging.getLogger(__name__)


def kit_state() -> str:
    """A hash of everything that the output of a notebook can depend on."""
    files = [p for p in (ROOT / "lesionkit").rglob("*") if p.is_file()]
    seen = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for path in [*sorted(files), ROOT / "pyproject.toml"]:
        if "__pycache__" not in path.parts:
            seen.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
            seen.update(path.read_bytes())
    return seen.hexdigest()


def state_of(notebook: Path, kit: str) -> str:
    """A hash of a notebook, what it is given, and the kit."""
    given = json.dumps(SMALL.get(notebook.stem, {}), sort_keys=True)
    text = "\0".join((kit, given, notebook.read_text()))
    return hashlib.sha256(text.encode()).hexdigest()


def stored_state(copy: Path) -> str | None:
    """The state that an executed copy was made from, None without a copy."""
    if not copy.exists():
        return None
    return nbformat.read(copy, nbformat.NO_CONVERT).metadata.get(KEY)


@contextmanager
def toy_data() -> Iterator[Path]:
    """A data folder of its own for the kernels, gone afterwards."""
    settings = {"JUPYTER_PREFER_ENV_PATH": "1"}  # this interpreter's kernel
    with tempfile.TemporaryDirectory() as folder:
        settings["LESIONKIT_DATA"] = str(Path(folder).resolve() / "data")
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        try:
            yield Path(settings["LESIONKIT_DATA"])
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def execute(notebook: Path, data: Path) -> nbformat.NotebookNode:
    """The executed notebook, or an error that ends the build."""
    import papermill

    try:
        return papermill.execute_notebook(
            notebook,
            data.parent / notebook.name,
            parameters=SMALL.get(notebook.stem, {}),
            kernel_name="python3",
            progress_bar=False,
            cwd=data.parent,
        )
    except papermill.PapermillExecutionError as error:
        told = f"{error.ename}: {error.evalue}"
        raise ExtensionError(f"{notebook.name}, cell failed: {told}") from error


def without_widgets(cell: nbformat.NotebookNode) -> None:
    """Leave the pictures and tables of a cell, not the sliders that need a kernel."""
    if cell.cell_type == "code":
        cell.outputs = [o for o in cell.outputs if WIDGET not in o.get("data", {})]


def with_lines(cell: nbformat.NotebookNode) -> None:
    """Break the lines of the facts below a title, as they are written."""
    cell.source = cell.source.replace(".\n**", ".\\\n**")


def as_page(executed: nbformat.NotebookNode, data: Path, state: str) -> str:
    """The page of an executed notebook: no widgets, no folder of this machine."""
    name = Path(executed.metadata.papermill.input_path).stem
    for cell in executed.cells:
        without_widgets(cell)
        cell.metadata = {"tags": cell.metadata.get("tags", [])}
    with_lines(executed.cells[0])
    made = made_with(name, executed.metadata.papermill.parameters)
    executed.cells.insert(1, nbformat.v4.new_markdown_cell(made, id="made"))
    executed.metadata = {
        "kernelspec": executed.metadata.kernelspec,
        KEY: state,
    }
    text = nbformat.writes(executed)
    return text.replace(str(data), "data").replace(str(data.parent), ".")


def made_with(name: str, given: dict[str, Any]) -> str:
    """How the outputs of a page came about, as a note below its title."""
    command = f"uv run papermill notebooks/{name}.ipynb out.ipynb"
    command += "".join(f" -p {key} {value}" for key, value in given.items())
    short = " Few epochs of small images: its scores are no result." if given else ""
    return (
        f":::{{note}}\nMade by `{command}` when this site was built.{short} "
        "Sliders need a kernel and are left out; their starting state is shown. "
        f"{{download}}`This page as a notebook, with its outputs <{name}.ipynb>`.\n:::"
    )


def not_executed(sources: list[Path]) -> Iterator[tuple[Path, str]]:
    """Each notebook with its page, without outputs."""
    says = ":::{note}\nThis site was built without executing the notebooks.\n:::"
    for notebook in sources:
        page = nbformat.read(notebook, nbformat.NO_CONVERT)
        with_lines(page.cells[0])
        page.cells.insert(1, nbformat.v4.new_markdown_cell(says, id="made"))
        yield notebook, nbformat.writes(page)


def with_links(text: str, name: str, repository: str) -> str:
    """A page with links that open its notebook in Colab and in Binder.

    Args:
        repository: OWNER/NAME on GitHub; without it there are no links.
    """
    if not repository:
        return text
    page = nbformat.reads(text, nbformat.NO_CONVERT)
    colab = "https://colab.research.google.com/github"
    binder = "https://mybinder.org/v2/gh"
    links = (
        f"[Open in Colab]({colab}/{repository}/blob/{HOSTED}/{name}.ipynb), or in "
        f"[Binder]({binder}/{repository}/main?urlpath=lab/tree/notebooks/{name}.ipynb)."
    )
    page.cells.insert(1, nbformat.v4.new_markdown_cell(links, id="links"))
    return nbformat.writes(page)


def write_if_new(path: Path, text: str) -> None:
    """Leave a file with this text alone, so that its page is not read again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def make_pages(app: Sphinx) -> None:
    """Execute the notebooks that changed, and lay all of them among the sources."""
    pages = Path(app.srcdir) / "notebooks"
    sources = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    if app.config.executed_in:
        texts = executed_before(Path(app.config.executed_in), sources)
    elif not app.config.execute_notebooks:
        texts = not_executed(sources)
    else:
        texts = executed_now(Path(app.srcdir) / "_build/notebooks", sources)
    for notebook, text in texts:
        text = with_links(text, notebook.stem, app.config.repository)
        write_if_new(pages / notebook.name, text)
    for page in set(pages.glob("*.ipynb")) - {pages / n.name for n in sources}:
        page.unlink()


def executed_now(copies: Path, sources: list[Path]) -> Iterator[tuple[Path, str]]:
    """Each notebook with its page, executed where its copy is of another state."""
    kit = kit_state()
    with toy_data() as data:
        for notebook in sources:
            copy, state = copies / notebook.name, state_of(notebook, kit)
            if stored_state(copy) != state:
                say.info(f"executing {notebook.name}")
                write_if_new(copy, as_page(execute(notebook, data), data, state))
            yield notebook, copy.read_text()


def executed_before(folder: Path, sources: list[Path]) -> Iterator[tuple[Path, str]]:
    """Each notebook with its page, from copies that somebody executed in a folder."""
    for notebook in sources:
        executed = nbformat.read(folder / notebook.name, nbformat.NO_CONVERT)
        yield notebook, as_page(executed, folder / "data", "executed before")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_config_value("executed_in", "", "env", str)  # copies to take as they are
    app.add_config_value("execute_notebooks", True, "env", bool)
    app.add_config_value("repository", "", "env", str)  # OWNER/NAME on GitHub
    app.connect("builder-inited", make_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
