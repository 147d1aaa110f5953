"""Everything an exact resume needs, as bytes that prove themselves whole."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_map

_MARK = b"lesionkit-state-1\n"
_DIGEST = 64 + 1  # hex and a line end
NUMPY_STATE = ("kind", "keys", "position", "has_gauss", "gauss")


def pack(state: dict[str, Any]) -> memoryview:
    """The state as bytes: a mark, the SHA-256 of what follows, then torch's format."""
    stream = io.BytesIO()
    start = stream.write(_MARK + b"0" * (_DIGEST - 1) + b"\n")
    torch.save(state, stream)
    content = stream.getbuffer()  # in place: a state is several times the weights
    digest = hashlib.sha256(content[start:]).hexdigest().encode()
    content[len(_MARK) : start - 1] = digest
    return content


def unpack(content: bytes | memoryview) -> dict[str, Any]:
    """The state that `pack` made, on the CPU.

    Raises:
        ValueError: a byte is missing or changed. (torch alone loads a tensor with a
            flipped byte without a word.)
    """
    content = memoryview(content)
    start = len(_MARK) + _DIGEST
    digest = hashlib.sha256(content[start:]).hexdigest().encode()
    if bytes(content[:start]) != _MARK + digest + b"\n":
        raise ValueError("the stored state is damaged: its hash does not match")
    stream = io.BytesIO(content[start:])
    return torch.load(stream, map_location="cpu", weights_only=True)


CPU = torch.device("cpu")


def random_states(device: torch.device = CPU) -> dict[str, Any]:
    """The random generators' states, in types that the safe loader accepts.

    Of the GPUs that of the run's own device alone: another one may be away when the
    run goes on.
    """
    # its five parts, which numpy's stubs tell from the dict by no overload
    state: Any = np.random.get_state()  # noqa: NPY002
    numpy = dict(zip(NUMPY_STATE, state, strict=True))
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        **device_state(device),
        "numpy": numpy | {"keys": torch.from_numpy(numpy["keys"].astype(np.int64))},
        "python": {"version": version, "internal": list(internal), "gauss": gauss},
    }


def device_state(device: torch.device) -> dict[str, list[torch.Tensor]]:
    """The state of a GPU's generator, under the kind of the device."""
    states: dict[str, list[torch.Tensor]] = {"cuda": []}
    if device.type == "cuda":
        states["cuda"] = [torch.cuda.get_rng_state(device)]
    if device.type == "mps":
        states["mps"] = [torch.mps.get_rng_state()]
    return states


def restore_random_states(states: dict[str, Any], device: torch.device = CPU) -> None:
    """Set the random generators of the CPU and of the run's device to where they were.

    Older states hold one of every GPU that was visible, by number.
    """
    torch.set_rng_state(states["torch"])
    kept = states.get(device.type)
    if device.type == "cuda" and kept:
        number = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.set_rng_state(kept[number if number < len(kept) else 0], device)
    if device.type == "mps" and kept:
        torch.mps.set_rng_state(kept[0])
    stored = states["numpy"]
    stored = stored | {"keys": stored["keys"].numpy().astype(np.uint32)}
    np.random.set_state(tuple(stored[name] for name in NUMPY_STATE))  # noqa: NPY002
    stored = states["python"]
    random.setstate((stored["version"], tuple(stored["internal"]), stored["gauss"]))


def seed_everything(seed: int) -> None:
    """Start all random generators from one seed."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)


def capture(
    model: nn.Module, optimizer: torch.optim.Optimizer, progress: dict[str, Any]
) -> dict[str, Any]:
    """Model, optimiser, progress and random states, as they are at this moment.

    Tensors that training goes on to change are copied where they lie; `pack` may then
    turn them into bytes in a thread of its own.
    """
    moving = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    copied = tree_map(lambda v: v.clone() if torch.is_tensor(v) else v, moving)
    still = tree_map(lambda v: v, progress)  # lists and dicts of its own
    return copied | {"progress": still, "random": random_states(device_of(model))}


def device_of(model: nn.Module) -> torch.device:
    """Where a model lies."""
    return next((p.device for p in model.parameters()), CPU)


def leaving(state: dict[str, Any], device: torch.device) -> Callable[[], dict]:
    """What gives the state on the CPU, in any thread, beside a training that goes on.

    From a GPU it is copied on a stream of its own, through pinned memory: on the stream
    of the training it would wait for all that is queued there. Call this where the
    state was captured.
    """
    if device.type != "cuda":
        return lambda: state
    captured = torch.cuda.Event()
    captured.record()  # of the stream of the training, where the copies were made

    def copied() -> dict[str, Any]:
        stream = torch.cuda.Stream(device)
        stream.wait_event(captured)
        with torch.cuda.stream(stream):
            there = tree_map(
                lambda v: v.to("cpu", non_blocking=True) if torch.is_tensor(v) else v,
                state,
            )
        stream.synchronize()  # until then nothing of the state may be freed
        return there

    return copied


def restore(
    content: bytes | memoryview, model: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Set model, optimiser and random states as captured; the progress is returned.

    Raises:
        ValueError: the bytes are damaged.
    """
    state = unpack(content)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    restore_random_states(state["random"], device_of(model))
    return state["progress"]
