"""Which run records this version reads, and what those of an earlier format say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from lesionkit.config import ADDED, EXECUTION, PARAMETERS, RunConfig
from lesionkit.lookup import Refused

FORMAT = 2  # 1 says "group" of groups dealt as "group_v1"
# What an identity may hold: names, and of a choice its values.
KNOWN = {
    rule.name: rule.metadata.get("one_of")
    for rule in fields(RunConfig)
    if rule.name not in EXECUTION
}
WAY_OUT = "install a newer lesionkit, or move the record away to leave it out"


class Newer(Refused):
    """A record of a later version, which this one would misread."""


def check_format(content: Mapping[str, Any], place: object) -> None:
    """Refuse what a later version of the kit wrote.

    Args:
        content: of config.json or DONE; without a format it is of the first.
        place: the record, for the text of an error.

    Raises:
        Newer: its format is not one that this version reads.
    """
    found = content.get("format", 1)
    if type(found) is not int or not 1 <= found <= FORMAT:
        raise Newer(
            f"{place}: a run record of format {found!r}, and this version of lesionkit"
            f" reads 1 to {FORMAT}: {WAY_OUT}"
        )


def identity_of(config: Mapping[str, Any], place: object) -> dict[str, Any]:
    """Every parameter that can change the result, in the words of this version.

    Args:
        config: the content of config.json.
        place: the record, for the text of an error.

    Raises:
        Newer: a format, a parameter or a choice that this version does not know.
    """
    check_format(config, place)
    stored = config["identity"]
    unknown = sorted(set(stored) - set(PARAMETERS))
    unknown += [
        f"{name} {stored[name]!r}"
        for name, choices in KNOWN.items()
        if choices and stored.get(name) not in (None, *choices)
    ]
    if unknown:
        raise Newer(
            f"{place}: a run record with what this version of lesionkit does not know"
            f" ({', '.join(unknown)}): {WAY_OUT}"
        )
    found = {**ADDED, **stored}
    if config.get("format", 1) == 1 and found.get("split") == "group":
        found["split"] = "group_v1"
    return found
