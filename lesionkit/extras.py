"""The extras: what installs one where it is missing."""

from __future__ import annotations

from lesionkit.config import in_checkout


def install(name: str) -> str:
    """The command that installs an extra, in a checkout or of the installed kit."""
    if in_checkout():
        return f"uv sync --extra {name}, or pip install --editable '.[{name}]'"
    return f"pip install 'lesionkit[{name}]'"
