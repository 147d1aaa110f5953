"""A grid in a YAML file to the runs it stands for, each checked."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from lesionkit import lookup
from lesionkit.catalogue import PAPER_A_LOSSES
from lesionkit.config import PARAMETERS, RunConfig

SECTIONS = ("name", "fixed", "axes", "exclude", "seeds")


def read_grid(path: str | Path) -> tuple[str, tuple[RunConfig, ...]]:
    """The name and the runs of a sweep file, each run once; see lesionkit.read_sweep.

    Every refusal of what stands in the file names it.
    """
    path = _sweep_file(Path(path))
    try:
        return _read(path)
    except (ValueError, TypeError) as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from None


def _read(path: Path) -> tuple[str, tuple[RunConfig, ...]]:
    content = _content(path)
    fixed = content.get("fixed") or {}
    if not isinstance(fixed, dict):
        raise ValueError(f"fixed must be a mapping, got {fixed!r}")
    fixed = _numbers(fixed)
    axes = {name: _values(name, value) for name, value in content["axes"].items()}
    _refuse_twice(fixed, axes)
    excluded, seeds = _excluded(content.get("exclude") or []), content.get("seeds")
    configs: dict[str, RunConfig] = {}
    for point in _points(axes):
        values = fixed | point
        if not excluded(values):
            config = RunConfig.from_mapping(values | _seeds(seeds, values))
            configs.setdefault(config.run_id, config)
    if not configs:
        raise ValueError("exclude leaves no run")
    return str(content.get("name") or path.stem), tuple(configs.values())


def _content(path: Path) -> dict[str, Any]:
    """The sections of a sweep file, their names known."""
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {lookup.one_line(error)}") from None
    if not isinstance(content, dict) or not isinstance(content.get("axes"), dict):
        raise ValueError("a sweep is a mapping with axes: (and fixed:, name:)")
    for section in content:
        lookup.find(f"section of {path.name}", section, dict.fromkeys(SECTIONS))
    return content


def _points(axes: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination; a value that is a mapping stands for its own parameters."""
    for point in itertools.product(*axes.values()):
        values: dict[str, Any] = {}
        for name, value in zip(axes, point, strict=True):
            values |= value if isinstance(value, dict) else {name: value}
        yield values


def _refuse_twice(fixed: dict, axes: dict[str, list[Any]]) -> None:
    """Refuse a parameter that two places give."""
    named = [set(fixed)]
    for name, values in axes.items():
        inner = [set(value) for value in values if isinstance(value, dict)]
        named.append(set().union(*inner) if inner else {name})
    for names in itertools.combinations(named, 2):
        if twice := sorted(names[0] & names[1]):
            both = "both fixed and an axis" if names[0] is named[0] else "in two axes"
            raise ValueError(f"{', '.join(twice)} is {both}")


def _seeds(seeds: Any, values: dict[str, Any]) -> dict[str, int]:
    """The k-th seed for the split and the start of a run of repeat k."""
    if seeds is None:
        return {}
    if not isinstance(seeds, list) or not all(type(seed) is int for seed in seeds):
        raise ValueError(f"seeds must be a list of whole numbers, got {seeds!r}")
    repeat = values.get("repeat", 0)
    if type(repeat) is not int or repeat < 0:
        return {}  # the run itself is refused
    if repeat >= len(seeds):
        raise ValueError(f"repeat {repeat} has no seed, there are {len(seeds)}")
    return dict.fromkeys(("split_seed", "init_seed"), seeds[repeat])


def _excluded(entries: Any) -> Callable[[dict[str, Any]], bool]:
    """Whether a combination agrees with all that one entry of exclude names."""
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and entry for entry in entries
    ):
        raise ValueError(f"exclude must be a list of mappings, got {entries!r}")
    for name in itertools.chain(*entries):
        lookup.find("parameter", name, dict.fromkeys(PARAMETERS))
    return lambda values: any(
        all(values.get(n) in (v if isinstance(v, list) else [v]) for n, v in e.items())
        for e in entries
    )


def _sweep_file(path: Path) -> Path:
    """The file itself, or the one of that name that comes with the kit."""
    if path.is_file():
        return path
    shipped = {file.name: file for file in Path(__file__).parent.glob("*.yaml")}
    if str(path) in shipped:
        return shipped[str(path)]
    here = " (that is a folder)" if path.is_dir() else ""
    names = sorted(shipped)
    # without the ending, which they all share: it alone would make any two alike
    near = lookup.nearest(path.stem, (Path(name).stem for name in names))
    hint = f" Did you mean {near}.yaml?" if near else ""
    raise FileNotFoundError(
        f"no sweep file at {path.absolute()}{here}.{hint} "
        f"With the kit come: {', '.join(names)}"
    )


def _values(name: str, value: Any) -> list[Any]:
    """The values of an axis: a list, `all` losses, or a range such as 0-4."""
    if isinstance(value, list) and value:
        return [_numbers(item) for item in value]
    if name == "loss" and value == "all":
        return list(PAPER_A_LOSSES)
    first, dash, last = str(value).partition("-")
    if dash and first.isdigit() and last.isdigit() and int(first) <= int(last):
        return list(range(int(first), int(last) + 1))
    raise ValueError(
        f"axis {name} must be a list of values or a range such as 0-4, got {value!r}"
    )


def _numbers(value: Any) -> Any:
    """A value, 1e-4 as a number: YAML takes it for text unless it is 1.0e-4."""
    if isinstance(value, dict):
        return {name: _numbers(each) for name, each in value.items()}
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d*)?[eE][-+]?\d+", value):
        return float(value)
    return value
