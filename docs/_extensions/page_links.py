"""Links that a reader of the repository can follow lead to pages of the site too."""

from __future__ import annotations

import logging
import re

from sphinx.application import Sphinx

PAGES = (
    (re.compile(r"\]\((?:\.\./)*(?:docs/)?(notebooks/\w+\.ipynb)"), r"](/\1"),
    (re.compile(r"\]\((?:\.\./)+README\.md"), "](/index.md"),
    (re.compile(r"\]\((?:\.\./)+CHANGELOG\.md"), "](/changelog.md"),
    (re.compile(r"\]\((?:\.\./)*CONTRIBUTING\.md"), "](/contributing.md"),
)


def to_pages(text: str) -> str:
    """Markdown whose links to files of the repository lead to their pages."""
    for pattern, page in PAGES:
        text = pattern.sub(page, text)
    return text


def rewrite(app: Sphinx, docname: str, source: list[str]) -> None:
    """Change a page in place, before it is read."""
    if app.env.doc2path(docname).suffix == ".md":
        source[0] = to_pages(source[0])


def name_empty_glob(record: logging.LogRecord) -> bool:
    """Give a warning of Sphinx the type it lacks, so that conf.py can switch it off."""
    if getattr(record, "subtype", None) == "empty_glob":
        record.type = "toc"
    return True


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("source-read", rewrite)
    logging.getLogger("sphinx.sphinx.directives.other").addFilter(name_empty_glob)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
