"""Run by itself in a process of its own, since an import of torch may end it."""

from __future__ import annotations

import json
import warnings


def facts() -> dict:
    """Versions of torch and torchvision, and the GPUs that torch can use."""
    import torch

    available = torch.cuda.is_available()
    found = {
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
    try:
        import torchvision
    except Exception as error:  # noqa: BLE001 - a wrong pair raises RuntimeError
        return found | {"torchvision_error": f"{type(error).__name__}: {error}"}
    return found | {"torchvision": torchvision.__version__}


if __name__ == "__main__":
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = facts()
    print(json.dumps(found | {"said": [str(warning.message) for warning in said]}))
