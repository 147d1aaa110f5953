"""What the missing runs of a sweep would take, from what finished runs took."""

from __future__ import annotations

from collections.abc import Iterable

from lesionkit.catalogue import own
from lesionkit.config import Resolved, RunConfig, data_folder
from lesionkit.records import runs
from lesionkit.sweeps.sweep import Sweep


def price(sweep: Sweep) -> str:
    """Runs, disk and hours of what is missing.

    Hours come from the wall time of finished runs: of the same network and data set, or
    else of the same network and size by images and epochs. Nothing is guessed where
    there are none. Disk is the weights that would be kept.
    """
    missing = sweep.missing()
    stated = [config for config in missing if not own.is_own(config.model)]
    disk = sum(_weight_bytes(config.resolved()) for config in stated)
    lines = [f"weights of {len(stated)} runs: {disk / 1e9:.1f} GB"]
    if unknown := len(missing) - len(stated):
        lines.append(f"{unknown} more: a network of your own, its size is unknown")
    if disk > 50e9:
        lines.append("-p keep_weights half or none in the file takes less")
    known = _measured_seconds(sweep.configs)
    hours = [known[key] for c in missing if (key := (c.model, c.dataset)) in known]
    if hours:
        lines.append(f"{len(hours)} of them: about {sum(hours) / 3600:.2f} hours")
    rest = [c for c in missing if (c.model, c.dataset) not in known]
    if rest:
        lines += _by_epochs(rest)
    return "\n".join(lines)


def _by_epochs(rest: list[RunConfig]) -> list[str]:
    """Hours at the most epochs a run may take, from epochs of other runs."""
    rates = _epoch_seconds()
    known = [
        rates[key] * config.epochs
        for config in (c.resolved() for c in rest)
        if (key := (config.model, config.variant, config.size)) in rates
    ]
    lines = []
    if known:
        lines.append(
            f"{len(known)} of them: at most {sum(known) / 3600:.2f} hours, from epochs"
            " of the same network and size on another data set"
        )
    if len(known) < len(rest):
        unknown = len(rest) - len(known)
        lines.append(f"{unknown} of them: no finished run of this kind to price from")
    return lines


def _epoch_seconds() -> dict[tuple[str, str, int], float]:
    """Seconds of an epoch by network and size, mean over the records here."""
    found: dict[tuple[str, str, int], list[float]] = {}
    for record in runs.find_records(data_folder() / "runs"):
        identity, (*_, session) = record.identity, record.environment["sessions"]
        if "epoch_seconds" in session:
            key = tuple(identity[name] for name in ("model", "variant", "size"))
            found.setdefault(key, []).append(session["epoch_seconds"])
    return {key: sum(each) / len(each) for key, each in found.items()}


def _measured_seconds(configs: Iterable[RunConfig]) -> dict[tuple[str, str], float]:
    """Mean wall time of the finished runs, by model and data set."""
    times: dict[tuple[str, str], list[float]] = {}
    for config in configs:
        if runs.is_done(config.folder):
            sessions = runs.RunRecord(config.folder).environment["sessions"]
            wall = sum(session.get("wall_seconds", 0.0) for session in sessions)
            times.setdefault((config.model, config.dataset), []).append(wall)
    return {key: sum(walls) / len(walls) for key, walls in times.items()}


def _weight_bytes(config: Resolved) -> int:
    """Size of the weights a run would keep."""
    parameters = own.find_model(config.model).variants[config.variant].parameters
    return parameters * {"best": 4, "half": 2, "none": 0}[config.keep_weights]
