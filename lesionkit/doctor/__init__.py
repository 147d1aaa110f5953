"""This machine in; facts by section, each finding with what to do, out.

Every check is guarded: one that fails says so and stops no other. Commands import this
room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from lesionkit.doctor import device, places, software
from lesionkit.doctor.section import Finding, Section
from lesionkit.lookup import one_line

__all__ = ["as_json", "examine", "stops"]

CHECKS: dict[str, tuple[Callable[[Section], None], ...]] = {
    "environment": (software.python, software.packages, software.torch_pair),
    "device": (device.gpus, device.processor, device.number_formats),
    "kernel": (software.runtime_folder, software.kernelspec),
    "data": (
        places.folder,
        places.raw_sets,
        places.prepared_sets,
        places.records,
        places.left_behind,
    ),
    "disk": (places.disk, places.temporary),
    "network": (places.proxies,),
    "extras": (software.extras,),
}


def examine(report: Callable[[str], None] = lambda line: None) -> Iterator[Section]:
    """Each section as soon as it is examined; no check can end the examination.

    Args:
        report: called with the name of a section before it is examined.
    """
    for name, checks in CHECKS.items():
        report(name)
        section = Section(name)
        for check in checks:
            try:
                check(section)
            except Exception as error:  # noqa: BLE001 - a check that fails says so
                where = f"{check.__module__.rpartition('.')[2]}.{check.__name__}"
                said = one_line(error, longest=300)
                section.warn(f"the check {where} did not work: {said}")
        yield section


def stops(sections: Sequence[Section]) -> list[Finding]:
    """The findings that stop the demo."""
    return [f for section in sections for f in section.findings if f.level == "stops"]


def as_json(sections: Sequence[Section]) -> dict[str, Any]:
    """Everything that was found, for a program."""
    return {
        "demo": not stops(sections),
        "sections": {section.name: section.facts for section in sections},
        "findings": [
            {"section": section.name} | asdict(finding)
            for section in sections
            for finding in section.findings
        ],
    }
