"""Names to objects: data, model, loss, optimiser and step of a run."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from lesionkit import lookup
from lesionkit.catalogue import own
from lesionkit.config import Resolved, RunConfig
from lesionkit.losses import build_loss, build_own
from lesionkit.models import build_model
from lesionkit.prepared import Prepared
from lesionkit.prepared.loading import FORMATS, Batches
from lesionkit.prepared.preparing import open_data
from lesionkit.splits import PARTS, Split, split
from lesionkit.training import checkpoint, evaluation, graphs
from lesionkit.training.execution import device_of, optimizer_class
from lesionkit.training.graphs import Graph, GraphedStep
from lesionkit.training.loop import Augment, unchanged
from lesionkit.training.recomputing import recompute
from lesionkit.training.schedule import Schedule
from lesionkit.training.step import Step, can_compile

WITHOUT_LESION = "test_without_lesion"  # the part of images scored apart
LOSS_OPTIONS = ("alpha", "gamma", "beta", "sums", "smooth", "focal_form", "alpha_form")


@dataclass(frozen=True)
class Setting:
    """Everything a training needs, built from a config."""

    config: Resolved
    data: Prepared
    parts: Split
    batches: dict[str, Batches]
    model: nn.Module
    loss: nn.Module
    optimizer: torch.optim.Optimizer
    augment: Augment
    schedule: Schedule
    kept: graphs.Kept | None = None  # for the next run of this process, where it pays

    @property
    def device(self) -> torch.device:
        return self.batches["train"].device

    @property
    def scoring(self) -> dict[str, Any]:
        """How a model is scored, as the functions of `evaluation` take it."""
        return {"scoring": self.config.scoring, "dtype": self.config.dtype}


def build(config: RunConfig, *, again: bool = False) -> Setting:
    """Data, model, loss, optimiser and what changes in training; nothing is written.

    Args:
        again: go on with the step that the last run of this process left, if it fits.

    Raises:
        FileNotFoundError: the data set is not prepared; the text says how.
        ValueError: a combination that does not exist.
    """
    config = config.resolved()
    loss = loss_of(config)
    data = open_data(config.dataset, config.size, resize=config.resize)
    if data.ignore:
        loss = loss_of(config, ignore=True)
    parts = split(data, kind=config.split, seed=config.split_seed)
    device = device_of(config)
    key = graphs.key_of(config, data, device) if again else None
    kept = graphs.take(key) if again else None  # freed before memory is asked for
    checkpoint.seed_everything(config.init_seed)
    network = build_model(
        own.with_file(config.model, config.model_file),
        in_channels=data.images.shape[-1],
        variant=config.variant,
        pretrained=config.pretrained,
        options=config.model_options,
        code=config.model_code,
    )
    if kept:
        kept.restart(network)
    else:
        kept = _parts(config, network, loss, device, key or "")
    schedule = Schedule(
        kept.optimizer,
        config.learning_rate,
        kind=config.schedule,
        warmup=config.warmup * config.epochs,
        epochs=config.epochs,
        tensor=kept.rate,
    )
    batches = {
        name: Batches(
            data,
            where,
            batch_size=config.batch_size,
            device=device,
            loader=config.loader,
            memory_format=config.memory_format,
            normalise=config.normalise,
        )
        for name, where in scored_positions(config, data, parts).items()
    }
    return Setting(
        config,
        data,
        parts,
        batches,
        kept.model,
        kept.loss,
        kept.optimizer,
        _augmentation(config),
        schedule,
        kept if key else None,
    )


def _parts(
    config: Resolved,
    network: nn.Module,
    loss: nn.Module,
    device: torch.device,
    key: str,
) -> graphs.Kept:
    """Network, loss and optimiser on the device."""
    model = network.to(device).to(memory_format=FORMATS[config.memory_format])
    if config.accumulate > 1:
        _refuse_batch_norm(config, model)
    if config.activation_checkpointing:
        recompute(model)
    captured = config.graphed and device.type == "cuda"
    optimizer = optimizer_class(config.optimizer)(
        model.parameters(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,  # one pass over the weights; at small sizes half of a CPU step
        capturable=captured,
    )
    # a graph reads the rate anew at each launch, from where it lies
    rate = torch.tensor(0.0, device=device) if captured else None
    return graphs.Kept(key, model, loss.to(device), optimizer, rate)


def _augmentation(config: Resolved) -> Augment:
    """What changes the training images; torchvision is imported for it alone."""
    if config.augment == "none":
        return unchanged
    make = lookup.resolve("lesionkit.training.augmentation:augmentation")
    return make(config.augment, config.init_seed)


def loss_of(config: Resolved, *, ignore: bool = False) -> nn.Module:
    """The loss of a run.

    Args:
        ignore: whether masks of the data set hold pixels that count neither way. No
            parameter of a run: the data set says it, and its fingerprint tells it.

    Raises:
        ValueError: a loss that cannot ignore pixels; an option that the loss does not
            have, or one with a parameter of its own; a file that was changed since the
            run was described.
        FileNotFoundError, ImportError: one's own loss is not there.
    """
    options = config.loss_options or {}
    if own.is_own(config.loss):
        name = own.with_file(config.loss, config.loss_file)
        return build_own(name, options, ignore=ignore, code=config.loss_code)
    for name in LOSS_OPTIONS:
        if name in options:
            raise ValueError(f"{name} is a parameter, not one of loss_options")
    stated = {name: getattr(config, name) for name in LOSS_OPTIONS}
    return build_loss(
        config.loss,
        definition=config.definition,
        ignore=ignore,
        **stated,
        **options,
    )


def _refuse_batch_norm(config: RunConfig, model: nn.Module) -> None:
    """Refuse to cut a batch that the network normalises as a whole."""
    kind = nn.modules.batchnorm._BatchNorm
    if any(isinstance(module, kind) for module in model.modules()):
        raise ValueError(
            f"accumulate cuts a batch into parts, and {config.model}"
            f" ({config.variant}) has batch normalisation, which sees each part alone;"
            " -p activation_checkpointing True saves memory with every network"
        )


def build_step(setting: Setting) -> Step | GraphedStep:
    """The step of a setting: plain, compiled or a CUDA graph, as it can be here."""
    kept = setting.kept
    if kept and kept.step is not None:
        return kept.step
    step = _new_step(setting)
    if kept:
        kept.step = step
    return step


def build_validation(
    setting: Setting, step: Step | GraphedStep
) -> Callable[[nn.Module], torch.Tensor]:
    """What scores the validation images of an epoch; a CUDA graph beside such a step.

    The graph reads the weights where they are trained, so it is captured once.
    """
    config, batches = setting.config, setting.batches["validation"]
    count = setting.kept.count if setting.kept else None
    if count is None:
        count = evaluation.counter(setting.model, config.dtype, ignore=batches.ignore)
        if isinstance(step, GraphedStep):
            count = Graph(count, what="validation", forget=step.again)
        if setting.kept:
            setting.kept.count = count
    scoring = config.scoring
    return lambda model: evaluation.validation_counts(
        model, batches, scoring=scoring, count=count
    )


def _new_step(setting: Setting) -> Step | GraphedStep:
    """A step that no run has had before."""
    config, device = setting.config, setting.device
    step = Step(
        setting.model,
        setting.loss,
        setting.optimizer,
        dtype=config.dtype,
        memory_format=config.memory_format,
        normalise=config.normalise,
        deep_supervision=config.deep_supervision,
        accumulate=config.accumulate,
        ignore=setting.data.ignore,
        compile=config.compile and can_compile(device),
    )
    if not config.graphed:
        return step
    if device.type == "cuda":
        return GraphedStep(step)
    kind = {"cpu": "a CPU"}.get(device.type, device.type)
    says = f"training runs without a CUDA graph: the device is {kind}"
    warnings.warn(says, stacklevel=2)
    return step


def scored_positions(
    config: RunConfig, data: Prepared, parts: Split
) -> dict[str, np.ndarray]:
    """The images of train, validation and test, and of the tests without lesion.

    With `without_lesion` "apart" an image whose mask is empty at this size is in none
    of the three; those of the test part are scored apart. An image that is ignored as
    a whole is in no part then.

    Raises:
        ValueError: a part is left without an image.
    """
    found, kind = {name: parts.part(name) for name in PARTS}, "image"
    if config.without_lesion == "apart":
        kind = "image with a lesion"
        lesion = {n: _have(data, w, 1) for n, w in found.items()}
        apart = found["test"][~lesion["test"]]
        if data.ignore:  # of an image that is ignored as a whole nobody knows it
            apart = apart[_have(data, apart, 0)]
        found = {name: where[lesion[name]] for name, where in found.items()}
        if len(apart):
            found[WITHOUT_LESION] = apart
    for name, where in found.items():
        if not len(where):
            raise ValueError(f"{data.name}: no {kind} in the {name} part")
    return found


def _have(data: Prepared, positions: np.ndarray, value: int) -> np.ndarray:
    """Whose masks hold a value somewhere, (N,) bool; one mask in memory at a time."""
    return np.array([(data.masks[i] == value).any() for i in positions], bool)
