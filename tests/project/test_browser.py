"""The notebooks as a person uses them: JupyterLab in a real browser, on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_browser import (
    COUNTS,
    in_a_browser,
    opened,
    run_to_the_end,
    served,
    sliders_do_what_the_library_says,
)

pytestmark = in_a_browser

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SHORT = """
loss: str = "dice"
dataset: str = "tiny"
size: int = 32
epochs: int = 1
batch_size: int = 4
"""


@pytest.fixture
def lab(tmp_path: Path, tiny: str) -> Iterator[str]:
    """The address of a JupyterLab with a short copy of 03_train.ipynb."""
    import nbformat

    notebook = nbformat.read(NOTEBOOKS / "03_train.ipynb", as_version=4)
    (place,) = (
        i
        for i, c in enumerate(notebook.cells)
        if "parameters" in c.metadata.get("tags", [])
    )
    notebook.cells[place].source = SHORT.strip()
    notebook.cells.append(nbformat.v4.new_code_cell("note = 3\nlearning_rat = 0.5"))
    nbformat.write(notebook, tmp_path / "03_train.ipynb")
    with served(tmp_path, "03_train.ipynb") as address:
        yield address


def test_the_config_cell_runs_again_after_a_variable_was_defined(lab: str) -> None:
    with opened(lab, 5000) as page:
        run_to_the_end(page, "notebook:run-all-cells")
        first = page.evaluate(COUNTS)
        config = page.locator(".jp-CodeCell", has_text="RunConfig.from_notebook").first
        config.locator(".jp-InputArea-editor").click()
        run_to_the_end(page, "notebook:run-cell")
        again = page.evaluate(COUNTS)
        pictures = page.locator(".jp-OutputArea-output img").count()
        errors = page.locator(
            '[data-mime-type="application/vnd.jupyter.error"]'
        ).count()
    assert first == list(range(1, len(first) + 1))
    assert again == [*first[:2], len(first) + 1, *first[3:]]
    assert errors == 0
    assert pictures == 3


def test_an_arrow_key_on_a_slider_replaces_the_one_picture(tmp_path: Path) -> None:
    import nbformat

    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(metadata=spec)
    source = "from lesionkit.thresholds import widgets\nwidgets.focal_sliders().show()"
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, tmp_path / "sliders.ipynb")
    with served(tmp_path, "sliders.ipynb") as address, opened(address, 900) as page:
        run_to_the_end(page, "notebook:run-all-cells")
        pictures = page.locator(".jp-OutputArea-output img")
        pictures.first.wait_for(timeout=60_000)
        before = pictures.first.get_attribute("src")
        labels = page.locator(".widget-slider .widget-label").all_inner_texts()
        page.locator(".noUi-handle").last.focus()
        page.keyboard.press("ArrowLeft")
        changed = (
            "was => document.querySelector('.jp-OutputArea-output img').src != was"
        )
        page.wait_for_function(changed, arg=before, timeout=30_000)
        assert pictures.count() == 1
    assert labels == ["alpha", "gamma"]


def test_the_threshold_notebook_follows_its_sliders_in_jupyterlab(
    tmp_path: Path,
) -> None:
    shutil.copy(NOTEBOOKS / "05_thresholds.ipynb", tmp_path)
    with (
        served(tmp_path, "05_thresholds.ipynb") as address,
        opened(address, 1800) as page,
    ):
        run_to_the_end(page, "notebook:run-all-cells")
        page.locator(".widget-slider").first.scroll_into_view_if_needed()
        sliders_do_what_the_library_says(page)
        errors = page.locator('[data-mime-type="application/vnd.jupyter.error"]')
        assert errors.count() == 0
        # JupyterLab itself asks its server for files that may not be there
        assert [line for line in page.said if "404 (Not Found)" not in line] == []
