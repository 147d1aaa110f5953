"""This machine: warm workers on its GPUs or its CPU, or notebooks through papermill."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Generator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from lesionkit import lookup
from lesionkit.config import RunConfig, data_folder
from lesionkit.engines import Outcome
from lesionkit.engines.pool import Pool
from lesionkit.engines.slots import environments, find_gpus
from lesionkit.extras import notebook_folder

HOWS = {
    "worker": "in a process that stays warm from run to run",
    "notebook": "as an executed notebook beside the record",
}


def run_all(
    configs: Sequence[RunConfig],
    *,
    how: str = "worker",
    slots: int | None = None,
    slots_per_gpu: int = 1,
    retries: int = 1,
    timeout_seconds: float | None = None,
) -> Generator[Outcome]:
    """The outcome of every run, as soon as it has ended; several run at once.

    Args:
        configs: the runs.
        how: one of HOWS; both leave the same record.
        slots: runs at once; None: slots_per_gpu on each GPU, or one on the CPU.
        slots_per_gpu: runs that share a GPU.
        retries: how often a run is tried again whose worker died or took too long.
        timeout_seconds: the longest that a run may take; None: any time.

    Raises:
        ValueError: an unknown `how`, or fewer than one slot.
        RuntimeError: no worker can be started.
    """
    lookup.find("how", how, HOWS)
    on_gpu = any(config.device != "cpu" for config in configs)
    places = environments(
        find_gpus() if on_gpu else [],
        at_most=len(configs),
        slots=slots,
        slots_per_gpu=slots_per_gpu,
    )
    again = {"retries": retries, "timeout_seconds": timeout_seconds}
    return Pool(places, worker_command(how), **again).run_all(configs)


def worker_command(how: str) -> list[str]:
    """What starts a worker."""
    return module_command("worker", "--how", how)


def module_command(name: str, *arguments: str) -> list[str]:
    """What starts a module of `engines` in a process of its own.

    A crash in compiled code leaves its place in the log, and a file in the working
    directory is never taken for a library (-P).
    """
    python = [sys.executable, "-P", "-X", "faulthandler"]
    return [*python, "-m", f"lesionkit.engines.{name}", *arguments]


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
