"""A model card of one trained run, as Markdown."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionkit.catalogue import DATASETS, LOSSES, MODELS
from lesionkit.catalogue.protocols import PROTOCOLS
from lesionkit.config import RunConfig
from lesionkit.extras import version
from lesionkit.inference.intervals import LEVEL, RESAMPLES, mean_interval
from lesionkit.pages.templates import filled
from lesionkit.prepared import open_prepared
from lesionkit.records.runs import RunRecord, problems
from lesionkit.splits import PARTS, leakage
from lesionkit.splits.duplicates import near_pairs
from lesionkit.tables.reading import METRICS

SIZES = (0.01, 0.05, 0.2)  # edges of the strata, shares of the image; 5 % is "small"


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
    return filled("card.md", **values) + "\n"


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
        "loss": loss_says(record),
        "loss_source": LOSSES[asked["loss"]].source,
        "weights": weights_facts(record),
        "kept": record.config["execution"]["keep_weights"],
        "command": command(record),
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
        "terms": entry.licence if entry else "yours: a data set of your own",
        "source": stored["source"],
        "fingerprint": stored["fingerprint"],
        "scored": scored_counts(record),
        "split": split_facts(record),
        "near": near_copy_share(record),
    }


def _scores(record: RunRecord) -> dict[str, Any]:
    """Everything measured on the test images."""
    found = record.metrics
    return {
        "scores": score_rows(record),
        "level": f"{100 * LEVEL:g}",
        "draws": f"{RESAMPLES:,}",
        "clusters": cluster_count(record),
        "ap": found["test"]["average_precision"],
        "empty": empty_counts(record),
        "lesions": lesion_counts(record),
        "sizes": size_rows(record),
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
        "training": training_facts(record),
    }


def command(record: RunRecord) -> str:
    """The `lesionkit train` that makes this run: what its protocol does not say."""
    asked, default = record.identity, RunConfig()
    named = {name: asked[name] for name in ("loss", "model", "protocol")}
    own = RunConfig(**named).resolved()
    plain = RunConfig(**named, definition=asked["definition"]).identity()
    plain |= {name: getattr(default, name) for name in ("model", "protocol")}
    plain |= {"dataset": default.dataset, "definition": own.definition, "repeat": 0}
    plain |= dict.fromkeys(("split_seed", "init_seed"), 42 + asked["repeat"])
    differ = {n: v for n, v in asked.items() if n != "loss" and v != plain.get(n)}
    given = {"loss": asked["loss"]} | differ
    if asked["repeat"] >= own.repeats:
        given["repeats"] = record.config["execution"]["repeats"]
    pairs = [f"-p {name} {shlex.quote(str(value))}" for name, value in given.items()]
    return " ".join(["lesionkit train", *pairs])


def score_rows(record: RunRecord) -> list[dict[str, Any]]:
    """A row per threshold and metric: mean over test images, its interval, pooled."""
    rows = []
    for rule, table in record.images.groupby("threshold", sort=False):
        pooled = record.metrics["test"][rule]["pooled"]
        labels = _labels(record, table)
        for name in METRICS:
            low, high = mean_interval(table[name].to_numpy(), labels)
            found = {"mean": table[name].mean(), "low": low, "high": high}
            undefined = int(table[name].isna().sum())
            row = {"threshold": rule, "metric": name, **found}
            rows.append(row | {"pooled": pooled[name], "undefined": undefined})
    return rows


def _labels(record: RunRecord, table: pd.DataFrame) -> np.ndarray | None:
    """The group of each test image, one without a name for itself; None: no groups."""
    groups = record.split.astype(str).set_index("file")["group"]
    files = table["file"].astype(str).to_numpy()
    named = groups.reindex(files).fillna("").to_numpy()
    if not (named != "").any():
        return None
    return np.where(named == "", np.char.add("file ", files.astype(str)), named)


def cluster_count(record: RunRecord) -> int | None:
    """How many groups the test images are in, or None where none is known."""
    table = of_probability(record)
    labels = _labels(record, table)
    return None if labels is None else len(set(labels))


def of_probability(record: RunRecord) -> pd.DataFrame:
    """The test images at probability 0.5."""
    return record.images[record.images["threshold"] == "probability"]


def scored_counts(record: RunRecord) -> dict[str, int]:
    """How many images trained the network and how many were scored, a part."""
    found = record.metrics
    return {
        "train": found["data"]["images"]["train"],
        "validation": found["validation"]["images"],
        "test": len(of_probability(record)),
    }


def empty_counts(record: RunRecord) -> dict[str, int]:
    """Test images by whether mask and prediction are empty, at probability 0.5."""
    table = of_probability(record)
    mask = (table["tp"] + table["fn"]) == 0
    predicted = (table["tp"] + table["fp"]) == 0
    return {
        "mask": int(mask.sum()),
        "both": int((mask & predicted).sum()),
        "mask_only": int((mask & ~predicted).sum()),
        "prediction_only": int((~mask & predicted).sum()),
    }


def size_rows(record: RunRecord) -> list[dict[str, Any]]:
    """Dice at probability 0.5 by the share of the image that is lesion."""
    table = of_probability(record)
    lesion = table["tp"] + table["fn"]
    share = lesion / table[["tp", "fp", "fn", "tn"]].sum(axis=1)
    labels = _labels(record, table)
    low, rows = 0.0, []
    for high in (*SIZES, 1.0):
        chosen = ((share > low) & (share <= high)).to_numpy()
        if chosen.any():
            dice = table["dice"].to_numpy()[chosen]
            within = None if labels is None else labels[chosen]
            ends = dict(zip(("low", "high"), mean_interval(dice, within), strict=True))
            row = {"from": low, "to": high, "images": int(chosen.sum())}
            rows.append(row | {"dice": float(dice.mean()), **ends})
        low = high
    return rows


def lesion_counts(record: RunRecord) -> dict[str, int] | None:
    """Single lesions of the test images, found and falsely marked, if counted."""
    table = of_probability(record)
    names = ("lesions", "lesions_found", "false_lesions")
    if not set(names) <= set(table):
        return None
    return {name: int(table[name].sum()) for name in names}


def split_facts(record: RunRecord) -> dict[str, Any]:
    """Images a part, and what lies in test and in training at once."""
    table = record.split.astype(str)
    train, test = (table[table["part"] == part] for part in ("train", "test"))
    shared = set(train["group"]) & set(test["group"]) - {""}
    copies = set(train["content_hash"]) - {""}
    return {
        "parts": {name: int((table["part"] == name).sum()) for name in PARTS},
        "unused": int((~table["part"].isin(PARTS)).sum()),
        "groups": len(set(table["group"]) - {""}),
        "test_groups": len(set(test["group"]) - {""}),
        "shared_groups": len(shared),
        "test_in_shared": int(test["group"].isin(shared).sum()),
        "test_copied": int(test["content_hash"].isin(copies).sum()),
    }


def near_copy_share(record: RunRecord) -> float | None:
    """Share of test images with a near-copy in training; None if it cannot be seen.

    It needs the images: the set prepared here, with the content that the run had.
    """
    asked = record.identity
    try:
        data = open_prepared(asked["dataset"], asked["size"], resize=asked["resize"])
    except (FileNotFoundError, ValueError):
        return None
    files = record.split.astype(str)["file"].tolist()
    same = data.fingerprint == record.metrics["data"]["fingerprint"]
    if not same or data.index["file"].astype(str).tolist() != files:
        return None
    part = record.split["part"].to_numpy()
    train, test = np.flatnonzero(part == "train"), np.flatnonzero(part == "test")
    if not len(test):
        return None
    pairs = near_pairs(data.thumbnails)
    return leakage.leaked_share(pairs, train, test, count=len(part))


def training_facts(record: RunRecord) -> dict[str, Any]:
    """Epochs, time, and what executed the run, over all of its sessions."""
    sessions = record.environment["sessions"]
    devices = [s.get("gpu") or s.get("device") or "unknown" for s in sessions]
    last = sessions[-1]
    names = ("lesionkit", "commit", "python", "torch", "torchvision", "timm", "numpy")
    return {
        "sessions": len(sessions),
        "wall_seconds": sum(s.get("wall_seconds", 0.0) for s in sessions),
        "devices": list(dict.fromkeys(devices)),
        "threads": last.get("threads"),
        "platform": last.get("platform"),
        "versions": {n: last[n] for n in names if last.get(n)},
    }


def weights_facts(record: RunRecord) -> dict[str, Any] | None:
    """Bytes and numbers of the stored weights, from the head of the file alone."""
    path = record.folder / "best.safetensors"
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        head = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    shapes = [v["shape"] for n, v in head.items() if n != "__metadata__"]
    numbers = sum(int(np.prod(shape)) for shape in shapes)
    return {"bytes": path.stat().st_size, "numbers": numbers}


def loss_says(record: RunRecord) -> str:
    """The loss with its parts, its definition and the numbers that it used."""
    asked = record.identity
    parts = " + ".join(LOSSES[asked["loss"]].parts) or asked["loss"]
    names = ("alpha", "gamma", "beta", "sums", "smooth", "focal_form", "alpha_form")
    set_to = [f"{n} {asked[n]}" for n in names if asked[n] is not None]
    return f"{parts}; definition {asked['definition']}; {', '.join(set_to)}"
