"""Packages of the extra `ct`, imported when a file needs one."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from lesionkit.extras import install


def package(name: str, path: Path) -> Any:
    """A module of the extra `ct`.

    Raises:
        ImportError: it is not installed; the text names the file and the extra.
    """
    try:
        return import_module(name)
    except ImportError as error:
        needs = f"{path} needs {name.split('.')[0]}: {install('ct')}"
        raise ImportError(needs) from error
