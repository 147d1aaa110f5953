"""Activations computed a second time in place of kept: training in less memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch.utils.checkpoint import checkpoint

LAYERS = 16  # a larger block keeps less, but all of it is back while it recomputes


def recompute(model: nn.Module) -> int:
    """Let blocks of a network drop their inner activations; how many blocks do.

    In training such a block keeps what goes into it, and its backward pass begins with
    a second forward pass of that block alone. Loss, gradients, buffers and the state of
    the random generators are the same in every bit as without: random numbers are
    drawn again from the same state, and running statistics move once. Names in the
    state dict stay. In eval mode and without gradients nothing changes.

    The blocks are the outermost modules with at most 16 layers that have parameters:
    a double conv, a residual block, a transformer block. Layers that a network calls
    one by one, as SegNet its encoder's, are in none and keep what they kept.

    What a block does besides is done twice: hooks on modules inside it, Python
    attributes that its forward changes. An argument that is changed in place between
    forward and backward is refused in backward, a change of mode as a rule too.
    torch.compile takes such a network and recomputes as well, with its own arithmetic;
    a captured CUDA graph was not tried. Where all layers hang on the network itself,
    there is no block.
    """
    blocks = set(_blocks(model))
    for block in blocks:
        block.forward = partial(_forward, block)
    return len(blocks)


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The outermost modules below this one that are blocks."""
    for child in module.children():
        if _is_block(child):
            yield child
        else:
            yield from _blocks(child)


def _is_block(module: nn.Module) -> bool:
    """Whether a module is called, has something to drop, and not too much of it."""
    if type(module).forward is nn.Module.forward:
        return False  # a ModuleList
    parts = [part for part in module.modules() if not isinstance(part, nn.Identity)]
    steps = sum(not any(part.children()) for part in parts)
    layers = sum(any(True for _ in p.parameters(recurse=False)) for p in parts)
    return steps > 1 and 0 < layers <= LAYERS


def _forward(block: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """What stands in for a block's own forward."""
    if not (block.training and torch.is_grad_enabled()):
        return type(block).forward(block, *args, **kwargs)
    # flat, so that torch refuses any tensor among them that is changed before backward
    leaves, tree = tree_flatten((args, kwargs))

    def forward(*leaves: Any) -> Any:
        args, kwargs = tree_unflatten(leaves, tree)
        return type(block).forward(block, *args, **kwargs)

    options = {"use_reentrant": False, "preserve_rng_state": True}
    if torch.compiler.is_compiling():  # writes no buffer twice, and takes no context
        return checkpoint(forward, *leaves, **options)
    # what surrounds the first forward pass, and what the second one
    return checkpoint(
        forward, *leaves, **options, context_fn=lambda: (nullcontext(), _Rewound(block))
    )


class _Rewound:
    """A context in which a block has copies of the buffers that it has now.

    What a second forward pass reads is what the first one read; what it writes is lost.
    It may be entered again: a backward pass that retains its graph recomputes again.
    """

    def __init__(self, block: nn.Module) -> None:
        self.modules = [part for part in block.modules() if part._buffers]
        self.before = [_copies(part._buffers) for part in self.modules]
        self.after: list[dict[str, Tensor | None]] = []

    def __enter__(self) -> None:
        self.after = [part._buffers for part in self.modules]
        for part, before in zip(self.modules, self.before, strict=True):
            part._buffers = _copies(before)

    def __exit__(self, *error: object) -> None:
        for part, after in zip(self.modules, self.after, strict=True):
            part._buffers = after


def _copies(buffers: dict[str, Tensor | None]) -> dict[str, Tensor | None]:
    """The same names with tensors of their own."""
    return {k: v if v is None else v.detach().clone() for k, v in buffers.items()}
