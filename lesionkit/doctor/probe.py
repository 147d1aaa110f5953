"""Run by itself in a process of its own, since an import of torch may end it."""

from __future__ import annotations

import json
import time
import warnings
from typing import Any

FORMATS = {"contiguous": "contiguous_format", "channels_last": "channels_last"}
STEPS = 4  # of each way; the first one loads kernels and does not count


def facts() -> dict:
    """Versions of torch and torchvision, the GPUs that torch can use, or CPU speed."""
    import torch

    available = torch.cuda.is_available()
    found: dict[str, Any] = {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
        "available": available,
        "mps": torch.backends.mps.is_available(),
        "gpus": [],
        "architectures": torch.cuda.get_arch_list() if available else [],
    }
    for i in range(torch.cuda.device_count() if available else 0):
        gpu = torch.cuda.get_device_properties(i)
        capability = f"{gpu.major}.{gpu.minor}"
        card = {"name": gpu.name, "bytes": gpu.total_memory, "capability": capability}
        found["gpus"].append(card)
    if not available:
        try:
            found["step_seconds"] = step_seconds()
        except Exception as error:  # noqa: BLE001 - a torch that only imports
            found["step_error"] = f"{type(error).__name__}: {error}"
    try:
        import torchvision
    except Exception as error:  # noqa: BLE001 - a wrong pair raises RuntimeError
        return found | {"torchvision_error": f"{type(error).__name__}: {error}"}
    return found | {"torchvision": torchvision.__version__}


def step_seconds() -> dict[str, float]:
    """Processor seconds of a training step of two convolutions, by one thread.

    Returns:
        number format and order in memory, as RunConfig has them, to the least of three.
    """
    import torch
    from torch import nn

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = {}
    for dtype in ("float32", "bfloat16"):
        for order in ("contiguous", "channels_last"):
            parts = [nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU()]
            parts += [nn.Conv2d(64, 64, 3), nn.BatchNorm2d(64), nn.ReLU()]
            layout = getattr(torch, FORMATS[order])
            model = nn.Sequential(*parts).to(memory_format=layout)
            image = torch.rand(4, 3, 96, 96).to(memory_format=layout)
            taken = []
            for _ in range(STEPS):
                began = time.process_time()
                with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
                    value = model(image).float().mean()
                value.backward()
                taken.append(time.process_time() - began)
            found[f"{dtype} {order}"] = min(taken[1:])
    torch.set_num_threads(threads)
    return found


if __name__ == "__main__":
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = facts()
    print(json.dumps(found | {"said": [str(warning.message) for warning in said]}))
