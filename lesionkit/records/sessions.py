"""What executed a run, over all of its sessions; true of each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Sessions = Sequence[Mapping[str, Any]]


def counting(sessions: Sessions) -> list[Mapping[str, Any]]:
    """The sessions whose work is in the result, in their order.

    One that was killed before it stored a state is not: a later one began at the same
    epoch again.
    """
    kept: list[Mapping[str, Any]] = []
    for session in sessions:
        first = session.get("first_epoch")
        if first is not None:
            kept = [each for each in kept if each.get("first_epoch", 0) < first]
        kept.append(session)
    return kept


def over_all(sessions: Sessions, *names: str) -> Any:
    """What all counting sessions say; where they differ "2.14.0 then 2.15.0".

    Args:
        sessions: of environment.json.
        names: of a fact; of a session the first that it has. None where none has any.
    """
    said = [
        next((s[name] for name in names if s.get(name) is not None), None)
        for s in counting(sessions)
    ]
    values = list(dict.fromkeys(value for value in said if value is not None))
    if len(values) < 2:
        return values[0] if values else None
    return " then ".join(map(str, values))
