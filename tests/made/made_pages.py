"""The notebooks, executed from top to bottom on toy data, with short trainings."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionkit.extras import notebook_folder

# Pages that are executed once more with other parameters.
AGAIN = {"03_again": "03_train", "04_records": "04_analysis"}


def execute_pages(folder: Path) -> None:
    """All pages, executed one after the other on one data folder."""
    import papermill

    folder.mkdir(parents=True)
    short = {"epochs": 2, "threads": 1}  # two threads wait on a busy machine
    given = {
        "03_train": short,
        "03_again": short | {"loss": "dice"},
        "04_records": {"runs": str(folder / "data" / "runs" / "demo")},
        "06_lung_ct": {"size": 32, "epochs": 1},
    }
    pages = {path.stem: path for path in sorted(notebook_folder().glob("*.ipynb"))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LESIONKIT_DATA", str(folder / "data"))
        patch.setenv("JUPYTER_PREFER_ENV_PATH", "1")  # this interpreter's kernel
        for name in (*pages, *AGAIN):
            papermill.execute_notebook(
                pages[AGAIN.get(name, name)],
                folder / f"{name}.ipynb",
                parameters=given.get(name, {}),
                kernel_name="python3",
                progress_bar=False,
                cwd=folder,
            )
