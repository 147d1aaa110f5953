"""A model card of one trained run, as Markdown."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionkit.catalogue import DATASETS, own
from lesionkit.catalogue.protocols import PROTOCOLS
from lesionkit.config import RunConfig
from lesionkit.extras import version
from lesionkit.inference.images import LEVEL, RESAMPLES, mean_interval
from lesionkit.pages.templates import filled
from lesionkit.prepared.preparing import data_if_here
from lesionkit.records.runs import RunRecord, finished
from lesionkit.records.sessions import over_all
from lesionkit.splits import PARTS, leakage
from lesionkit.splits.cached import near_copies
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
    record = finished(record)
    values = _what(record) | _data(record) | _scores(record) | _training(record)
    return filled("card.md", **values) + "\n"


def _what(record: RunRecord) -> dict[str, Any]:
    """Network, loss and protocol."""
    asked = record.identity
    network, loss = own.find_model(asked["model"]), own.find_loss(asked["loss"])
    parts = " + ".join(loss.parts) or asked["loss"]
    names = ("alpha", "gamma", "beta", "sums", "smooth", "focal_form", "alpha_form")
    set_to = ", ".join(f"{n} {asked[n]}" for n in names if asked[n] is not None)
    return {
        "version": version(),
        "run_id": record.config["run_id"],
        "asked": asked,
        "network": network,
        "variant": network.variants[asked["variant"]],
        "protocol": PROTOCOLS[asked["protocol"]],
        "deviations": record.config.get("deviations", []),
        "loss": f"{parts}; definition {asked['definition']}; {set_to}",
        "loss_source": loss.source,
        "weights": _weights(record.folder / "best.safetensors"),
        "kept": record.config["execution"]["keep_weights"],
        "command": command(record),
    }


def _data(record: RunRecord) -> dict[str, Any]:
    """Data set, terms and split."""
    name = record.identity["dataset"]
    entry, found = DATASETS.get(name), record.metrics
    return {
        "known_set": entry is not None,
        "data_title": entry.title if entry else name,
        "data_source": entry.source if entry else "your own images",
        "modality": entry.modality if entry else "modality not recorded",
        "published": entry.published_count if entry else None,
        "known": entry.known if entry else "",
        "terms": entry.licence if entry else "yours: a data set of your own",
        "source": found["data"]["source"],
        "fingerprint": found["data"]["fingerprint"],
        "scored": {
            "train": found["data"]["images"]["train"],
            "validation": found["validation"]["images"],
            "test": len(_of_probability(record)),
        },
        "split": _split(record),
        "near": near_copy_share(record),
    }


def _scores(record: RunRecord) -> dict[str, Any]:
    """Everything measured on the test images."""
    found, table = record.metrics, _of_probability(record)
    labels = _labels(record, table)
    names = ("lesions", "lesions_found", "false_lesions")
    counted = set(names) <= set(table)
    return {
        "scores": score_rows(record),
        "level": f"{100 * LEVEL:g}",
        "draws": f"{RESAMPLES:,}",
        "clusters": None if labels is None else len(set(labels)),
        "ap": found["test"]["average_precision"],
        "empty": empty_counts(record),
        "lesions": {n: int(table[n].sum()) for n in names} if counted else None,
        "sizes": size_rows(record),
        "strata": found.get("test_by_stratum", {}),
        "apart": found.get("test_without_lesion"),
    }


def _training(record: RunRecord) -> dict[str, Any]:
    """Epochs, time, and what executed the run, over all of its sessions."""
    found, sessions = record.metrics, record.environment["sessions"]
    names = ("lesionkit", "commit", "python", "torch", "torchvision", "timm", "numpy")
    return {
        "epochs": found["epochs"],
        "best_epoch": found["best_epoch"],
        "validation_dice": found["validation"]["probability"]["image"]["dice"],
        "training": {
            "sessions": len(sessions),
            "wall_seconds": sum(s.get("wall_seconds", 0.0) for s in sessions),
            "device": over_all(sessions, "gpu", "device") or "unknown",
            "threads": over_all(sessions, "threads"),
            "platform": over_all(sessions, "platform"),
            "versions": {n: v for n in names if (v := over_all(sessions, n))},
        },
    }


def command(record: RunRecord) -> str:
    """The `lesionkit train` that makes this run: what its protocol does not say."""
    asked, default = record.identity, RunConfig()
    named = {name: asked[name] for name in ("loss", "model", "protocol")}
    named |= {name: asked[name] for name in ("loss_code", "model_code")}
    named |= record.own_files()
    mine = RunConfig(**named).resolved()
    plain = RunConfig(**named, definition=asked["definition"]).identity()
    plain |= {name: getattr(default, name) for name in ("model", "protocol")}
    plain |= {"dataset": default.dataset, "definition": mine.definition, "repeat": 0}
    plain |= dict.fromkeys(("split_seed", "init_seed"), 42 + asked["repeat"])
    differ = {n: v for n, v in asked.items() if n != "loss" and v != plain.get(n)}
    given = {"loss": asked["loss"]} | differ
    if asked["repeat"] >= mine.repeats:
        given["repeats"] = record.config["execution"]["repeats"]
    texts = {n: json.dumps(v) if isinstance(v, dict) else v for n, v in given.items()}
    pairs = [f"-p {name} {shlex.quote(str(value))}" for name, value in texts.items()]
    return " ".join(["lesionkit train", *pairs])


def score_rows(record: RunRecord) -> list[dict[str, Any]]:
    """A row per threshold and metric: mean over test images, its interval, pooled."""
    rows = []
    for rule, table in record.images.groupby("threshold", sort=False):
        pooled = record.metrics["test"][rule]["pooled"]
        labels = _labels(record, table)
        for name in METRICS:
            row = {"threshold": rule, "metric": name, "mean": table[name].mean()}
            row |= _interval(table[name].to_numpy(), labels)
            undefined = int(table[name].isna().sum())
            rows.append(row | {"pooled": pooled[name], "undefined": undefined})
    return rows


def _interval(values: np.ndarray, labels: np.ndarray | None) -> dict[str, float]:
    return dict(zip(("low", "high"), mean_interval(values, labels), strict=True))


def _labels(record: RunRecord, table: pd.DataFrame) -> np.ndarray | None:
    """The group of each test image, one without a name for itself; None: no groups."""
    groups = record.split.astype(str).set_index("file")["group"]
    files = table["file"].astype(str)
    named = files.map(groups).fillna("")
    if not named.any():
        return None
    return named.where(named != "", "file " + files).to_numpy()


def _of_probability(record: RunRecord) -> pd.DataFrame:
    """The test images at probability 0.5."""
    return record.images[record.images["threshold"] == "probability"]


def empty_counts(record: RunRecord) -> dict[str, int]:
    """Test images by whether mask and prediction are empty, at probability 0.5."""
    table = _of_probability(record)
    pixels = table[["tp", "fp", "fn", "tn"]].sum(axis=1)
    table = table[pixels > 0]  # without images that are ignored as a whole
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
    table = _of_probability(record)
    lesion = table["tp"] + table["fn"]
    share = lesion / table[["tp", "fp", "fn", "tn"]].sum(axis=1)
    labels = _labels(record, table)
    low, rows = 0.0, []
    for high in (*SIZES, 1.0):
        chosen = ((share > low) & (share <= high)).to_numpy()
        if chosen.any():
            dice = table["dice"].to_numpy()[chosen]
            within = None if labels is None else labels[chosen]
            row = {"from": low, "to": high, "images": int(chosen.sum())}
            row["dice"] = float(dice.mean())
            rows.append(row | _interval(dice, within))
        low = high
    return rows


def _split(record: RunRecord) -> dict[str, Any]:
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
    data, split = data_if_here(record), record.split.astype(str)
    if data is None or list(data.index["file"].astype(str)) != list(split["file"]):
        return None
    train, test = (np.flatnonzero(split["part"] == name) for name in ("train", "test"))
    pairs = near_copies(data)
    return leakage.leaked_share(pairs, train, test, count=len(split))


def _weights(path: Path) -> dict[str, Any] | None:
    """Bytes and numbers of the stored weights, from the head of the file alone."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        head = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    shapes = [v["shape"] for n, v in head.items() if n != "__metadata__"]
    numbers = sum(int(np.prod(shape)) for shape in shapes)
    return {"bytes": path.stat().st_size, "numbers": numbers}
