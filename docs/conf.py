"""The documentation site: pages, executed notebooks, and the reference.

    uv run --group docs sphinx-build -W --keep-going -b html docs docs/_build/html

needs no network, and what it makes loads nothing from one. With -D execute_notebooks=0
the notebooks are not run, and are shown without their outputs.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lesionkit import __version__

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "lesionkit"
author = "The lesionkit maintainers"
copyright = author
release = version = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
    "executed_notebooks",
    "gallery_pages",
    "docstring_sections",
    "kit_tables",
    "local_math",
    "page_links",
]
exclude_patterns = ["_build", "_extensions", "**/.ipynb_checkpoints"]
default_role = "code"  # docstrings say `name` as Markdown does

smartquotes = False  # "batch" is a value

html_theme = "furo"
html_title = f"lesionkit {__version__}"
html_static_path = ["_static"]
html_css_files = ["lesionkit.css"]
html_math_renderer = "local_math"
html_show_sphinx = False
html_copy_source = False

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4

suppress_warnings = ["toc.empty_glob"]  # a folder may have no page yet

# OWNER/NAME of the repository on GitHub, which has no address yet; a workflow knows it.
# With it the notebooks have links that open them in Colab and in Binder.
repository = os.environ.get("GITHUB_REPOSITORY", "")

nb_execution_mode = "off"  # executed_notebooks has run them, through papermill
nb_merge_streams = True  # the epochs of a training in one box
nb_ipywidgets_js = {}  # widgets would load scripts from a network; see their twins

# `__all__` says what other rooms may use, the reference what there is; pages of names
# that come from elsewhere say no-ignore-module-all.
autodoc_default_options = {"ignore-module-all": True}
autodoc_inherit_docstrings = False  # torch's are not written for this site
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 72
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # `Attributes:` beside the members they name
napoleon_use_rtype = False
napoleon_custom_sections = [("Shape", "params_style"), ("Yields", "returns_style")]
