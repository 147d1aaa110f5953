"""The fixed settings of each paper and of the kit's own protocols, as a dict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ProtocolEntry:
    """The fixed settings of a paper; every RunConfig parameter left open gets these.

    `pretrained` True means: where the network has an encoder with published weights.
    """

    title: str
    source: str
    cost: str
    settings: dict[str, Any]
    variants: dict[str, str] = field(default_factory=dict)
    losses: dict[str, dict[str, float]] = field(default_factory=dict)  # by model
    deviations: tuple[str, ...] = ()  # from the source, listed in every record


_SHARED = {
    "split": "image",
    "repeats": 5,
    "resize": "bilinear",
    "sums": "batch",
    "smooth": 1e-6,
    "batch_size": 8,
    "patience": 40,
    "stop_rule": "at",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup": 0.0,
    "augment": "none",
    "normalise": "unit",
    "pretrained": False,
    "scoring": "every_image",
    "scored_epoch": "best",
    "without_lesion": "kept",
    "deep_supervision": False,  # the public re-run trains the first output alone
    "dtype": "float32",
    "memory_format": "contiguous",
    "accumulate": 1,
    "graphed": False,
    "compile": False,
    "deterministic": True,
    "threads": 0,
}

PROTOCOLS = {
    "demo": ProtocolEntry(
        "A first look on the toy set",
        "the kit's own",
        "about a minute on one CPU core",
        _SHARED
        | {
            "definition": "A-gamma2",
            "size": 64,
            "epochs": 12,
            "threads": 1,  # two threads that share a busy core wait most of the time
        },
        {
            "unet": "unet_bn_transposed_16",
            "deeplabv3plus": "smp_resnet50_rates_6_12_18",
            "fcn": "tv_fcn_resnet50",
            "colonformer": "colonformer_s",
            "esfpnet": "esfpnet_t",
            "emcadnet": "emcadnet_b0",
        },
    ),
    # Neither paper: how such networks are mostly trained today. See docs/protocols.md.
    "practice": ProtocolEntry(
        "As people train today",
        "the kit's own",
        "about eight times the steps of the demo, and larger ones",
        _SHARED
        | {
            "definition": "A-gamma2",
            "size": 224,
            "epochs": 100,
            "patience": 30,
            "optimizer": "adamw",
            "learning_rate": 5e-4,
            "weight_decay": 1e-2,
            "schedule": "cosine",
            "warmup": 0.05,
            "augment": "full",
            "normalise": "imagenet",
            "pretrained": True,
        },
        {"unet": "smp_unet_resnet34"},
    ),
    # Paper A, II-4. Chosen where it is silent: see docs/protocols.md.
    "paper_a": ProtocolEntry(
        "Paper A as printed",
        "paper A, II-4",
        "3,600 trainings for the whole table",
        _SHARED
        | {
            "definition": "A-printed",
            "size": 224,
            "epochs": 200,
        },
    ),
    # The same on a GPU of today. Price and deviation: docs/protocols.md.
    "paper_a_fast": ProtocolEntry(
        "Paper A as printed, in bfloat16 and CUDA graphs",
        "paper A, II-4; the arithmetic is the kit's own",
        "3,600 trainings for the whole table, the price in docs/protocols.md",
        _SHARED
        | {
            "definition": "A-printed",
            "size": 224,
            "epochs": 200,
            "dtype": "bfloat16",
            "memory_format": "channels_last",
            "graphed": True,
        },
        deviations=(
            "bfloat16 in place of float32 in the network; loss and weights in float32",
        ),
    ),
    "paper_a_public": ProtocolEntry(
        "Paper A as the public re-run has it",
        "read in the re-run's code; weights not pretrained is a stated deviation",
        "3,600 trainings for the whole table",
        _SHARED
        | {
            "definition": "A-meanfirst",
            "size": 224,
            "resize": "nearest",
            "epochs": 200,
            "learning_rate": 1e-4,
            "weight_decay": 1e-8,
            "stop_rule": "after",
            "scoring": "full_batches",
        },
        {"esfpnet": "esfpnet_t", "ducknet": "ducknet_34"},
    ),
    # Paper B. Chosen where it is silent: see docs/protocols.md.
    "paper_b": ProtocolEntry(
        "Paper B as printed: lung cancer on chest CT",
        "paper B, III and Table 1",
        "9 trainings for the whole table",
        _SHARED
        | {
            "definition": "B",
            "size": 512,
            "split": "group",
            "batch_size": 30,
            "epochs": 100,
            "stop_rule": "never",
            "scored_epoch": "last",
            "without_lesion": "apart",
        },
        {"unet": "unet_2015_same_padding"},
        {
            "segnet": {"alpha": 0.75, "gamma": 5.0, "beta": 0.6},
            "enet": {"alpha": 0.75, "gamma": 2.0, "beta": 0.3},
            "unet": {"alpha": 0.25, "gamma": 4.0, "beta": 0.7},
        },
        (
            "one logit instead of a softmax over two classes",
            "U-Net with same padding instead of cropped skips",
            "PyTorch on the device named here instead of Keras 2.2.4 on four"
            " RTX 2080 Ti",
            "Python instead of MATLAB for the images",
            "the patients: the paper's 80 are not published",
        ),
    ),
}
