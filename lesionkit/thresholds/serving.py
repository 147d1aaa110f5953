"""A notebook as a page that only this machine can open."""

from __future__ import annotations

import ast
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat

from lesionkit.config import data_folder
from lesionkit.extras import notebook_folder
from lesionkit.lookup import find

LOOPBACK = "127.0.0.1"
TEMPLATES = Path(__file__).parents[1] / "pages"  # Voila's page, without the network


def with_parameters(name: str, values: Mapping[str, str]) -> nbformat.NotebookNode:
    """A notebook of the kit whose parameters cell holds other values.

    Raises:
        ValueError: the notebook has no such parameter.
    """
    notebook: Any = nbformat.read(notebook_folder() / f"{name}.ipynb", as_version=4)
    (cell,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    lines = {
        ast.parse(line).body[0].target.id: line for line in cell.source.split("\n")
    }
    for key, value in values.items():
        comment = find("parameter", key, lines).partition("  #")[2]
        lines[key] = f"{key}: {type(value).__name__} = {value!r}  #{comment}"
    cell.source = "\n".join(lines.values())
    return notebook


def free_port(port: int = 0) -> int:
    """The port itself, or a free one for 0.

    Raises:
        ValueError: another program has the port.
    """
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            raise ValueError(
                f"port {port} cannot be had on {LOOPBACK};"
                " leave --port out for a free one"
            ) from None
        return trial.getsockname()[1]


def serve(
    name: str,
    values: Mapping[str, str],
    *,
    port: int = 0,
    browser: bool = True,
    report: Callable[[str], None] = print,
) -> int:
    """Serve a notebook with Voila on loopback until it is stopped; its exit status.

    The address carries a token that is new each time, so that other users of the
    machine cannot open the page.

    Args:
        name: of the notebook, without its ending.
        values: of its parameters.
        port: 0 takes a free one.
        browser: whether a browser is opened.
        report: called with the address.

    Raises:
        ValueError: no such parameter, or the port is taken.
        RuntimeError: Voila ended with an error.
    """
    notebook = with_parameters(name, values)
    port, token = free_port(port), secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="lesionkit-") as folder:
        path = Path(folder) / f"{name}.ipynb"
        nbformat.write(notebook, path)
        options = [f"--Voila.ip={LOOPBACK}", f"--port={port}", f"--token={token}"]
        options += ["--template=lesionkit", *([] if browser else ["--no-browser"])]
        paths = [str(TEMPLATES), os.environ.get("JUPYTER_PATH", "")]
        environment = os.environ | {
            "JUPYTER_PATH": os.pathsep.join(filter(None, paths)),
            "JUPYTER_PREFER_ENV_PATH": "1",  # this interpreter's kernel, no other
            "LESIONKIT_DATA": str(data_folder()),  # the kernel starts elsewhere
        }
        command = [sys.executable, "-m", "voila", str(path), *options]
        server = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, text=True
        )
        report(f"http://{LOOPBACK}:{port}/?token={token}   (Ctrl-C stops it)")
        return _wait(server)


def _wait(server: subprocess.Popen) -> int:
    """Until the server ends; it never outlives this process by an exception."""
    try:
        _, said = server.communicate()
    except BaseException:
        server.terminate()
        server.wait(timeout=30)
        raise
    if server.returncode:
        lines = said.strip().splitlines() or ["no reason given"]
        raise RuntimeError(f"Voila ended with {server.returncode}: {lines[-1]}")
    return server.returncode
