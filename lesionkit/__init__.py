"""Which loss should I train with, and is the difference real?

The short public list, loaded when it is first used: importing lesionkit imports neither
torch nor pandas.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lesionkit import extras

# Before torch is loaded: threads that wait sleep. Spinning, OpenMP's default, they take
# from the one that they wait for wherever cores are shared.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# The rooms, each with its names of the short list.
_ROOMS = {
    "catalogue": "LOSSES MODELS DATASETS DEFINITIONS",
    "catalogue.protocols": "PROTOCOLS",
    "config": "RunConfig data_folder",
    "config.parameters": "notebook_parameters",
    "prepared.preparing": "prepare open_data data_of",
    "prepared": "open_prepared",
    "splits": "split",
    "losses": "build_loss",
    "models": "build_model",
    "training": "run",
    "training.experiment": "replay",
    "training.profiling": "profile",
    "export.network": "export_model",
    "export.prediction": "predict",
    "pages.card": "model_card",
    "records.runs": "RunRecord find_records",
    "tables": "load_table",
    "inference.standing": "rank",
    "sweeps.sweep": "read_sweep",
}
# Rooms and files that have a name here; first those that have their own.
_FILES = """
figures losses masks metrics published splits tables inference.advice inference.ranking
inference.standing metrics.boundary metrics.calibration metrics.conventions
metrics.streaming papers.audit papers.claims papers.threshold_study prepared.loading
thresholds.comparison thresholds.panels thresholds.widgets
""".split()
_RENAMED = {
    "loss_figures": "figures.losses",
    "loss_libraries": "losses.libraries",
    "loss_study": "losses.study",
    "sweep_figures": "figures.runs",
    "threshold_figures": "thresholds.figures",
}
_PUBLIC = {n: f"lesionkit.{room}" for room, ns in _ROOMS.items() for n in ns.split()}
_MODULES = {file.rpartition(".")[2]: f"lesionkit.{file}" for file in _FILES}
_MODULES |= {name: f"lesionkit.{file}" for name, file in _RENAMED.items()}

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
    from lesionkit.export.prediction import predict as predict
    from lesionkit.figures import losses as loss_figures  # noqa: F401
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
    from lesionkit.thresholds import panels as panels
    from lesionkit.thresholds import widgets as widgets
    from lesionkit.training import run as run
    from lesionkit.training.experiment import replay as replay
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
