"""What there is: losses, networks, data sets and protocols, as plain dict literals.

Free of torch, and every later room may import it. A new loss, model or data set is one
entry here and one file.
"""

from lesionkit.catalogue.datasets import DATASETS, IGNORED, DatasetEntry
from lesionkit.catalogue.losses import (
    DEFINITIONS,
    FURTHER_LOSSES,
    LOSSES,
    PAPER_A_LOSSES,
    PAPER_B_LOSSES,
    LossEntry,
)
from lesionkit.catalogue.networks import MODELS, ModelEntry, Variant, several_heads
from lesionkit.catalogue.protocols import PROTOCOLS, ProtocolEntry

__all__ = [
    "DATASETS",
    "DEFINITIONS",
    "FURTHER_LOSSES",
    "IGNORED",
    "LOSSES",
    "MODELS",
    "PAPER_A_LOSSES",
    "PAPER_B_LOSSES",
    "PROTOCOLS",
    "DatasetEntry",
    "LossEntry",
    "ModelEntry",
    "ProtocolEntry",
    "Variant",
    "own",
    "protocols",
    "publishers",
    "several_heads",
    "works",
]
