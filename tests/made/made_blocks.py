"""A network of two blocks with every kind of state, and what its training leaves."""

from __future__ import annotations

import torch
from torch import nn

from lesionkit.training.recomputing import recompute


class Drift(nn.Module):
    """Features times a buffer that a forward pass moves, as spectral norm has it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("level", torch.ones(()))

    def forward(self, features):
        self.level.mul_(1.5)
        return features * self.level.clone()  # a second forward pass may move it


class Block(nn.Module):
    """Every kind of state: running statistics, their count, a buffer, random numbers.

    Takes a list and a name, gives a tuple.
    """

    def __init__(self, channels):
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1),
            nn.BatchNorm2d(8, momentum=None),  # a mean over all batches: it counts them
            nn.ReLU(inplace=True),
            nn.Dropout(0.3),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            Drift(),
        )

    def forward(self, images, *, skip):
        features = self.convs(sum(images)) + skip
        return features, features.mean((2, 3))


class MadeNet(nn.Module):
    """Two blocks between a convolution and a head, as in no catalogue."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.steps = nn.ModuleList([Block(8), Block(8)])
        self.output = nn.Conv2d(8, 1, 1)

    def forward(self, image):
        features, means = self.first(image), []
        for step in self.steps:
            given = [features, features.square()]
            features, mean = step(given, skip=features)
            given.clear()  # a recomputation has the list as it was
            means.append(mean.mean())
        return self.output(features) + sum(means)


def made():
    """The made network with the first weights of seed 0."""
    torch.manual_seed(0)
    return MadeNet().train()


def made_recomputing():
    """The same network, of which both blocks recompute."""
    model = made()
    recompute(model)
    return model


def batch(count=2, side=16):
    """Random images."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, side, side, generator=generator)


def supervised(model, image):
    """The weighted sum over what a network is trained on."""
    if not hasattr(model, "supervised"):
        return model(image).float().square().mean()
    heads = model.supervised(image)
    return sum(weight * logits.float().square().mean() for weight, logits in heads)


def after_training(model, image, *, steps=2, dtype=torch.float32):
    """The bytes of all that some Adam steps leave behind, by name."""
    torch.manual_seed(2)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    found = {}
    for step in range(steps):
        with torch.autocast("cpu", dtype, enabled=dtype is torch.bfloat16):
            loss = supervised(model, image)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found[f"loss {step}"] = loss.detach()
        for key, parameter in model.named_parameters():
            found[f"gradient {step} {key}"] = parameter.grad.clone()
    found |= model.state_dict() | {"random state": torch.get_rng_state()}
    return {key: value.numpy().tobytes() for key, value in found.items()}


def differing(one, other):
    """Names under which two trainings left other bits."""
    assert one.keys() == other.keys()
    return [key for key in one if one[key] != other[key]]


def saved_bytes(model, image, forward=supervised):
    """Bytes that a forward pass keeps for backward, parameters and buffers left out."""
    own = [*model.parameters(), *model.buffers()]
    own = {tensor.untyped_storage().data_ptr() for tensor in own}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        alive = forward(model, image)  # what it keeps lives as long as this
    assert alive.requires_grad
    return sum(size for place, size in kept.items() if place not in own)
