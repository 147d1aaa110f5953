"""This machine, one run after the other, each as an executed notebook."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, fields
from pathlib import Path

from lesionkit.config import RunConfig, data_folder, notebook_folder


def execute(config: RunConfig) -> None:
    """Train one run through papermill; the executed notebook lies beside the record.

    Raises:
        Exception: the notebook stopped; the last line of the text is the reason.
    """
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this interpreter's kernel, no other
    os.environ["LESIONKIT_DATA"] = str(data_folder())  # the kernel starts elsewhere
    import papermill

    # It warns of every parameter that the notebook's cell does not list; the notebook
    # itself knows them all and refuses what is misspelt.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    output = executed_notebook(config)
    output.parent.mkdir(parents=True, exist_ok=True)
    papermill.execute_notebook(
        notebook_folder() / "03_train.ipynb",
        output,
        parameters=given(config),
        kernel_name="python3",
        progress_bar=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # it warns of loopback TCP
        cwd=None,
    )


def given(config: RunConfig) -> dict[str, object]:
    """The parameters that are not left to the protocol, as papermill takes them."""
    values = asdict(config)
    defaults = {rule.name: rule.default for rule in fields(config)}
    return {name: v for name, v in values.items() if v != defaults[name]}


def executed_notebook(config: RunConfig) -> Path:
    """Where the executed notebook of a run is."""
    return config.folder.with_name(config.folder.name + ".ipynb")
