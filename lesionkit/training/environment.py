"""What executes a run: versions, device, threads and times, one entry a session."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from lesionkit.extras import CHECKOUT
from lesionkit.records.runs import RunRecord, store_json

PACKAGES = (
    "lesionkit",
    "torch",
    "torchvision",
    "timm",
    "segmentation-models-pytorch",
    "numpy",
)


def describe(device: torch.device) -> dict[str, Any]:
    """Everything about this process that may move the last bits of a result."""
    cudnn: Any = torch.backends.cudnn  # makes `conv` when it is imported
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "device": str(device),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "tf32": cudnn.conv.fp32_precision == "tf32",
        "workers": 0,
    }


def begin_session(
    folder: Path, device: torch.device, *, epoch: int, step: dict[str, Any]
) -> float:
    """Note in environment.json what goes on with the run after this epoch.

    Says in one line on stderr when an interrupted run goes on under something else
    than it began with, because the end may then differ in the last bits.

    Args:
        folder: of the record.
        device: where the model is.
        epoch: already trained.
        step: how a step is executed.

    Returns:
        The clock's reading, for `end_session`.
    """
    known = (folder / "environment.json").is_file()
    earlier = RunRecord(folder).environment["sessions"] if known else []
    session = describe(device) | step
    differs = [k for k in session if earlier and earlier[-1].get(k) != session[k]]
    if epoch and differs:
        print(
            f"{folder}: goes on under another {', '.join(differs)}; "
            "the end may differ in the last bits",
            file=sys.stderr,
        )
    began = {
        "first_epoch": epoch + 1,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    store_json(folder, "environment", {"sessions": [*earlier, session | began]})
    return time.monotonic()


def end_session(
    folder: Path, began: float, *, epoch: int, facts: dict[str, Any]
) -> None:
    """Add the last epoch, the wall time and what was measured to the last session.

    Args:
        folder: of the record.
        began: what `begin_session` returned.
        epoch: the last one that was trained.
        facts: what was measured.
    """
    environment = RunRecord(folder).environment
    environment["sessions"][-1] |= {
        "last_epoch": epoch,
        "wall_seconds": round(time.monotonic() - began, 2),
        **facts,
    }
    store_json(folder, "environment", environment)


def _version(package: str) -> str | None:
    """The installed version, or None for a package that is used from its source."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the checkout this package lies in, if it is one."""
    if not (CHECKOUT / ".git").exists():
        return None
    command = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return None
    return done.stdout.strip() or None
