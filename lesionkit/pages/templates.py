"""The templates of pages/, filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

PAGES = Path(__file__).parent


def filled(name: str, **values: Any) -> str:
    """A template with these values; one that it lacks is an error.

    In HTML, what a user typed stays text.

    Args:
        name: of the file in pages/, without .j2.
    """
    environment = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment.get_template(f"{name}.j2").render(**values)


def number(value: Any, digits: int = 4) -> str:
    """A number for a page; a dash for what is unknown."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return "–"
        small = value and abs(value) < 10**-digits
        return f"{value:.1e}" if small else f"{value:.{digits}f}"
    return str(value)
