"""A model's name in, its network out: image to logits, built from the catalogue.

Every network is a file of its own, which opens with its paper; a block in it that names
no other source is of that paper. Takes tensors alone; training, export and commands
import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from lesionkit import lookup
from lesionkit.catalogue import own
from lesionkit.models.blocks import Network

__all__ = [
    "build_model",
    "load_weights",
]


def build_model(
    name: str,
    *,
    in_channels: int = 3,
    variant: str | None = None,
    pretrained: bool | str | Path = False,
    options: Mapping[str, Any] | None = None,
    code: str | None = None,
) -> Network:
    """The network of that name: `model(image)` gives logits at the image's size.

    `model.heads(image)` gives every head the network has as a list of logits, the
    one used for inference first, each at the size the network gives it. Both raise a
    ValueError that says what may be for an image with sides that it does not take.

    Args:
        name: a key of `lesionkit.catalogue.MODELS`; FILE.py:NAME or module:NAME is a
            network of one's own, whose code this runs.
        in_channels: channels of the image.
        variant: a variant of that model; None is the default, the first listed.
        pretrained: False for random weights; True for encoder weights from the
            library that publishes them; a path for a state dict of the whole model,
            `.safetensors` or what `torch.save` wrote of tensors alone.
        options: of one's own network.
        code: what the file of one's own network must be, see catalogue.own.load.

    Shape:
        image: (N, in_channels, H, W) float
        returns: (N, 1, H, W) float, logits

    Raises:
        ValueError: unknown name or variant; `in_channels` below 1; pretrained=True
            where there are no encoder weights; a file that does not fit the model.
        RuntimeError: the encoder weights could not be downloaded.
        FileNotFoundError: there is no weights file at that path.
        TypeError: `pretrained` is neither of these.
    """
    entry = own.find_model(name)
    variant = entry.default if variant is None else variant
    facts = lookup.find(f"variant of {name}", variant, entry.variants)
    if not isinstance(in_channels, int) or in_channels < 1:
        raise ValueError(f"in_channels must be an integer >= 1, got {in_channels!r}")
    if not isinstance(pretrained, (bool, str, Path)):
        raise TypeError(f"pretrained must be a bool or a path, got {pretrained!r}")
    if pretrained is True and facts.pretrained is None:
        raise ValueError(
            f"there are no pretrained encoder weights for {name}, variant {variant!r}:"
            " pretrained must be False or the path of a weights file"
        )
    if own.is_own(name):
        model: Network = own_network(name, in_channels, dict(options or {}), code)
    else:
        build = lookup.resolve(entry.target)
        model = build(variant, in_channels=in_channels, pretrained=pretrained is True)
    if isinstance(pretrained, (str, Path)):
        load_weights(model, Path(pretrained))
    return model


class OwnNetwork(Network):
    """A network of one's own, whose output is looked at.

    Raises:
        ValueError: it gives something else than logits (N, 1, H, W).
    """

    def __init__(self, name: str, network: nn.Module):
        super().__init__()
        self.name, self.network = name, network

    def forward(self, image: Tensor) -> Tensor:
        logits = self.network(image)
        wanted = (len(image), 1, *image.shape[2:])
        if not isinstance(logits, Tensor) or tuple(logits.shape) != wanted:
            shape = getattr(logits, "shape", None)
            found = tuple(shape) if shape is not None else type(logits).__name__
            raise ValueError(f"{self.name} must give logits {wanted}, got {found}")
        return logits


def own_network(
    name: str, in_channels: int, options: dict[str, Any], code: str | None
) -> OwnNetwork:
    """A network of one's own: a class or function, called with its options.

    It is given `in_channels` where it has a parameter of that name.
    """
    where = own.reference("model", name)
    found = own.load("model", where, code)
    if own.takes(found, "in_channels"):
        options = {"in_channels": in_channels} | options
    network = own.made("model", where, found, options)
    if not isinstance(network, nn.Module):
        kind = type(network).__name__
        raise ValueError(f"{where.name} must make a torch.nn.Module, got {kind}")
    return OwnNetwork(where.name, network)


def load_weights(model: nn.Module, path: Path) -> None:
    """Put the state dict of a local file into the model, every tensor of it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: unreadable, no state dict, or tensors missing, extra or misshapen.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no weights file {str(path)!r}")
    weights = _read_weights(path)
    own = model.state_dict()
    wrong = {
        "missing": sorted(own.keys() - weights.keys()),
        "unexpected": sorted(weights.keys() - own.keys()),
        "of another shape": [
            k for k in own if k in weights and own[k].shape != weights[k].shape
        ],
    }
    counted = [
        f"{len(keys)} tensors {what}, the first {keys[0]!r}"
        for what, keys in wrong.items()
        if keys
    ]
    if counted:
        raise ValueError(f"{path.name} does not fit the model: {'; '.join(counted)}")
    model.load_state_dict(weights)


def _read_weights(path: Path) -> dict[str, Tensor]:
    """The named tensors of a safetensors or torch file; runs no code of the file."""
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, EOFError, RuntimeError) as error:
        kind = type(error).__name__
        raise ValueError(f"{path.name} is no readable weights file ({kind})") from error
    if isinstance(weights, Mapping) and all(map(torch.is_tensor, weights.values())):
        return dict(weights)
    raise ValueError(f"{path.name} must hold a state dict: names to tensors, no more")
