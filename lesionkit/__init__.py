"""Which loss should I train with, and is the difference real?

The short public list, loaded when it is first used: importing lesionkit imports neither
torch nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lesionkit import extras

_PUBLIC = {
    "LOSSES": "lesionkit.catalogue",
    "MODELS": "lesionkit.catalogue",
    "DATASETS": "lesionkit.catalogue",
    "DEFINITIONS": "lesionkit.catalogue",
    "PROTOCOLS": "lesionkit.catalogue.protocols",
    "RunConfig": "lesionkit.config",
    "data_folder": "lesionkit.config",
    "notebook_parameters": "lesionkit.config.parameters",
    "prepare": "lesionkit.prepared.preparing",
    "open_data": "lesionkit.prepared.preparing",
    "data_of": "lesionkit.prepared.preparing",
    "open_prepared": "lesionkit.prepared",
    "split": "lesionkit.splits",
    "build_loss": "lesionkit.losses",
    "build_model": "lesionkit.models",
    "run": "lesionkit.training.experiment",
    "profile": "lesionkit.training.profiling",
    "replay": "lesionkit.training.predictions",
    "export_model": "lesionkit.export.network",
    "model_card": "lesionkit.pages.card",
    "RunRecord": "lesionkit.records.runs",
    "find_records": "lesionkit.records.runs",
    "load_table": "lesionkit.tables",
    "rank": "lesionkit.inference.standing",
    "read_sweep": "lesionkit.sweeps.sweep",
}
_MODULES = {
    "advice": "lesionkit.inference.advice",
    "audit": "lesionkit.papers.audit",
    "boundary": "lesionkit.metrics.boundary",
    "calibration": "lesionkit.metrics.calibration",
    "claims": "lesionkit.papers.claims",
    "comparison": "lesionkit.thresholds.comparison",
    "conventions": "lesionkit.metrics.conventions",
    "figures": "lesionkit.figures",
    "loading": "lesionkit.prepared.loading",
    "loss_figures": "lesionkit.figures.losses",
    "loss_libraries": "lesionkit.losses.libraries",
    "loss_study": "lesionkit.losses.study",
    "losses": "lesionkit.losses",
    "masks": "lesionkit.masks",
    "metrics": "lesionkit.metrics",
    "panels": "lesionkit.thresholds.panels",
    "published": "lesionkit.published",
    "ranking": "lesionkit.inference.ranking",
    "ranking_figures": "lesionkit.figures.ranking",
    "speed_figures": "lesionkit.figures.runs",
    "splits": "lesionkit.splits",
    "standing": "lesionkit.inference.standing",
    "streaming": "lesionkit.metrics.streaming",
    "sweep_figures": "lesionkit.figures.runs",
    "tables": "lesionkit.tables",
    "threshold_figures": "lesionkit.thresholds.figures",
    "threshold_page": "lesionkit.thresholds.page",
    "threshold_study": "lesionkit.papers.threshold_study",
    "widgets": "lesionkit.thresholds.widgets",
}

__all__ = [*_PUBLIC]


# What a type checker sees of the names loaded later. It must not see __getattr__,
# which would make every misspelt name an Any.
if TYPE_CHECKING:
    __version__: str

    from lesionkit import figures as figures
    from lesionkit import losses as losses
    from lesionkit import masks as masks
    from lesionkit import metrics as metrics
    from lesionkit import published as published
    from lesionkit import splits as splits
    from lesionkit import tables as tables
    from lesionkit.catalogue import DATASETS as DATASETS
    from lesionkit.catalogue import DEFINITIONS as DEFINITIONS
    from lesionkit.catalogue import LOSSES as LOSSES
    from lesionkit.catalogue import MODELS as MODELS
    from lesionkit.catalogue.protocols import PROTOCOLS as PROTOCOLS
    from lesionkit.config import RunConfig as RunConfig
    from lesionkit.config import data_folder as data_folder
    from lesionkit.config.parameters import notebook_parameters as notebook_parameters
    from lesionkit.export.network import export_model as export_model
    from lesionkit.figures import losses as loss_figures  # noqa: F401
    from lesionkit.figures import ranking as ranking_figures  # noqa: F401
    from lesionkit.figures import runs as speed_figures  # noqa: F401
    from lesionkit.figures import runs as sweep_figures  # noqa: F401
    from lesionkit.inference import advice as advice
    from lesionkit.inference import ranking as ranking
    from lesionkit.inference import standing as standing
    from lesionkit.inference.standing import rank as rank
    from lesionkit.losses import build_loss as build_loss
    from lesionkit.losses import libraries as loss_libraries  # noqa: F401
    from lesionkit.losses import study as loss_study  # noqa: F401
    from lesionkit.metrics import boundary as boundary
    from lesionkit.metrics import calibration as calibration
    from lesionkit.metrics import conventions as conventions
    from lesionkit.metrics import streaming as streaming
    from lesionkit.models import build_model as build_model
    from lesionkit.pages.card import model_card as model_card
    from lesionkit.papers import audit as audit
    from lesionkit.papers import claims as claims
    from lesionkit.papers import threshold_study as threshold_study
    from lesionkit.prepared import loading as loading
    from lesionkit.prepared import open_prepared as open_prepared
    from lesionkit.prepared.preparing import data_of as data_of
    from lesionkit.prepared.preparing import open_data as open_data
    from lesionkit.prepared.preparing import prepare as prepare
    from lesionkit.records.runs import RunRecord as RunRecord
    from lesionkit.records.runs import find_records as find_records
    from lesionkit.splits import split as split
    from lesionkit.sweeps.sweep import read_sweep as read_sweep
    from lesionkit.tables import load_table as load_table
    from lesionkit.thresholds import comparison as comparison
    from lesionkit.thresholds import figures as threshold_figures  # noqa: F401
    from lesionkit.thresholds import page as threshold_page  # noqa: F401
    from lesionkit.thresholds import panels as panels
    from lesionkit.thresholds import widgets as widgets
    from lesionkit.training.experiment import run as run
    from lesionkit.training.predictions import replay as replay
    from lesionkit.training.profiling import profile as profile
else:

    def __getattr__(name: str) -> Any:
        if name in _PUBLIC:
            return getattr(import_module(_PUBLIC[name]), name)
        if name in _MODULES:
            return import_module(_MODULES[name])
        if name == "__version__":
            return extras.version()
        raise AttributeError(f"module 'lesionkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC, *_MODULES])
