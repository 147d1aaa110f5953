"""One parameter of a run: its type, its limits, and its place in a notebook."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from lesionkit import lookup
from lesionkit.config.places import set_name


def parameter(
    default: Any,
    kind: type,
    says: str,
    *,
    one_of: tuple[str, ...] | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """A RunConfig field with its type, its manual line and its limits."""
    rules = {"kind": kind, "says": says, "may_be_none": default is None}
    limits = {"one_of": one_of, "low": low, "high": high}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    hashed = False if kind is dict else None  # None: as it is compared
    return field(default=default, metadata=rules | given, hash=hashed)


def choice(says: str, *names: str, default: str | None = None) -> Any:
    """A RunConfig field that is one of these names."""
    return parameter(default, str, says, one_of=names)


def checked(name: str, value: Any, rules: Mapping[str, Any]) -> Any:
    """The value in its type, an integer for a float as a float.

    Of a command line "true" and "false" come as words, and so does "none" for what is
    left open; any case is taken, where the word is no name that the parameter has.

    Args:
        name: of the parameter, for the text of an error.
        value: what came.
        rules: kind (the type) and says (its manual line); where there are any,
            may_be_none, one_of, low and high.

    Raises:
        TypeError: a value of another type.
        ValueError: none of the allowed ones.
    """
    kind = rules["kind"]
    value = _meant(value, rules)
    if value is None and rules.get("may_be_none"):
        return None
    if kind is float and type(value) is int:
        value = float(value)
    if kind is dict:
        return options(name, value)
    if type(value) is not kind:
        allowed = "True or False" if kind is bool else f"of type {kind.__name__}"
        raise TypeError(
            f"{name} ({rules['says']}) must be {allowed}, "
            f"got {value!r} of type {type(value).__name__}"
        )
    if "one_of" in rules and value not in rules["one_of"]:
        raise lookup.unknown(name, value, rules["one_of"])
    low, high = rules.get("low", float("-inf")), rules.get("high", float("inf"))
    if kind in (int, float) and not (low <= value <= high and value < float("inf")):
        limit = f"{low} or more" if "low" in rules else "a finite number"
        limit = f"{low} to {high}" if "high" in rules else limit
        raise ValueError(f"{name} ({rules['says']}) must be {limit}, got {value}")
    return value


def _meant(value: Any, rules: Mapping[str, Any]) -> Any:
    """True, False or None where a word says so."""
    word = value.lower() if isinstance(value, str) else None
    if rules["kind"] is bool and word in ("true", "false"):
        return word == "true"
    named = word in rules.get("one_of", ())
    return None if word == "none" and rules.get("may_be_none") and not named else value


def options(name: str, value: Any) -> dict[str, Any] | None:
    """Options as a dict, from a dict or from JSON text; None where there is none.

    Raises:
        ValueError: text that is not JSON, or values that JSON does not have.
        TypeError: no mapping with names.
    """
    example = """'{"alpha": 0.3}'"""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(
                f"{name} must be JSON such as {example}, got {value!r}: {error}"
            ) from None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise TypeError(f"{name} must be a mapping such as {example}, got {value!r}")
    try:
        return json.loads(json.dumps(value, allow_nan=False)) or None
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must hold numbers, texts, lists and true or false, got {value!r}"
        ) from None


def parameter_names(namespace: Mapping[str, Any], known: list[str]) -> list[str]:
    """Names assigned in the parameter cells, in the order of their first use.

    A cell that was corrected and run again replaces what it was before, so that a
    misspelt name in it does not stay.
    """
    cells = namespace.get("In")
    if cells is None:  # a script: only annotated names can be told from others
        return [n for n in _annotations(namespace) if n in namespace]
    groups = [group for cell in cells if (group := _names_of_cell(cell, known))]
    names: dict[str, None] = {}
    for place, group in enumerate(groups, 1):
        right = set(group) & set(known)
        if not any(right <= set(later) for later in groups[place:]):
            names.update(dict.fromkeys(group))
    return [name for name in names if name in namespace]


def _annotations(namespace: Mapping[str, Any]) -> Mapping[str, Any]:
    """Name to annotation, of a script; from Python 3.14 on worked out when asked."""
    annotate = namespace.get("__annotate__")
    if annotate is None:
        return namespace.get("__annotations__", {})
    return annotate(1)  # 1: the values themselves


def _names_of_cell(cell: str, known: list[str]) -> list[str]:
    """Names a parameter cell assigns; nothing for every other cell."""
    if cell.lstrip().startswith("# Parameters"):
        assigned = [s for s in _statements(cell) if isinstance(s, ast.Assign)]
        targets = [statement.targets[0] for statement in assigned]
        return [target.id for target in targets if isinstance(target, ast.Name)]
    names = list(_annotated(cell))
    return names if set(names) & set(known) else []


def _annotated(cell: str) -> dict[str, str]:
    """Name to annotation, of a cell that is nothing but annotated names."""
    found = {}
    for s in _statements(cell):
        if not isinstance(s, ast.AnnAssign) or not isinstance(s.target, ast.Name):
            return {}
        found[s.target.id] = ast.unparse(s.annotation)
    return found


def _statements(cell: str) -> list[ast.stmt]:
    """The statements of a cell, none for a magic or a shell line."""
    try:
        return ast.parse(cell).body
    except SyntaxError:
        return []


@lookup.shown_in_a_line(ValueError, TypeError)
def notebook_parameters(namespace: dict[str, Any]) -> dict[str, Any]:
    """The values of a notebook's parameters, refused if misspelt or mistyped.

    Allowed are the names of the parameters cell, with the types of its annotations.

    Args:
        namespace: the notebook's globals(). A data set's name that came as a number
            (`-p dataset 2018`) is put back there as the name.

    Raises:
        ValueError: papermill passed a name that the parameters cell does not have.
        TypeError: a value of the wrong type.
    """
    if "In" not in namespace:  # a script: what it assigns cannot be misspelt
        return {name: namespace[name] for name in parameter_names(namespace, [])}
    kinds: dict[str, str] = {}
    for cell in namespace["In"]:
        found = _annotated(cell)
        if not kinds or set(kinds) & set(found):  # the cell itself, maybe run again
            kinds |= found
    known = {"str": str, "int": int, "float": float, "bool": bool}
    values = {}
    for name in parameter_names(namespace, list(kinds)):
        if name not in kinds:
            raise lookup.unknown("parameter", name, kinds)
        rules = {"kind": known[kinds[name]], "says": "a parameter of this notebook"}
        if name == "dataset":
            namespace[name] = set_name(namespace[name])
        values[name] = checked(name, namespace[name], rules)
    return values
