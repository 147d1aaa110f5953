"""A grid of runs: done or missing, what the missing would take, and a run of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lesionkit.catalogue import MODELS
from lesionkit.config import Resolved, RunConfig, data_folder, resolved
from lesionkit.engines import Outcome
from lesionkit.records import runs
from lesionkit.sweeps.grid_files import read_grid

AXES = ("dataset", "model", "loss")


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

        name: small_study
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
        ValueError, TypeError: not of this form, or a run that RunConfig refuses.
    """
    return Sweep(*read_grid(path))


def run_sweep(
    sweep: Sweep,
    engine: Callable[[Sequence[RunConfig]], Generator[Outcome]],
    *,
    retry_failed: bool = False,
    standing: list[tuple[RunConfig, str, str]] | None = None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
    report: Callable[[str], None] = print,
) -> dict[str, str]:
    """Run what is missing; a run that fails stops no other.

    Args:
        sweep: the grid.
        engine: runs to their outcomes, as each ends; see lesionkit.engines.
        retry_failed: whether runs that failed before are tried again.
        standing: of the sweep, where that was looked up before.
        on_outcome: called after each run, by a progress bar for instance.
        report: called with one line for each failure.

    Returns:
        The runs without a finished record: run id to the reason.
    """
    standing = sweep.standing() if standing is None else standing
    missing = sweep.missing(retry_failed=retry_failed, standing=standing)
    failures = {}
    for config, state, reason in standing:
        if state == "damaged":
            failures[config.run_id] = reason
        elif state == "failed" and not retry_failed:
            told = f"failed before ({reason}); --retry-failed tries it again"
            failures[config.run_id] = told
    for run_id, reason in failures.items():
        report(f"left out: {run_id}: {reason}")
    if not missing:
        return failures
    # closed even if report raises: a traceback in Jupyter would keep the workers alive
    with closing(engine(missing)) as outcomes:
        for outcome in outcomes:
            if outcome.error is not None:
                failures[outcome.config.run_id] = outcome.error
                report(f"failed: {outcome.config.run_id}: {outcome.error}")
            on_outcome(outcome)
    return failures


def counts_of(states: pd.DataFrame) -> str:
    """How many runs there are in each state, in one line."""
    counts = states["state"].value_counts() if len(states) else {}
    return ", ".join(f"{n} {state}" for state, n in counts.items()) or "no runs"


def price(sweep: Sweep) -> str:
    """Runs, disk and hours of what is missing, from what finished runs took.

    Hours come from the wall time of finished runs: of the same network and data set, or
    else of the same network and size by images and epochs. Nothing is guessed where
    there are none. Disk is the weights that would be kept.
    """
    missing = sweep.missing()
    disk = sum(_weight_bytes(resolved(config)) for config in missing)
    lines = [f"weights of {len(missing)} runs: {disk / 1e9:.1f} GB"]
    if disk > 50e9:
        lines.append("-p keep_weights half or none in the file takes less")
    walls = _wall_seconds(sweep.configs)
    known = [walls[key] for c in missing if (key := (c.model, c.dataset)) in walls]
    if known:
        lines.append(f"{len(known)} of them: about {sum(known) / 3600:.2f} hours")
    rest = [resolved(c) for c in missing if (c.model, c.dataset) not in walls]
    rates = _epoch_seconds() if rest else {}
    seconds = [
        rates[key] * config.epochs
        for config in rest
        if (key := (config.model, config.variant, config.size)) in rates
    ]
    if seconds:
        lines.append(
            f"{len(seconds)} of them: at most {sum(seconds) / 3600:.2f} hours, from "
            "epochs of the same network and size on another data set"
        )
    if unknown := len(rest) - len(seconds):
        lines.append(f"{unknown} of them: no finished run of this kind to price from")
    return "\n".join(lines)


def _epoch_seconds() -> dict[Any, float]:
    """Seconds of an epoch by network and size, mean over the records here."""
    pairs = []
    for record in runs.find_records(data_folder() / "runs"):
        identity, (*_, session) = record.identity, record.environment["sessions"]
        if "epoch_seconds" in session:
            key = tuple(identity[name] for name in ("model", "variant", "size"))
            pairs.append((key, session["epoch_seconds"]))
    return _means(pairs)


def _wall_seconds(configs: Iterable[RunConfig]) -> dict[Any, float]:
    """Mean wall time of the finished runs, by model and data set."""
    pairs = []
    for config in configs:
        if runs.is_done(config.folder):
            sessions = runs.RunRecord(config.folder).environment["sessions"]
            wall = sum(session.get("wall_seconds", 0.0) for session in sessions)
            pairs.append(((config.model, config.dataset), wall))
    return _means(pairs)


def _means(pairs: Iterable[tuple[Any, float]]) -> dict[Any, float]:
    found = defaultdict(list)
    for key, number in pairs:
        found[key].append(number)
    return {key: sum(numbers) / len(numbers) for key, numbers in found.items()}


def _weight_bytes(config: Resolved) -> int:
    """Size of the weights a run would keep."""
    parameters = MODELS[config.model].variants[config.variant].parameters
    return parameters * {"best": 4, "half": 2, "none": 0}[config.keep_weights]
