"""A grid of runs in a YAML file: what is done, what is missing, and how it is run."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from lesionkit import lookup
from lesionkit.catalogue import PAPER_A_LOSSES
from lesionkit.config import PARAMETERS, RunConfig
from lesionkit.engines import Outcome
from lesionkit.progress import bar, say
from lesionkit.records import runs

AXES = ("dataset", "model", "loss")
SECTIONS = ("name", "fixed", "axes", "exclude", "seeds")


@dataclass(frozen=True)
class Sweep:
    """A grid of runs, in the order in which the file names its axes."""

    name: str
    configs: tuple[RunConfig, ...]

    def standing(self, *, verify: bool = False) -> list[tuple[RunConfig, str, str]]:
        """Each run with its state and the reason for it; see runs.state_of."""
        return [(c, *runs.state_of(c, verify=verify)) for c in self.configs]

    def states(self, *, verify: bool = False) -> pd.DataFrame:
        """Each run with its state, as a table.

        Args:
            verify: whether every file is hashed, the weights among them.

        Returns:
            a row a run: dataset, model, loss, repeat, state, reason, run_id. The
            reason is why a run failed or what is wrong with its record.
        """
        rows = []
        for config, state, reason in self.standing(verify=verify):
            facts = {name: getattr(config, name) for name in (*AXES, "repeat")}
            found = {"state": state, "reason": reason, "run_id": config.run_id}
            rows.append(facts | found)
        return pd.DataFrame(rows)

    def missing(
        self,
        *,
        retry_failed: bool = True,
        standing: list[tuple[RunConfig, str, str]] | None = None,
    ) -> list[RunConfig]:
        """The runs that have no finished record, without those that cannot be run.

        Args:
            retry_failed: whether runs that failed before are among them.
            standing: how the runs stand, where that was looked up before.
        """
        wanted = {"missing", "unfinished", "running"}
        wanted |= {"failed"} if retry_failed else set()
        known = self.standing() if standing is None else standing
        return [config for config, state, _ in known if state in wanted]


def read_sweep(path: str | Path) -> Sweep:
    """The sweep that a YAML file describes; every run is checked before any starts.

        name: mine
        fixed: {protocol: demo, size: 96}
        axes:
          dataset: [kvasir, clinicdb]
          loss: all          # paper A's ten
          repeat: 0-4        # or a list
          change:            # a value that is a mapping gives several parameters
            - {learning_rate: 1e-3}
            - {learning_rate: 1e-4, weight_decay: 1e-8}
        exclude:             # combinations that are left out
          - {dataset: kvasir, loss: [bce, focal]}
        seeds: [7, 8, 9, 10, 11]   # of each repeat, in place of 42 + repeat

    Raises:
        FileNotFoundError: no such file, here or among those that come with the kit.
        Refused, TypeError: not of this form, or a run that RunConfig refuses.
    """
    path = _sweep_file(Path(path))
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = f"{path} is not YAML: {lookup.one_line(error)}"
        raise lookup.Refused(said) from None
    with lookup.refused_in(path):
        return _described(path, content)


def run_sweep(
    sweep: Sweep,
    engine: Callable[[Sequence[RunConfig]], Generator[Outcome]],
    *,
    retry_failed: bool = False,
    standing: list[tuple[RunConfig, str, str]] | None = None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
    report: Callable[[str], None] = say,
    progress: bool = False,
) -> dict[str, str]:
    """Run what is missing; a run that fails stops no other.

    Args:
        sweep: the grid.
        engine: runs to their outcomes, as each ends; see lesionkit.engines.
        retry_failed: whether runs that failed before are tried again.
        standing: of the sweep, where that was looked up before.
        on_outcome: called after each run.
        report: called with one line for each failure.
        progress: whether to show how many of the missing runs have ended.

    Returns:
        The runs without a finished record: run id to the reason.
    """
    standing = sweep.standing() if standing is None else standing
    missing = sweep.missing(retry_failed=retry_failed, standing=standing)
    failures = _left_out(standing, retry_failed)
    for run_id, reason in failures.items():
        report(f"left out: {run_id}: {reason}")
    if not missing:
        return failures
    # closed even if report raises: a traceback in Jupyter would keep the workers alive
    shown = bar(show=progress, total=len(missing), desc=f"{sweep.name}, run")
    with closing(engine(missing)) as outcomes, shown:
        for outcome in outcomes:
            if outcome.error is not None:
                failures[outcome.config.run_id] = outcome.error
                report(f"failed: {outcome.config.run_id}: {outcome.error}")
            shown.update()
            on_outcome(outcome)
    return failures


def _left_out(
    standing: list[tuple[RunConfig, str, str]], retry_failed: bool
) -> dict[str, str]:
    """Runs that are neither done nor tried, with the reason."""
    found = {c.run_id: reason for c, state, reason in standing if state == "damaged"}
    failed = [(c, reason) for c, state, reason in standing if state == "failed"]
    for config, reason in failed if not retry_failed else ():
        told = f"failed before ({reason}); --retry-failed tries it again"
        found[config.run_id] = told
    return found


def counts_of(states: pd.DataFrame) -> str:
    """How many runs there are in each state, in one line."""
    counts = states["state"].value_counts() if len(states) else {}
    return ", ".join(f"{n} {state}" for state, n in counts.items()) or "no runs"


def _described(path: Path, content: Any) -> Sweep:
    """The sweep that the content of a file describes, each run once."""
    sections = content if isinstance(content, dict) else {}
    for section in sections:
        lookup.find("section", section, dict.fromkeys(SECTIONS))
    if not isinstance(sections.get("axes"), dict):
        raise ValueError(
            "a sweep needs axes, a mapping of parameters to their values, such as"
            " axes: {loss: [dice, iou], repeat: 0-4}"
        )
    fixed = content.get("fixed") or {}
    if not isinstance(fixed, dict):
        raise ValueError(f"fixed must be a mapping, got {fixed!r}")
    fixed = _numbers(fixed)
    axes = {name: _values(name, value) for name, value in content["axes"].items()}
    _refuse_twice(fixed, axes)
    excluded = _excluded(content.get("exclude") or [])
    configs: dict[str, RunConfig] = {}
    for point in _points(axes):
        values = fixed | point
        if excluded(values):
            continue
        seeds = _seeds(content.get("seeds"), values)
        files = _own_files(path.parent, values)
        config = RunConfig.from_mapping(values | seeds | files)
        configs.setdefault(config.run_id, config)
    if not configs:
        raise ValueError("exclude leaves out every run")
    return Sweep(str(content.get("name") or path.stem), tuple(configs.values()))


def _points(axes: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination; a value that is a mapping stands for its own parameters."""
    for point in itertools.product(*axes.values()):
        values: dict[str, Any] = {}
        for name, value in zip(axes, point, strict=True):
            values |= value if isinstance(value, dict) else {name: value}
        yield values


def _own_files(folder: Path, values: dict[str, Any]) -> dict[str, str]:
    """Names of one's own files that lie beside the sweep file, with their folder.

    Raises:
        ValueError: one of that name lies in the working directory too, and differs.
    """
    found = {}
    for kind in ("loss", "model"):
        file, _, attribute = str(values.get(kind)).rpartition(":")
        beside, here = folder / file, Path(file)
        if not file.endswith(".py") or not beside.is_file():
            continue
        if here.is_file() and here.read_bytes() != beside.read_bytes():
            raise ValueError(
                f"{kind} {file} is two files, {here.absolute()} and {beside.absolute()}"
                ": write the path of the one that is meant"
            )
        found[kind] = f"{beside.absolute()}:{attribute}"
    return found


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
    """The k-th seed for a run of repeat k, for its split and its start."""
    if seeds is None:
        return {}
    if not isinstance(seeds, list) or not all(type(seed) is int for seed in seeds):
        raise ValueError(f"seeds must be a list of whole numbers, got {seeds!r}")
    repeat = values.get("repeat", 0)
    if type(repeat) is not int or repeat < 0:
        return {}  # the run itself is refused
    if repeat >= len(seeds):
        raise ValueError(f"repeat {repeat} has no seed: seeds has {len(seeds)}")
    return {"split_seed": seeds[repeat], "init_seed": seeds[repeat]}


def _excluded(entries: Any) -> Callable[[dict[str, Any]], bool]:
    """Whether a combination agrees with all that one entry of exclude names."""
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and entry for entry in entries
    ):
        raise ValueError(f"exclude must be a list of mappings, got {entries!r}")
    for name in itertools.chain(*entries):
        lookup.find("parameter", name, dict.fromkeys(PARAMETERS))
    choices = [
        {n: v if isinstance(v, list) else [v] for n, v in entry.items()}
        for entry in entries
    ]
    return lambda values: any(
        all(values.get(name) in allowed for name, allowed in entry.items())
        for entry in choices
    )


def _sweep_file(path: Path) -> Path:
    """The file itself, or the one of that name that comes with the kit."""
    shipped = Path(__file__).parent
    if path.is_file():
        return path
    if (shipped / path.name).is_file() and path.parent == Path("."):
        return shipped / path.name
    here = " (that is a folder)" if path.is_dir() else ""
    names = sorted(file.name for file in shipped.glob("*.yaml"))
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
    """The value, 1e-4 as a number: YAML takes it for text unless it is 1.0e-4."""
    if isinstance(value, dict):
        return {name: _numbers(item) for name, item in value.items()}
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d*)?[eE][-+]?\d+", value):
        return float(value)
    return value
