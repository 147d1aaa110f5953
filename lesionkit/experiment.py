"""A RunConfig to a finished run record: the only place where names become objects."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from lesionkit import checkpoint, evaluation, runs
from lesionkit.config import RunConfig
from lesionkit.datasets.preparing import open_data
from lesionkit.environment import begin_session, end_session
from lesionkit.loading import Batches
from lesionkit.losses import build_loss
from lesionkit.models import build_model
from lesionkit.prepared import Prepared
from lesionkit.runs import RunRecord
from lesionkit.splits import PARTS, Split, split
from lesionkit.storing import WITHOUT_LESION, Content, store
from lesionkit.training import Progress, Rules, can_compile, train

LOSS_OPTIONS = ("alpha", "gamma", "beta", "sums", "smooth", "focal_form", "alpha_form")


@dataclass(frozen=True)
class Setting:
    """Everything a training needs, built from a config."""

    config: RunConfig  # resolved
    data: Prepared
    parts: Split
    batches: dict[str, Batches]
    model: nn.Module
    loss: nn.Module
    optimizer: torch.optim.Optimizer


def run(config: RunConfig, *, progress: bool = True) -> RunRecord:
    """The finished record of a run: trained, gone on with, or found finished.

    A run that was interrupted goes on after the last stored epoch and ends with the
    same bits as one that was not (same machine, versions, device and threads).

    Args:
        config: the run's parameters.
        progress: whether to show a bar over the epochs.

    Raises:
        FileNotFoundError: the data set is not prepared; the text says how.
        ValueError: a combination that does not exist, another run's folder, or a
            finished record that was changed.
        BlockingIOError: another process is training this run.
        FloatingPointError: the loss became infinite or NaN.
    """
    if (config.folder / "DONE").exists():
        return _finished(config)
    with execution(config):
        setting = build(config)
        folder = runs.start(config)
        with runs.claim(folder):
            if not runs.is_done(folder):  # another process may have just ended it
                _train_and_store(setting, folder, progress)
    return RunRecord(folder)


def _finished(config: RunConfig) -> RunRecord:
    """The record that is there, or an error if it is not as it was sealed."""
    folder = runs.start(config)
    wrong = runs.problems(folder, hashes=False)
    if wrong:
        raise ValueError(f"{wrong[0]}; to train this run again, move {folder} away")
    return RunRecord(folder)


def build(config: RunConfig) -> Setting:
    """Data, model, loss and optimiser of a run, seeded; nothing is written."""
    config = config.resolved()
    options = {name: getattr(config, name) for name in LOSS_OPTIONS}
    loss = build_loss(config.loss, definition=config.definition, **options)
    data = open_data(config.dataset, config.size, resize=config.resize)
    parts = split(data, kind=config.split, seed=config.split_seed)
    device = torch.device(_device(config))
    checkpoint.seed_everything(config.init_seed)
    model = build_model(
        config.model,
        in_channels=data.images.shape[-1],
        variant=config.variant,
        pretrained=config.pretrained,
    ).to(device)
    optimizer = torch.optim.Adam(
        model.parameters(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,  # one pass over the weights; at small sizes half of a CPU step
    )
    batches = {
        name: Batches(data, where, batch_size=config.batch_size, device=device)
        for name, where in scored_positions(config, data, parts).items()
    }
    return Setting(config, data, parts, batches, model, loss.to(device), optimizer)


def scored_positions(
    config: RunConfig, data: Prepared, parts: Split
) -> dict[str, np.ndarray]:
    """The images of train, validation and test, and of the tests without lesion.

    With `without_lesion` "apart" an image whose mask is empty at this size is in none
    of the three; those of the test part are scored apart.

    Raises:
        ValueError: a part is left without an image.
    """
    found = {name: parts.part(name) for name in PARTS}
    if config.without_lesion == "apart":
        lesion = {n: data.masks[where].any((1, 2)) for n, where in found.items()}
        apart = found["test"][~lesion["test"]]
        found = {name: where[lesion[name]] for name, where in found.items()}
        if len(apart):
            found[WITHOUT_LESION] = apart
    for name, where in found.items():
        if not len(where):
            raise ValueError(f"{data.name}: no image with a lesion in the {name} part")
    return found


def _device(config: RunConfig) -> str:
    """The device that "auto" stands for, or an error if there is none such."""
    if config.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device cuda: no CUDA device is here; take -p device auto")
    return config.device


@contextmanager
def execution(config: RunConfig) -> Iterator[None]:
    """Threads and deterministic kernels as the config says, and back afterwards."""
    config = config.resolved()
    threads = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    filling = torch.utils.deterministic.fill_uninitialized_memory
    # cuBLAS reads this before its first call
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(config.threads or threads)
    torch.use_deterministic_algorithms(config.deterministic, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # only for debugging
    torch.backends.cudnn.benchmark = False
    try:
        with warnings.catch_warnings():
            # PyTorch counts it as not repeatable since two values may meet at one
            # place; those of a pooling without overlap never do
            warnings.filterwarnings("ignore", "max_unpooling2d")
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
        torch.utils.deterministic.fill_uninitialized_memory = filling


def _train_and_store(setting: Setting, folder: Path, show: bool) -> None:
    """Train from where the run stands and write its record."""
    config, validation = setting.config, setting.batches["validation"]
    device = next(setting.model.parameters()).device
    rules = Rules(
        epochs=config.epochs,
        patience=config.patience,
        stop_rule=config.stop_rule,
        seed=config.init_seed,
        dtype=config.dtype,
        deep_supervision=config.deep_supervision,
        compile=config.compile and can_compile(device),
        scored_epoch=config.scored_epoch,
    )
    how = {"scoring": config.scoring, "dtype": config.dtype}
    start = _resume(setting, folder)
    began = begin_session(folder, device, start.epoch, compiled=rules.compile)
    bar = _bar(config, start) if show else None
    trained = train(
        setting.model,
        setting.loss,
        setting.optimizer,
        setting.batches["train"],
        lambda model: evaluation.validation_dice(model, validation, **how),
        rules=rules,
        progress=start,
        on_epoch=_epoch_end(setting, folder, bar),
    )
    if bar is not None:
        bar.close()
    setting.model.load_state_dict(trained.best_weights)
    found = {
        name: evaluation.evaluate(setting.model, setting.batches[name], **how)
        for name in setting.batches
        if name != "train"
    }
    content = Content(config, setting.data, setting.parts, setting.batches)
    store(folder, content, trained, found)
    end_session(folder, began, trained.epoch)
    runs.finish(folder)


def _epoch_end(
    setting: Setting, folder: Path, bar: tqdm | None
) -> Callable[[Progress], None]:
    """What happens after an epoch: the bar moves, the state is kept now and then."""
    last = time.monotonic()

    def on_epoch(progress: Progress) -> None:
        nonlocal last
        if bar is not None:
            dice = progress.history[-1]["validation_dice"]
            bar.set_postfix_str(f"validation Dice {dice:.3f}", refresh=False)
            bar.update()
        if time.monotonic() - last >= setting.config.save_seconds:
            state = checkpoint.capture(
                setting.model, setting.optimizer, vars(progress).copy()
            )
            runs.save_state(folder, state)
            last = time.monotonic()

    return on_epoch


def _resume(setting: Setting, folder: Path) -> Progress:
    """Set the model to the newest whole stored state; the progress of that epoch."""
    for name, content in runs.load_states(folder):
        try:
            stored = checkpoint.restore(content, setting.model, setting.optimizer)
        except ValueError as error:
            print(f"{folder / name}: {error}; going back further", file=sys.stderr)
            continue
        return Progress(**stored)
    return Progress()


def _bar(config: RunConfig, start: Progress) -> tqdm:
    """A plain bar over the epochs; it writes at most every two seconds."""
    in_notebook = "ipykernel" in sys.modules
    return tqdm(
        total=config.epochs,
        initial=start.epoch,
        desc=f"{config.dataset} {config.model} {config.loss} repeat {config.repeat}",
        unit="epoch",
        mininterval=2.0,
        file=sys.stdout if in_notebook else sys.stderr,
    )
