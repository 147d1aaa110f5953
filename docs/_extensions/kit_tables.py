"""Tables read from the kit while the site is built, so that none can be out of date."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import lesionkit
from lesionkit import catalogue
from lesionkit.catalogue.protocols import PROTOCOLS
from lesionkit.config import RunConfig


def plain(value: Any) -> str:
    """A value in a cell: code for a setting, nothing for None."""
    return "" if value is None else f"`{value}`"


def markdown(head: str, rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table under the words of `head`, with bars in cells kept apart."""
    cells = [[str(cell).replace("|", r"\|") for cell in row] for row in rows]
    names = head.split(", ")
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def names() -> str:
    """What `import lesionkit as lk` gives, each with its first sentence."""
    rows = []
    for name, module in lesionkit._PUBLIC.items():
        thing = getattr(import_module(module), name)
        role = "data" if isinstance(thing, dict) else "obj"
        says = first_sentence(thing) if role == "obj" else "a dict, name to entry"
        link = f"{{py:{role}}}`lk.{name} <{module}.{name}>`"
        rows.append((link, says))
    return markdown("name, gives", rows)


def first_sentence(thing: Any) -> str:
    """The first line of a docstring."""
    return (thing.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")


def parameters() -> str:
    """Every parameter of a run, with its type, its default and what is allowed."""
    rows = []
    for rule in fields(RunConfig):
        facts = rule.metadata
        default = plain(rule.default) or "open"
        kind = facts["kind"].__name__
        rows.append((f"`{rule.name}`", facts["says"], kind, default, allowed(facts)))
    return markdown("parameter, is, type, default, allowed", rows)


def allowed(facts: Any) -> str:
    """The values that a parameter may have, where there is a limit."""
    if "one_of" in facts:
        return ", ".join(plain(value) for value in facts["one_of"])
    if "high" in facts:
        return f"{facts['low']} to {facts['high']}"
    return f"{facts['low']} or more" if "low" in facts else ""


def protocols() -> str:
    """Every setting of every protocol, side by side."""
    settings = dict.fromkeys(n for entry in PROTOCOLS.values() for n in entry.settings)
    head = ", ".join(("parameter", *PROTOCOLS))
    return markdown(
        head,
        (
            (f"`{name}`", *(plain(e.settings.get(name)) for e in PROTOCOLS.values()))
            for name in settings
        ),
    )


def losses() -> str:
    """The losses, what they are made of, and where they come from."""
    rows = (
        (f"`{name}`", entry.group, " + ".join(entry.parts) or name, entry.source)
        for name, entry in catalogue.LOSSES.items()
    )
    return markdown("loss, group, parts, source", rows)


def definitions() -> str:
    """The definitions of the focal term, and which losses each has."""
    settings = ("focal_form", "alpha_form", "alpha", "gamma")
    rows = (
        (f"`{name}`", *(plain(d[s]) for s in settings), " ".join(d["losses"]))
        for name, d in catalogue.DEFINITIONS.items()
    )
    return markdown(", ".join(("definition", *settings, "losses")), rows)


def models() -> str:
    """The networks with their variants."""
    rows = (
        (f"`{n}`", f"`{v}`", e.year, f"{f.parameters:,}", f.gmacs, f.heads, f.sides)
        for n, e in catalogue.MODELS.items()
        for v, f in e.variants.items()
    )
    head = "model, variant, year, parameters, GMACs at 224, heads, sides"
    return markdown(head, rows)


def datasets() -> str:
    """The data sets, with how many images their publishers count."""
    rows = (
        (f"`{n}`", e.title, e.modality, e.published_count or "", e.licence, e.source)
        for n, e in catalogue.DATASETS.items()
    )
    return markdown("data set, title, modality, published, licence, source", rows)


TABLES: dict[str, Callable[[], str]] = {
    made.__name__: made
    for made in (names, parameters, protocols, losses, definitions, models, datasets)
}


class KitTable(SphinxDirective):
    """A table of the kit, by its name."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The rows as they are now: the page is read in every build."""
        self.env.note_reread()
        return self.parse_text_to_nodes(TABLES[self.arguments[0]]())


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_directive("kit-table", KitTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
