"""Our docstrings as Sphinx reads them: formulas kept as written, Source and Chosen too.

Napoleon knows `Args:` and its kin, which stand on lines of their own. `Source: paper A`
is one line, and a formula is an indented block without any sign before it.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx

ONE_LINE = re.compile(r"(Source|Chosen|Returns|Raises): +(\S.*)")
INLINE = re.compile(r"(?<=[.)]) (?=(?:Source|Chosen): )")
HEAD = re.compile(r"(Args|Attributes|Example|Raises|Returns|Shape|Yields):$")


def one_a_line(lines: list[str]) -> list[str]:
    """The lines, broken where a Source or a Chosen begins in the middle of one."""
    found: list[str] = []
    for line in lines:
        inner = line.startswith(" ")
        found += [line] if inner else INLINE.split(line)
    return found


def blocks(lines: list[str]) -> list[list[str]]:
    """The lines between empty ones; prose ends where its Source begins."""
    found: list[list[str]] = [[]]
    for line in one_a_line(lines):
        if not line.strip():
            found.append([])
        elif ONE_LINE.fullmatch(line) and not ONE_LINE.fullmatch(opening(found)):
            found.append([line])
        else:
            found[-1].append(line)
    return [block for block in found if block]


def opening(found: list[list[str]]) -> str:
    """The first line of the block that is being read."""
    return found[-1][0] if found[-1] else ""


def fields(block: list[str]) -> list[str]:
    """`Source: text` as a field, with the lines that go on below it."""
    made: list[str] = []
    for line in block:
        one = ONE_LINE.fullmatch(line)
        if one:
            made.append(f":{one[1]}: {one[2]}")
        else:
            made.append(f"   {line.strip()}")
    return made


def starred(block: list[str]) -> list[str]:
    """Stars as themselves, not as emphasis, outside of code."""
    if any(line.lstrip().startswith((">>>", "::")) for line in block):
        return block
    return [re.sub(r"(`[^`]*`)|\*", lambda m: m[1] or r"\*", line) for line in block]


def with_sections(lines: list[str]) -> list[str]:
    """A docstring's lines, with fields and literal blocks where we mean them."""
    made: list[str] = []
    section = False  # an indented block after a head belongs to it
    for block in blocks(lines):
        if ONE_LINE.fullmatch(block[0]):
            block, section = fields(block), False
        elif not block[0].startswith(" "):
            section = bool(HEAD.fullmatch(block[0]))
        elif not section:
            block = ["::", "", *block]
        made += [*starred(block), ""]
    return made


def rewrite(app: Sphinx, kind: str, name: str, it: object, options, lines) -> None:
    """Change a docstring in place, before Napoleon sees it."""
    if isinstance(it, dict):  # its docstring would be that of dict
        lines[:] = ["By name: " + ", ".join(f"`{key}`" for key in it) + "."]
    lines[:] = with_sections(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", rewrite, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
