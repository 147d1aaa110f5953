"""Which loss should I train with, and is the difference real?

The short public list, loaded when it is first used: importing lesionkit imports neither
torch nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "LOSSES": "lesionkit.catalogue",
    "MODELS": "lesionkit.catalogue",
    "DATASETS": "lesionkit.catalogue",
    "DEFINITIONS": "lesionkit.catalogue",
    "PROTOCOLS": "lesionkit.protocols",
    "RunConfig": "lesionkit.config",
    "data_folder": "lesionkit.config",
    "notebook_parameters": "lesionkit.parameters",
    "prepare": "lesionkit.datasets.preparing",
    "open_data": "lesionkit.datasets.preparing",
    "data_of": "lesionkit.datasets.preparing",
    "open_prepared": "lesionkit.prepared",
    "split": "lesionkit.splits",
    "build_loss": "lesionkit.losses",
    "build_model": "lesionkit.models",
    "run": "lesionkit.experiment",
    "profile": "lesionkit.profiling",
    "replay": "lesionkit.predictions",
    "export_model": "lesionkit.exporting",
    "model_card": "lesionkit.card",
    "RunRecord": "lesionkit.runs",
    "find_records": "lesionkit.runs",
    "load_table": "lesionkit.tables",
    "rank": "lesionkit.standing",
    "read_sweep": "lesionkit.sweep",
}
_MODULES = (
    "advice",
    "audit",
    "boundary",
    "calibration",
    "claims",
    "comparison",
    "conventions",
    "figures",
    "loading",
    "loss_figures",
    "loss_libraries",
    "loss_study",
    "losses",
    "masks",
    "metrics",
    "panels",
    "published",
    "ranking",
    "ranking_figures",
    "speed_figures",
    "splits",
    "standing",
    "streaming",
    "sweep_figures",
    "tables",
    "threshold_figures",
    "threshold_page",
    "threshold_study",
    "widgets",
)

__all__ = [*_PUBLIC]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return import_module(f"lesionkit.{name}")
    raise AttributeError(f"module 'lesionkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC, *_MODULES])
