"""A grid in a YAML file to the runs that are still missing, handed to an engine."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from lesionkit import lookup, runs
from lesionkit.catalogue import MODELS, PAPER_A_LOSSES
from lesionkit.config import RunConfig

SECTIONS = ("name", "fixed", "axes")


@dataclass(frozen=True)
class Sweep:
    """A grid of runs, in the order in which the file names its axes."""

    name: str
    configs: tuple[RunConfig, ...]

    def states(self) -> pd.DataFrame:
        """Each run with its state: done, unfinished or missing."""
        rows = [
            {
                "dataset": config.dataset,
                "model": config.model,
                "loss": config.loss,
                "repeat": config.repeat,
                "state": runs.state(config.folder),
                "run_id": config.run_id,
            }
            for config in self.configs
        ]
        return pd.DataFrame(rows)

    def missing(self) -> list[RunConfig]:
        """The runs that have no finished record."""
        return [config for config in self.configs if not runs.is_done(config.folder)]


def read_sweep(path: str | Path) -> Sweep:
    """The sweep that a YAML file describes; every run is checked before any starts.

        name: small_study
        fixed: {protocol: demo, size: 96}
        axes:
          dataset: [kvasir, clinicdb]
          loss: all          # paper A's ten
          repeat: 0-4        # or a list

    Raises:
        FileNotFoundError: no such file, here or among those that come with the kit.
        ValueError, TypeError: not of this form, or a run that RunConfig refuses.
    """
    path = _sweep_file(Path(path))
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(
            f"{path} is not YAML: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(content, dict) or not isinstance(content.get("axes"), dict):
        raise ValueError(f"{path}: a sweep is a mapping with axes: (and fixed:, name:)")
    for section in content:
        lookup.find(f"section of {path.name}", section, dict.fromkeys(SECTIONS))
    fixed = content.get("fixed") or {}
    if not isinstance(fixed, dict):
        raise ValueError(f"{path}: fixed must be a mapping, got {fixed!r}")
    fixed = {name: _number(value) for name, value in fixed.items()}
    axes = {name: _values(name, value) for name, value in content["axes"].items()}
    twice = sorted(set(fixed) & set(axes))
    if twice:
        raise ValueError(f"{path}: {', '.join(twice)} is both fixed and an axis")
    grid = itertools.product(*axes.values())
    configs = [
        RunConfig.from_mapping({**fixed, **dict(zip(axes, point, strict=True))})
        for point in grid
    ]
    return Sweep(
        content.get("name") or path.stem,
        tuple({config.run_id: config for config in configs}.values()),
    )


def _sweep_file(path: Path) -> Path:
    """The file itself, or the one of that name that comes with the kit."""
    shipped = Path(__file__).parent / "sweeps"
    if path.is_file():
        return path
    if (shipped / path.name).is_file() and path.parent == Path("."):
        return shipped / path.name
    names = sorted(file.name for file in shipped.glob("*.yaml"))
    near = lookup.nearest(path.name, names)
    hint = f" Did you mean {near}?" if near else ""
    raise FileNotFoundError(
        f"no sweep file at {path.absolute()}.{hint} "
        f"With the kit come: {', '.join(names)}"
    )


def _values(name: str, value: Any) -> list[Any]:
    """The values of an axis: a list, `all` losses, or a range such as 0-4."""
    if isinstance(value, list) and value:
        return [_number(item) for item in value]
    if name == "loss" and value == "all":
        return list(PAPER_A_LOSSES)
    first, dash, last = str(value).partition("-")
    if dash and first.isdigit() and last.isdigit() and int(first) <= int(last):
        return list(range(int(first), int(last) + 1))
    raise ValueError(
        f"axis {name} must be a list of values or a range such as 0-4, got {value!r}"
    )


def _number(value: Any) -> Any:
    """The value, 1e-4 as a number: YAML takes it for text unless it is 1.0e-4."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d*)?[eE][-+]?\d+", value):
        return float(value)
    return value


def run_sweep(
    sweep: Sweep,
    execute: Callable[[RunConfig], None],
    *,
    progress: Callable[[list[RunConfig]], Iterable[RunConfig]] = iter,
    report: Callable[[str], None] = print,
) -> dict[str, str]:
    """Run what is missing, one after the other; a run that fails stops no other.

    Args:
        sweep: the grid.
        execute: an engine: trains one run, raises if it did not work.
        progress: wraps the list of missing runs, tqdm for instance.
        report: called with one line for each failure.

    Returns:
        The failures: run id to the reason.
    """
    failures = {}
    for config in progress(sweep.missing()):
        try:
            execute(config)
            if not runs.is_done(config.folder):
                raise RuntimeError("the engine ended without a finished record")
        except Exception as error:  # noqa: BLE001 - one bad run must not stop the grid
            lines = str(error).strip().splitlines() or [type(error).__name__]
            failures[config.run_id] = lines[-1]
            report(f"failed: {config.run_id}: {lines[-1]}")
    return failures


def price(sweep: Sweep) -> str:
    """What the missing runs would take, from finished runs of the same sweep.

    Hours come from the wall time of finished runs of the same model and data set, and
    nothing is guessed where there are none; disk is the weights that would be kept.
    """
    missing = sweep.missing()
    seconds = _measured_seconds(sweep)
    known = [seconds[key] for c in missing if (key := (c.model, c.dataset)) in seconds]
    disk = sum(_weight_bytes(config.resolved()) for config in missing)
    lines = [f"weights of {len(missing)} runs: {disk / 1e9:.1f} GB"]
    if known:
        lines.append(f"{len(known)} of them: about {sum(known) / 3600:.2f} hours")
    if len(known) < len(missing):
        unknown = len(missing) - len(known)
        lines.append(f"{unknown} of them: no finished run of this kind to price from")
    return "\n".join(lines)


def _measured_seconds(sweep: Sweep) -> dict[tuple[str, str], float]:
    """Mean wall time of the finished runs, by model and data set."""
    times: dict[tuple[str, str], list[float]] = {}
    for config in sweep.configs:
        if runs.is_done(config.folder):
            sessions = runs.RunRecord(config.folder).environment["sessions"]
            wall = sum(session.get("wall_seconds", 0.0) for session in sessions)
            times.setdefault((config.model, config.dataset), []).append(wall)
    return {key: sum(walls) / len(walls) for key, walls in times.items()}


def _weight_bytes(config: RunConfig) -> int:
    """Size of the weights a resolved config would keep."""
    parameters = MODELS[config.model].variants[config.variant].parameters
    return parameters * {"best": 4, "half": 2, "none": 0}[config.keep_weights]
