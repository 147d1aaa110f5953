"""A network as ONNX or as torch.export's file, and how far that is from the network."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lesionkit.extras import install
from lesionkit.lookup import one_line
from lesionkit.masks import probability_mask
from lesionkit.prepared.loading import normalised

TOLERANCE = 1e-4  # of the largest logit, or of 1: sums in another order differ by 1e-5
BATCH = 4


class FromPixels(nn.Module):
    """A network that takes pixels as a picture file has them.

    Shape:
        image: (N, H, W, C) uint8 or uint16
        returns: (N, 1, H, W) float32, logits of the head used for inference
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network(normalised(image)).float()


def graph_of(
    model: nn.Module, images: np.ndarray, name: str
) -> torch.export.ExportedProgram:
    """The graph of a network, for any number of images.

    Args:
        model: images to logits.
        images: (N, H, W, C), of which two are the example.
        name: of the network, for what is said when it cannot be exported.

    Raises:
        ValueError: the network cannot be exported; the text begins as torch's.
    """
    example = torch.from_numpy(np.resize(images[:2], (2, *images.shape[1:])))
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch, about itself
            return torch.export.export(
                model, (example,), dynamic_shapes=({0: torch.export.Dim("N")},)
            )
    except Exception as error:  # noqa: BLE001 - whatever tracing meets in a network
        says = one_line(error, longest=200)
        raise ValueError(f"{name} cannot be exported: {says}") from error


def _save_torch(program: Any, path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write torch.export's own file, with the facts inside."""
    extra = {"lesionkit.json": json.dumps(facts)}
    torch.export.save(program, path, extra_files=extra)
    return {"torch": torch.__version__}


def _save_onnx(program: Any, path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write an ONNX file, with the facts inside."""
    names = {"input_names": ["image"], "output_names": ["logits"]}
    logging.getLogger("onnx_ir").setLevel(logging.ERROR)  # it tells of empty lists
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # with dynamo it always gives one, which the stub does not say
        made: Any = torch.onnx.export(program, dynamo=True, verbose=False, **names)
    made.model.metadata_props["lesionkit"] = json.dumps(facts)
    made.save(path, external_data=False)
    opset = made.model.opset_imports[""]
    return {"torch": torch.__version__, "onnx": version("onnx"), "opset": opset}


def import_onnx() -> Any:
    """onnxruntime, or how to get it.

    Raises:
        ImportError: a package of the extra is not installed.
    """
    try:
        import onnx  # noqa: F401 - what torch writes with
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        needs = f"the format onnx needs the extra: {install('onnx')}"
        raise ImportError(needs) from error
    return onnxruntime


def load_torch(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """A .pt2 file as a function from images to logits."""
    program = torch.export.load(path).module()
    return lambda images: program(torch.from_numpy(images)).detach().numpy()


def load_onnx(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """An ONNX file as a function from images to logits, on the CPU."""
    session = import_onnx().InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"image": images})[0]


@dataclass(frozen=True)
class Format:
    """One kind of file: how it ends, how it is written, how it is read again.

    `check` raises ImportError where a package for it is missing.
    """

    suffix: str
    save: Callable[[torch.export.ExportedProgram, Path, dict], dict[str, Any]]
    load: Callable[[Path], Callable[[np.ndarray], np.ndarray]]
    check: Callable[[], object] = lambda: None


FORMATS = {
    "onnx": Format(".onnx", _save_onnx, load_onnx, import_onnx),
    "torch": Format(".pt2", _save_torch, load_torch),
}


@torch.no_grad()
def compare(
    model: nn.Module,
    exported: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
) -> dict[str, Any]:
    """How far the exported logits are from the network's, and the masks of both.

    A batch of one image is run, then batches of several.

    Raises:
        ValueError: a shape differs, or a logit by more than TOLERANCE of the largest.
    """
    pairs = [
        (model(torch.from_numpy(some)), torch.from_numpy(exported(some)))
        for some in np.split(images, range(1, len(images), BATCH))
    ]
    if any(mine.shape != theirs.shape for mine, theirs in pairs):
        raise ValueError("exported logits have another shape than the network's")
    mine, theirs = (torch.cat(side) for side in zip(*pairs, strict=True))
    largest = float(mine.abs().max())
    limit = TOLERANCE * max(1.0, largest)
    worst = float((mine - theirs).abs().max())
    if not worst <= limit:  # NaN included
        raise ValueError(
            f"exported logits differ from the network's by up to {worst:.2g}, and"
            f" {limit:.2g} is allowed: no file is left"
        )
    differ = probability_mask(mine) != probability_mask(theirs)
    return {
        "images": len(mine),
        "largest_logit": largest,
        "largest_difference": worst,
        "allowed_difference": limit,
        "pixels": differ.numel(),
        "pixels_that_differ": int(differ.sum()),
    }
