"""Run by itself in a process of its own, since an import of torch may end it."""

from __future__ import annotations

import json
import warnings


def facts() -> dict:
    """Versions of torch and torchvision, and the GPUs that torch can use."""
    import torch

    found = {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "threads": torch.get_num_threads(),
        "available": torch.cuda.is_available(),
        "gpus": [],
        "architectures": [],
    }
    if found["available"]:
        found["architectures"] = torch.cuda.get_arch_list()
        for i in range(torch.cuda.device_count()):
            gpu = torch.cuda.get_device_properties(i)
            capability = [gpu.major, gpu.minor]
            facts = {"name": gpu.name, "bytes": gpu.total_memory}
            found["gpus"].append(facts | {"capability": capability})
    return found


def partner() -> dict[str, str]:
    """The version of torchvision, or why it cannot be imported."""
    try:
        import torchvision
    except Exception as error:  # noqa: BLE001 - a wrong pair raises RuntimeError
        return {"torchvision_error": f"{type(error).__name__}: {error}"}
    return {"torchvision": torchvision.__version__}


if __name__ == "__main__":
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = facts()
    found["said"] = [str(warning.message) for warning in said]
    print(json.dumps(found | partner()))
