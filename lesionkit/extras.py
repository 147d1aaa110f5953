"""How the kit was installed, what installs an extra, and its packages."""

from __future__ import annotations

from importlib import import_module, metadata
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent


def in_checkout() -> bool:
    """Whether this package lies in its source tree rather than in site-packages."""
    return (CHECKOUT / "notebooks").is_dir() and (CHECKOUT / "pyproject.toml").is_file()


def version() -> str:
    """The version of the kit as it is installed, or as the checkout states it."""
    try:
        return metadata.version("lesionkit")
    except metadata.PackageNotFoundError:  # a checkout on the path, not installed
        import tomllib

        return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"][
            "version"
        ]


def notebook_folder() -> Path:
    """Where the numbered notebooks are: the checkout's, or the installed copy."""
    return (CHECKOUT if in_checkout() else PACKAGE) / "notebooks"


def install(name: str) -> str:
    """The command that installs an extra, in a checkout or of the installed kit."""
    if in_checkout():
        return f"uv sync --extra {name}, or pip install --editable '.[{name}]'"
    return f"pip install 'lesionkit[{name}]'"


def package(name: str, path: Path, *, extra: str) -> Any:
    """A module of an extra, imported when a file needs it.

    Raises:
        ImportError: it is not installed; the text names the file and the extra.
    """
    try:
        return import_module(name)
    except ImportError as error:
        needs = f"{path} needs {name.split('.')[0]}: {install(extra)}"
        raise ImportError(needs) from error
