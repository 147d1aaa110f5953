"""How fast a training goes, against what the device could do at most."""

from __future__ import annotations

import sys
import time
from typing import Any

import torch

# Dense peak of one GPU in FLOP/s by a part of its name, from the makers' data sheets.
PEAKS = {
    "H200": {"bfloat16": 989e12, "tf32": 494e12, "float32": 67e12},
    "H100 PCIe": {"bfloat16": 756e12, "tf32": 378e12, "float32": 51e12},
    "H100": {"bfloat16": 989e12, "tf32": 494e12, "float32": 67e12},
    "A100": {"bfloat16": 312e12, "tf32": 156e12, "float32": 19.5e12},
    "L40S": {"bfloat16": 362e12, "tf32": 183e12, "float32": 91.6e12},
    "RTX 4090": {"bfloat16": 165e12, "tf32": 82.6e12, "float32": 82.6e12},
    "RTX 3090": {"bfloat16": 71e12, "tf32": 35.6e12, "float32": 35.6e12},
    "V100": {"float32": 15.7e12},
    "T4": {"float32": 8.1e12},
}


def peak_flops(device: torch.device, dtype: str) -> float | None:
    """The most that the device can do, or None where no data sheet is at hand."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    for part, peaks in PEAKS.items():
        if part in name:
            return peaks.get(dtype)
    return None


class Meter:
    """The speed of the epochs of one session.

    An image costs 2 FLOP a MAC to look at and three times that to train on. The MACs
    are those of the catalogue at 224 x 224, by area at another size.

    Args:
        trained, validated: images of an epoch.
        gmacs: forward, of one image at the size that is trained.
        device: where it runs.
        dtype: of the arithmetic.
    """

    def __init__(
        self,
        *,
        trained: int,
        validated: int,
        gmacs: float,
        device: torch.device,
        dtype: str,
    ) -> None:
        self.trained, self.validated, self.gmacs = trained, validated, gmacs
        self.device, self.peak = device, peak_flops(device, dtype)
        self.seconds: list[float] = []
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self.last = time.perf_counter()

    def epoch(self) -> None:
        """Note the end of an epoch; the device has been waited for."""
        now = time.perf_counter()
        self.seconds.append(now - self.last)
        self.last = now

    def facts(self) -> dict[str, Any]:
        """For the run record; the first epoch, which loads and compiles, is left out.

        Returns:
            epoch_seconds (median), images_per_second (trained images over the whole
            epoch, its validation included), mfu (model FLOP utilisation, None where
            the peak is unknown), peak_memory_bytes (of the GPU, else of the process).
        """
        later = sorted(self.seconds[1:] or self.seconds)
        facts: dict[str, Any] = {"peak_memory_bytes": peak_memory(self.device)}
        if not later:
            return facts
        seconds = later[len(later) // 2]
        flop = 2e9 * self.gmacs * (3 * self.trained + self.validated)
        return facts | {
            "epoch_seconds": round(seconds, 4),
            "images_per_second": round(self.trained / seconds, 2),
            "mfu": round(flop / seconds / self.peak, 4) if self.peak else None,
        }


def peak_memory(device: torch.device) -> int | None:
    """The most memory in use so far: of the GPU, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows does not tell it
        return None
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * (1 if sys.platform == "darwin" else 1024)
