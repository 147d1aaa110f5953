"""A model card of one trained run, as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lesionkit.catalogue import DATASETS, LOSSES, MODELS
from lesionkit.catalogue.protocols import PROTOCOLS
from lesionkit.extras import version
from lesionkit.inference.intervals import LEVEL, RESAMPLES
from lesionkit.pages import card_content as content
from lesionkit.pages.templates import filled
from lesionkit.records.runs import RunRecord, problems


def model_card(record: RunRecord | Path | str) -> str:
    """What a run's network is, was trained on, scores and is good for, as Markdown.

    Args:
        record: a finished run, or its folder.

    Raises:
        FileNotFoundError: no finished run is there.
        ValueError: a file of the record was changed after the run ended.

    Source: Mitchell et al., Model Cards for Model Reporting, FAT* 2019.
    """
    record = record if isinstance(record, RunRecord) else RunRecord(Path(record))
    if not (record.folder / "DONE").is_file():
        raise FileNotFoundError(f"{record.folder} is no finished run (no file DONE)")
    if wrong := problems(record.folder):
        raise ValueError(f"{wrong[0]}; a card of it would not be that run's")
    values = _what(record) | _data(record) | _scores(record) | _training(record)
    return filled("card.md", autoescape=False, **values) + "\n"


def _what(record: RunRecord) -> dict[str, Any]:
    """Network, loss and protocol."""
    asked = record.identity
    network = MODELS[asked["model"]]
    return {
        "version": version(),
        "run_id": record.config["run_id"],
        "asked": asked,
        "network": network,
        "variant": network.variants[asked["variant"]],
        "protocol": PROTOCOLS[asked["protocol"]],
        "deviations": record.config.get("deviations", []),
        "loss": content.loss_says(record),
        "loss_source": LOSSES[asked["loss"]].source,
        "weights": content.weights_facts(record),
        "kept": record.config["execution"]["keep_weights"],
        "command": content.command(record),
    }


def _data(record: RunRecord) -> dict[str, Any]:
    """Data set, terms and split."""
    name = record.identity["dataset"]
    entry, stored = DATASETS.get(name), record.metrics["data"]
    return {
        "known_set": entry is not None,
        "data_title": entry.title if entry else name,
        "data_source": entry.source if entry else "your own images",
        "modality": entry.modality if entry else "modality not recorded",
        "published": entry.published_count if entry else None,
        "known": entry.known if entry else "",
        "terms": content.terms(record),
        "source": stored["source"],
        "fingerprint": stored["fingerprint"],
        "scored": content.scored_counts(record),
        "split": content.split_facts(record),
        "near": content.near_copy_share(record),
    }


def _scores(record: RunRecord) -> dict[str, Any]:
    """Everything measured on the test images."""
    found = record.metrics
    return {
        "scores": content.score_rows(record),
        "level": f"{100 * LEVEL:g}",
        "draws": f"{RESAMPLES:,}",
        "clusters": content.cluster_count(record),
        "ap": found["test"]["average_precision"],
        "empty": content.empty_counts(record),
        "lesions": content.lesion_counts(record),
        "sizes": content.size_rows(record),
        "strata": found.get("test_by_stratum", {}),
        "apart": found.get("test_without_lesion"),
    }


def _training(record: RunRecord) -> dict[str, Any]:
    """How it was trained, and by what."""
    found = record.metrics
    return {
        "epochs": found["epochs"],
        "best_epoch": found["best_epoch"],
        "validation_dice": found["validation"]["probability"]["image"]["dice"],
        "training": content.training_facts(record),
    }
