"""A RunConfig to a finished run record; a record to its predictions again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.torch import load
from safetensors.torch import save as safetensors_bytes

from lesionkit import metrics
from lesionkit.config import RunConfig
from lesionkit.lookup import shown_in_a_line, unknown
from lesionkit.prepared import Prepared
from lesionkit.records import runs
from lesionkit.records.disks import DiskFull, refusals_told
from lesionkit.records.runs import RunRecord
from lesionkit.records.trackers import Tracker, tracker
from lesionkit.splits import manifest
from lesionkit.training import checkpoint, evaluation, graphs
from lesionkit.training.building import (
    WITHOUT_LESION,
    Setting,
    build,
    build_step,
    build_validation,
)
from lesionkit.training.execution import execution, memory_told
from lesionkit.training.loop import Progress, Rules, train
from lesionkit.training.session import Session

CLOSE = 1e-3  # share of an image's pixels that another device may flip in a replay
HALF_CLOSE = 1e-2  # the same from weights stored by half: focal's logits lie near 0


@shown_in_a_line(FileNotFoundError, BlockingIOError, MemoryError, KeyboardInterrupt)
def run(config: RunConfig, *, progress: bool = True) -> RunRecord:
    """The finished record of a run, as `training.run` says, with torch at hand."""
    if found := runs.found_finished(config):
        return found
    with execution(config), memory_told(config), refusals_told(config.folder):
        setting = build(config, again=True)
        logged = tracker(config.track, setting.config)
        folder = runs.start(config)
        with runs.claim(folder), logged:
            if not runs.is_done(folder):  # another process may have just ended it
                _run(setting, folder, logged, progress)
    return RunRecord(folder)


def _run(setting: Setting, folder: Path, logged: Tracker, show: bool) -> None:
    """Train from where the run stands, score the best weights, and write the record.

    Of a run that fails, the reason and the epochs so far.
    """
    runs.clear_failure(folder)
    runs.note_execution(folder, setting.config)
    progress, model = _resume(setting, folder), setting.model
    try:
        with memory_told(setting.config), refusals_told(folder):
            step = build_step(setting)
            session = Session(setting, step, folder, progress, logged=logged, show=show)
            with session:
                _train(session)
            model.load_state_dict(progress.best_weights)
            _store(folder, setting, progress, *_scored(setting))
            session.end()
            logged.end(RunRecord(folder).metrics)
            runs.finish(folder)
        graphs.keep(setting.kept)
    except DiskFull:  # nothing is wrong with the run: a sweep tries it again
        raise
    except Exception as error:
        if progress.history:
            runs.store_table(folder, "history", pd.DataFrame(progress.history))
        runs.note_failure(folder, str(error) or type(error).__name__)
        raise


def _train(session: Session) -> None:
    """Train until the rules say stop; of a loss that is not finite, say whose it is."""
    setting = session.setting
    config = setting.config
    rules = Rules(
        epochs=config.epochs,
        patience=config.patience,
        stop_rule=config.stop_rule,
        seed=config.init_seed,
        scored_epoch=config.scored_epoch,
    )
    try:
        train(
            session.step,
            setting.batches["train"],
            build_validation(setting, session.step),
            model=setting.model,
            rules=rules,
            augment=setting.augment,
            schedule=setting.schedule,
            progress=session.progress,
            on_epoch=session.epoch,
        )
    except FloatingPointError as error:
        raise FloatingPointError(
            f"{config.loss}: {error}, learning rate {config.learning_rate:g}: try a"
            " lower learning_rate, or dtype float32"
        ) from None


def _resume(setting: Setting, folder: Path) -> Progress:
    """Set the model to the newest whole stored state; the progress of that epoch."""
    for name, content in runs.load_states(folder):
        try:
            stored = checkpoint.restore(content, setting.model, setting.optimizer)
        except ValueError as error:
            print(f"{folder / name}: {error}; going back further", file=sys.stderr)
            continue
        if setting.kept:
            setting.kept.forget()  # the optimiser has other tensors now
        return Progress(**stored)
    return Progress()


def _scored(setting: Setting) -> tuple[dict[str, evaluation.Evaluation], np.ndarray]:
    """Every part but train, scored; and the test images whose logits are kept."""
    data, test = setting.data, setting.batches["test"]
    positions = test.positions[: test.scored(setting.config.scoring)].numpy()
    sample = evaluation.figure_sample(data.masks, positions)
    more: dict[str, dict[str, Any]] = {"test": {"keep": sample}}
    if "stratum" in data.index:
        more["test"]["strata"] = data.index["stratum"].to_numpy()
    parts = {n: batches for n, batches in setting.batches.items() if n != "train"}
    found = {
        name: evaluation.evaluate(
            setting.model, batches, **setting.scoring, **more.get(name, {})
        )
        for name, batches in parts.items()
    }
    return found, sample


def _store(
    folder: Path,
    setting: Setting,
    trained: Progress,
    found: dict[str, evaluation.Evaluation],
    sample: np.ndarray,
) -> None:
    """Every file of the record but environment.json and DONE.

    `sample` says of which test images logits were kept.
    """
    data, test = setting.data, found["test"]
    runs.store_table(folder, "split", manifest(data, setting.parts))
    runs.store_table(folder, "history", pd.DataFrame(trained.history))
    runs.store_table(folder, "images", _image_table(data, test))
    report = {
        "data": {
            "fingerprint": data.fingerprint,
            "source": data.manifest["source"],
            "images": {name: len(part) for name, part in setting.batches.items()},
            **{key: data.manifest[key] for key in ("ignore",) if data.ignore},
        },
        "best_epoch": trained.best_epoch,
        "epochs": trained.epoch,
        **{name: found[name].summary() for name in ("validation", "test")},
        **_apart(data, found),
    }
    runs.store_json(folder, "metrics", report)
    curves = {
        f"{part}_{name}": getattr(found[part], name)
        for part in ("validation", "test")
        for name in ("positions", "lesion", "background", "extent")
    }
    # the bins are stated in the file
    runs.store_arrays(folder, "curves", {"bin_edges": evaluation.BIN_EDGES} | curves)
    stored = {
        "positions": sample,
        "content_hash": data.index["content_hash"].to_numpy(str)[sample],
        "logits": test.logits.astype(np.float16),
    }
    runs.store_arrays(folder, "logits", stored)
    keep, weights = setting.config.keep_weights, trained.best_weights
    if keep == "half":
        weights = {
            k: v.half() if v.is_floating_point() else v for k, v in weights.items()
        }
    if keep != "none":
        kept = {name: value.contiguous().cpu() for name, value in weights.items()}
        runs.store_weights(folder, safetensors_bytes(kept))


def _image_table(data: Prepared, test: evaluation.Evaluation) -> pd.DataFrame:
    """A row per test image and threshold: counts and metrics."""
    tables = []
    for threshold, counts in test.counts.items():
        table = pd.DataFrame(counts, columns=["tp", "fp", "fn", "tn"])
        table.insert(0, "file", data.index["file"].to_numpy()[test.positions])
        table.insert(1, "threshold", threshold)
        table = table.assign(**metrics.per_image(counts), **test.lesions[threshold])
        if "stratum" in data.index:
            table["stratum"] = data.index["stratum"].to_numpy()[test.positions]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _apart(data: Prepared, found: dict[str, evaluation.Evaluation]) -> dict[str, Any]:
    """The test scores by stratum, and what was marked where there is no lesion."""
    test, report = found["test"], {}
    if "stratum" in data.index:
        report["test_by_stratum"] = {
            name: test.summary(name) for name in test.precision if name
        }
    if WITHOUT_LESION in found:
        report[WITHOUT_LESION] = found[WITHOUT_LESION].marked()
    return report


@dataclass(frozen=True)
class Predictions:
    """What the best weights of a run say of one part of its split.

    Attributes:
        files: (N,) names.
        logits: (N, H, W) float32.
        masks: (N, H, W) uint8, the ground truth; 255 is ignored, where it is so.
    """

    files: np.ndarray
    logits: np.ndarray
    masks: np.ndarray


def replay(record: RunRecord, part: str = "test") -> Predictions:
    """Logits and masks of every image of a part, from the stored weights.

    On the test part the counts are compared with those of the record: predictions that
    are not the record's own, as of another data set by the same name, are refused. On
    another device a pixel in a thousand of an image may differ, from weights stored by
    half one in a hundred.

    Raises:
        FileNotFoundError: the run kept no weights, or the data set is not prepared.
        ValueError: no such part, the weights were changed after the run ended, or the
            predictions are not those of the record.
    """
    if part not in ("validation", "test"):
        raise unknown("part", part, ("validation", "test"))
    weights = record.file("best.safetensors")
    if not weights.is_file():
        raise FileNotFoundError(
            f"{weights} is missing: train with -p keep_weights best"
        )
    # the stored weights replace whatever a pretrained encoder would download
    asked = record.identity | {"pretrained": False} | record.own_files()
    config = RunConfig.from_mapping(asked)
    with execution(config):
        setting = build(config)
        setting.model.load_state_dict(load(record.weights()))
        batches = setting.batches[part]
        every = batches.positions[: batches.scored(setting.config.scoring)]
        found = evaluation.evaluate(
            setting.model, batches, **setting.scoring, keep=every.tolist()
        )
    if part == "test":
        _same_counts(record, found.counts["probability"])
    index = setting.data.index["file"].to_numpy()
    return Predictions(
        index[found.positions], found.logits, setting.data.masks[found.positions]
    )


def _same_counts(record: RunRecord, counts: np.ndarray) -> None:
    """Refuse counts at probability 0.5 that are not those of the record."""
    table = record.images[record.images["threshold"] == "probability"]
    stored = table[["tp", "fp", "fn", "tn"]].to_numpy()
    differ = len(stored)
    if stored.shape == counts.shape:
        half = record.config["execution"]["keep_weights"] == "half"
        allowed = HALF_CLOSE if half else CLOSE
        off = np.abs(stored - counts).max(1) > allowed * stored.sum(1)
        differ = int(off.sum())
    if differ:
        raise ValueError(
            f"{record.folder}: {differ} of {len(stored)} test images are not predicted"
            " as the record says; is the data set the same?"
        )
