"""The parameters of one run: names and numbers in, a checked RunConfig out.

Takes what the catalogue lists and what a protocol fills in; knows where data/ is.
Every room after this one may import it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionkit import lookup
from lesionkit.catalogue import DEFINITIONS, own
from lesionkit.catalogue.protocols import PROTOCOLS
from lesionkit.config import checks
from lesionkit.config.parameters import checked, choice, parameter, parameter_names
from lesionkit.config.places import (
    data_folder,
    named_folder,
    prepared_from,
    prepared_names,
    set_name,
)

__all__ = [
    "ADDED",
    "EXECUTION",
    "OWN_FILES",
    "PARAMETERS",
    "Resolved",
    "RunConfig",
    "data_folder",
    "manual",
    "named_folder",
    "parameters",
    "prepared_from",
    "prepared_names",
]


@dataclass(frozen=True)
class RunConfig:
    """The parameters of one run. None means: as the protocol (or definition) has it.

    Raises:
        ValueError: a name or a number that is not allowed; the text says what is.
        TypeError: a value of the wrong type.
    """

    loss: str = parameter(
        "ioufocal", str, "the loss: a name of lesionkit losses, or FILE.py:NAME"
    )
    model: str = parameter(
        "unet", str, "the network: a name of lesionkit models, or FILE.py:NAME"
    )
    dataset: str = parameter("toy", str, "the data set: a name of lesionkit datasets")
    protocol: str = parameter("demo", str, "the settings of a paper, or of practice")
    repeat: int = parameter(0, int, "which repetition, 0 to repeats - 1", low=0)
    definition: str | None = parameter(None, str, "which formula the focal term has")
    variant: str | None = parameter(None, str, "which exact network of that name")
    alpha: float | None = parameter(
        None, float, "focal term: weight of the lesion class", low=0, high=1
    )
    gamma: float | None = parameter(None, float, "focal term: focusing exponent", low=0)
    beta: float | None = parameter(
        None, float, "loss custom: weight of Dice", low=0, high=1
    )
    sums: str | None = choice(
        "region losses: sum over the batch or over each image", "batch", "image"
    )
    smooth: float | None = parameter(
        None, float, "region losses: added above and below the fraction", low=0
    )
    focal_form: str | None = choice(
        "focal term: of each pixel, or of the mean BCE", "pixel", "meanfirst"
    )
    alpha_form: str | None = choice(
        "focal term: weight by class, or one weight for all", "alpha_t", "constant"
    )
    pretrained: bool | None = parameter(
        None, bool, "start the encoder from published weights"
    )
    deep_supervision: bool | None = parameter(
        None, bool, "train on every output of the network"
    )
    size: int | None = parameter(None, int, "side of the images in pixels", low=8)
    resize: str | None = choice("how images are resized", "bilinear", "nearest")
    split: str | None = choice(
        "how images are split into train, validation and test",
        "image",
        "group",
        "lists",
        "group_v1",
    )
    split_seed: int | None = parameter(
        None, int, "seed of the split; if open, 42 + repeat", low=0
    )
    init_seed: int | None = parameter(
        None, int, "seed of weights and order; if open, 42 + repeat", low=0
    )
    repeats: int | None = parameter(None, int, "how many repetitions there are", low=1)
    batch_size: int | None = parameter(None, int, "images in a step", low=1)
    epochs: int | None = parameter(None, int, "train for at most so many epochs", low=1)
    patience: int | None = parameter(
        None, int, "stop after so many epochs without a better one", low=1
    )
    stop_rule: str | None = choice(
        "stop when patience is reached, one epoch later, or never",
        "at",
        "after",
        "never",
    )
    scored_epoch: str | None = choice(
        "score the weights of the best or of the last epoch", "best", "last"
    )
    without_lesion: str | None = choice(
        "score images without a lesion with the others, or apart", "kept", "apart"
    )
    optimizer: str | None = choice("the optimiser", "adam", "adamw")
    learning_rate: float | None = parameter(
        None, float, "step size of the optimiser", low=0
    )
    weight_decay: float | None = parameter(
        None, float, "Adam's L2 term, AdamW's decay of the weights", low=0
    )
    schedule: str | None = choice(
        "how the learning rate changes over the epochs", "constant", "cosine"
    )
    warmup: float | None = parameter(
        None,
        float,
        "share of the epochs in which the learning rate rises",
        low=0,
        high=1,
    )
    augment: str | None = choice(
        "random changes of the training images", "none", "flips", "full"
    )
    normalise: str | None = choice(
        "pixels divided by their largest value, or as for ImageNet", "unit", "imagenet"
    )
    scoring: str | None = choice(
        "score every image, or leave the last smaller batch out",
        "every_image",
        "full_batches",
    )
    dtype: str | None = choice(
        "number format of the network", "float32", "tf32", "bfloat16"
    )
    memory_format: str | None = choice(
        "order of the pixels in memory", "contiguous", "channels_last"
    )
    accumulate: int | None = parameter(
        None, int, "cut a batch into so many parts, to save memory", low=1
    )
    compile: bool | None = parameter(
        None, bool, "use torch.compile for network and loss"
    )
    graphed: bool | None = parameter(None, bool, "capture each step as a CUDA graph")
    deterministic: bool | None = parameter(None, bool, "use repeatable kernels alone")
    threads: int | None = parameter(None, int, "CPU threads; 0 takes all cores", low=0)
    device: str = choice("where to train", "auto", "cpu", "cuda", "mps", default="auto")
    keep_weights: str = choice(
        "weights in the record: full, in half precision, or none",
        "best",
        "half",
        "none",
        default="best",
    )
    save_seconds: float = parameter(
        30.0, float, "seconds between two saved states", low=0
    )
    loader: str = choice(
        "hold all images in memory, or read them batch by batch",
        "auto",
        "resident",
        "streamed",
        default="auto",
    )
    activation_checkpointing: bool = parameter(
        False, bool, "compute activations twice, to save memory"
    )
    track: str = choice(
        "log to one of these as well", "none", "tensorboard", "mlflow", default="none"
    )
    loss_options: dict | None = parameter(None, dict, "options of the loss, as JSON")
    model_options: dict | None = parameter(
        None, dict, "options of your own network, as JSON"
    )
    loss_code: str | None = parameter(
        None, str, "hash of your own loss; found by itself"
    )
    model_code: str | None = parameter(
        None, str, "hash of your own network; found by itself"
    )
    loss_file: str | None = parameter(
        None, str, "file of your own loss; found by itself"
    )
    model_file: str | None = parameter(
        None, str, "file of your own network; found by itself"
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "dataset", set_name(self.dataset))
        self._take_own("loss")
        self._take_own("model")
        for rule in fields(self):
            value = checked(rule.name, getattr(self, rule.name), rule.metadata)
            object.__setattr__(self, rule.name, value)
        checks.names(self)
        checks.network(self)
        checks.accumulate(self)
        checks.graphed(self)
        repeats = self.repeats or PROTOCOLS[self.protocol].settings["repeats"]
        if self.repeat >= repeats:
            raise ValueError(
                f"repeat must be 0 to {repeats - 1}, got {self.repeat}. "
                f"For more repetitions: -p repeats {max(12, self.repeat + 1)}"
            )

    def _take_own(self, kind: str) -> None:
        """Find the file of one's own loss or network, and its hash; run nothing.

        Where the file is not here any more, as of a record, its stated hash stands.
        """
        name, code = getattr(self, kind), getattr(self, f"{kind}_code")
        if not own.is_own(name):
            for extra in ("code", "file"):
                if getattr(self, f"{kind}_{extra}") is not None:
                    raise ValueError(f"{kind}_{extra} is only for a {kind} of your own")
            return
        place = own.reference(kind, name, getattr(self, f"{kind}_file"))
        object.__setattr__(self, kind, place.name)
        try:
            found = own.code_of(kind, place)
        except (FileNotFoundError, ModuleNotFoundError):
            if code is None:
                raise
            return
        if code is None or code == found:
            file = place.file and str(place.file)
            object.__setattr__(self, f"{kind}_code", found)
            object.__setattr__(self, f"{kind}_file", file)
        elif getattr(self, f"{kind}_file"):
            raise ValueError(f"{place.file} was changed: {found}, not {code}")

    def resolved(self) -> Resolved:
        """The same run with every open parameter filled in.

        What a loss has no use for (the alpha of IoU, say) stays None.
        """
        filled: Any = replace(self, **self._filled)
        return filled

    @cached_property
    def _filled(self) -> dict[str, Any]:
        """The open parameters with their values."""
        loss = own.find_loss(self.loss)
        open_values = checks.open_values_of(self)
        open_values |= dict.fromkeys(dict(loss.options))  # the name says them
        open_values["split_seed"] = open_values["init_seed"] = 42 + self.repeat
        if "focal" in (self.loss, *loss.parts):
            definition = DEFINITIONS[self.definition or open_values["definition"]]
            for name in ("alpha", "gamma", "focal_form", "alpha_form"):
                open_values[name] = definition[name]
        numbers = PROTOCOLS[self.protocol].losses.get(self.model, {})
        for name in LOSS_NUMBERS.get(self.loss, ()):
            if open_values.get(name) is None and name in numbers:
                open_values[name] = numbers[name]
        return {
            name: open_values.get(name)
            for name in PARAMETERS
            if getattr(self, name) is None
        }

    def identity(self) -> dict[str, Any]:
        """Every resolved parameter that can change the result, by name."""
        return dict(self._identity)

    @cached_property
    def _identity(self) -> dict[str, Any]:
        names = [name for name in PARAMETERS if name not in EXECUTION]
        filled = self._filled
        return {n: filled.get(n, getattr(self, n)) for n in names}

    @cached_property
    def run_id(self) -> str:
        """Where the record is below runs/: two different runs never share it.

        The last part carries eight hex digits of a hash when a parameter differs
        from the protocol's own.
        """
        mine, seed = self._identity, 42 + self.repeat
        stated = {"dataset": self.dataset, "repeat": self.repeat}
        stated |= {"split_seed": seed, "init_seed": seed}
        plain = _plain(self.loss, self.model, self.protocol, self.definition) | stated
        other = {name: value for name, value in mine.items() if value != plain[name]}
        last = f"repeat{self.repeat}"
        if other:
            if (split := other.get("split")) in HASHED_SPLITS:
                other["split"] = HASHED_SPLITS[split]
            text = json.dumps(other, sort_keys=True)
            last += "-" + hashlib.sha256(text.encode()).hexdigest()[:8]
        named = (part.replace(":", ".") for part in (self.model, self.loss))
        path = (self.protocol, self.dataset, *named, mine["definition"])
        return "/".join((*path, last))

    @property
    def folder(self) -> Path:
        """The folder of the run record."""
        return data_folder() / "runs" / self.run_id

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> RunConfig:
        """A config from names and values, refusing a name that is no parameter."""
        for name in values:
            if name not in PARAMETERS:
                raise lookup.unknown("parameter", name, PARAMETERS)
        return cls(**values)

    @classmethod
    @lookup.shown_in_a_line(ValueError, TypeError)
    def from_notebook(cls, namespace: Mapping[str, Any]) -> RunConfig:
        """The config a notebook's parameters describe.

        Judged are the names assigned in the parameters cell (a cell of annotated
        literals) and in the cell that papermill injects, which begins with
        "# Parameters"; anything defined elsewhere in the notebook is left alone.

        Args:
            namespace: the notebook's globals().

        Raises:
            ValueError: a misspelt parameter; the text gives the nearest right name.
            TypeError: a value of the wrong type.
        """
        names = parameter_names(namespace, PARAMETERS)
        return cls.from_mapping({name: namespace[name] for name in names})


PARAMETERS = [rule.name for rule in fields(RunConfig)]


@cache
def _plain(
    loss: str, model: str, protocol: str, definition: str | None
) -> dict[str, Any]:
    """The identity of a run that leaves everything to its protocol."""
    # one's own loss or network has no plain run: its hash always differs
    named = {"loss": "bce" if own.is_own(loss) else loss, "protocol": protocol}
    if not own.is_own(model):
        named["model"] = model
    plain = RunConfig(**named, definition=definition).identity()
    if own.is_own(model):
        plain |= {"variant": own.VARIANT, "size": PROTOCOLS[protocol].settings["size"]}
    return plain | {"loss": loss, "model": model}


# Parameters that came later, with what every record made before them had.
ADDED = {
    "deep_supervision": False,
    "compile": False,
    "scored_epoch": "best",
    "without_lesion": "kept",
    "memory_format": "contiguous",
    "accumulate": 1,
    "graphed": False,
    "optimizer": "adam",
    "schedule": "constant",
    "warmup": 0.0,
    "augment": "none",
    "normalise": "unit",
    "loss_options": None,
    "model_options": None,
    "loss_code": None,
    "model_code": None,
}
# How a split is written in the hash of run_id: records of format 1 say "group" for what
# is "group_v1" now, and their folders stay theirs.
HASHED_SPLITS = {"group": "group_v2", "group_v1": "group"}
# The numbers of paper B's losses, which its protocol has for each network.
LOSS_NUMBERS = {
    "balanced_bce": ("alpha",),
    "focal": ("alpha", "gamma"),
    "custom": ("alpha", "gamma", "beta"),
}
OWN_FILES = ("loss_file", "model_file")  # paths of this machine: no record has them
# Where and how a run is executed or stored; these do not change what is computed.
EXECUTION = (
    "repeats",
    "device",
    "keep_weights",
    "save_seconds",
    "loader",
    "activation_checkpointing",
    "track",
    *OWN_FILES,
)


if TYPE_CHECKING:

    class Resolved(RunConfig):
        """A RunConfig after `resolved()`: what every run has is not None.

        What depends on the loss stays as it is: alpha, gamma, beta and the two forms.
        """

        definition: str
        variant: str
        sums: str
        smooth: float
        pretrained: bool
        deep_supervision: bool
        size: int
        resize: str
        split: str
        split_seed: int
        init_seed: int
        repeats: int
        batch_size: int
        epochs: int
        patience: int
        stop_rule: str
        scored_epoch: str
        without_lesion: str
        optimizer: str
        learning_rate: float
        weight_decay: float
        schedule: str
        warmup: float
        augment: str
        normalise: str
        scoring: str
        dtype: str
        memory_format: str
        accumulate: int
        compile: bool
        graphed: bool
        deterministic: bool
        threads: int
else:
    Resolved = RunConfig  # to a checker alone they are two
