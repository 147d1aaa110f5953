r"""Formulas as MathML, made while the site is built: no script, no font, no network."""

from __future__ import annotations

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

say = logging.getLogger(__name__)


def mathml(node: nodes.Element, as_block: bool) -> str:
    """The MathML of a formula; one that cannot be read is a warning and shown as is."""
    try:
        return tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        say.warning("formula %r: %s", node.astext(), error, location=node)
        return f"<code>{node.astext()}</code>"


def inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in a line."""
    self.body.append(mathml(node, as_block=False))
    raise nodes.SkipNode


def block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on lines of its own."""
    self.body.append(f'<div class="math">{mathml(node, as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_html_math_renderer("local_math", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
