"""Links that a reader of the repository can follow lead to pages of the site too."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

PAGES = (
    (re.compile(r"\]\((?:\.\./)*(?:docs/)?(notebooks/\w+\.ipynb)"), r"](/\1"),
    (re.compile(r"\]\((?:\.\./)+README\.md"), "](/index.md"),
    (re.compile(r"\]\((?:\.\./)+CHANGELOG\.md"), "](/changelog.md"),
    (re.compile(r"\]\((?:\.\./)+CONTRIBUTING\.md"), "](/contributing.md"),
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


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("source-read", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
