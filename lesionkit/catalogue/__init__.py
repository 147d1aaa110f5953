"""What there is: losses, definitions, models and data sets, as plain dict literals.

Free of torch. A new loss, model or data set is one entry here and one file.
"""

from lesionkit.catalogue.datasets import DATASETS, DatasetEntry
from lesionkit.catalogue.losses import (
    DEFINITIONS,
    LOSSES,
    PAPER_A_LOSSES,
    PAPER_B_LOSSES,
    LossEntry,
)
from lesionkit.catalogue.networks import MODELS, ModelEntry, Variant, several_heads

__all__ = [
    "DATASETS",
    "DEFINITIONS",
    "LOSSES",
    "MODELS",
    "PAPER_A_LOSSES",
    "PAPER_B_LOSSES",
    "DatasetEntry",
    "LossEntry",
    "ModelEntry",
    "Variant",
    "several_heads",
]
