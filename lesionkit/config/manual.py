"""Every parameter of a run as a row: type, default, what is allowed, meaning."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from lesionkit import lookup
from lesionkit.catalogue.protocols import PROTOCOLS
from lesionkit.config import OWN_FILES, RunConfig

FOUND = (*OWN_FILES, "loss_code", "model_code")  # nobody types these
FIRST = (  # what notebooks/03_train.ipynb has in its cell of parameters
    "loss model dataset protocol repeat definition size epochs batch_size learning_rate"
).split()


def rows(protocol: str = "demo") -> list[dict[str, Any]]:
    """A row a parameter, in the order of RunConfig: name, type, default, ...

    Args:
        protocol: whose defaults they are.

    Raises:
        UnknownName: no such protocol.
    """
    lookup.find("protocol", protocol, PROTOCOLS)
    default = RunConfig(protocol=protocol).resolved()
    return [
        {
            "name": rule.name,
            "type": rule.metadata["kind"].__name__,
            "default": getattr(default, rule.name),
            "allowed": allowed(rule.metadata),
            "meaning": rule.metadata["says"],
        }
        for rule in fields(RunConfig)
        if rule.name not in FOUND
    ]


def allowed(rules: Any) -> str:
    """The values of a parameter in words; "" where its type says all."""
    if "one_of" in rules:
        return ", ".join(rules["one_of"])
    low, high = rules.get("low"), rules.get("high")
    if low is None:
        return "true, false" if rules["kind"] is bool else ""
    return f"{low:g} or more" if high is None else f"{low:g} to {high:g}"
