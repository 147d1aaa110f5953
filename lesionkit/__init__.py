"""Which loss should I train with, and is the difference real?

The short public list, loaded when it is first used: importing lesionkit imports neither
torch nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


# What a type checker sees of the names loaded later. It must not see __getattr__,
# which would make every misspelt name an Any.
if TYPE_CHECKING:
    from lesionkit import advice as advice
    from lesionkit import audit as audit
    from lesionkit import boundary as boundary
    from lesionkit import calibration as calibration
    from lesionkit import claims as claims
    from lesionkit import comparison as comparison
    from lesionkit import conventions as conventions
    from lesionkit import figures as figures
    from lesionkit import loading as loading
    from lesionkit import loss_figures as loss_figures
    from lesionkit import loss_libraries as loss_libraries
    from lesionkit import loss_study as loss_study
    from lesionkit import losses as losses
    from lesionkit import masks as masks
    from lesionkit import metrics as metrics
    from lesionkit import panels as panels
    from lesionkit import published as published
    from lesionkit import ranking as ranking
    from lesionkit import ranking_figures as ranking_figures
    from lesionkit import speed_figures as speed_figures
    from lesionkit import splits as splits
    from lesionkit import standing as standing
    from lesionkit import streaming as streaming
    from lesionkit import sweep_figures as sweep_figures
    from lesionkit import tables as tables
    from lesionkit import threshold_figures as threshold_figures
    from lesionkit import threshold_page as threshold_page
    from lesionkit import threshold_study as threshold_study
    from lesionkit import widgets as widgets
    from lesionkit.card import model_card as model_card
    from lesionkit.catalogue import DATASETS as DATASETS
    from lesionkit.catalogue import DEFINITIONS as DEFINITIONS
    from lesionkit.catalogue import LOSSES as LOSSES
    from lesionkit.catalogue import MODELS as MODELS
    from lesionkit.config import RunConfig as RunConfig
    from lesionkit.config import data_folder as data_folder
    from lesionkit.datasets.preparing import data_of as data_of
    from lesionkit.datasets.preparing import open_data as open_data
    from lesionkit.datasets.preparing import prepare as prepare
    from lesionkit.experiment import run as run
    from lesionkit.exporting import export_model as export_model
    from lesionkit.losses import build_loss as build_loss
    from lesionkit.models import build_model as build_model
    from lesionkit.parameters import notebook_parameters as notebook_parameters
    from lesionkit.predictions import replay as replay
    from lesionkit.prepared import open_prepared as open_prepared
    from lesionkit.profiling import profile as profile
    from lesionkit.protocols import PROTOCOLS as PROTOCOLS
    from lesionkit.runs import RunRecord as RunRecord
    from lesionkit.runs import find_records as find_records
    from lesionkit.splits import split as split
    from lesionkit.standing import rank as rank
    from lesionkit.sweep import read_sweep as read_sweep
    from lesionkit.tables import load_table as load_table
else:

    def __getattr__(name: str) -> Any:
        if name in _PUBLIC:
            return getattr(import_module(_PUBLIC[name]), name)
        if name in _MODULES:
            return import_module(f"lesionkit.{name}")
        raise AttributeError(f"module 'lesionkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC, *_MODULES])
