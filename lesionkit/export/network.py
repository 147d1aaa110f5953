"""A run's trained network to a file for other programs, checked against the network.

model.onnx or model.pt2    pixels as integers in, logits out; the scaling is inside
model.onnx.json, ...       what goes in, what comes out, where it is from, the check
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lesionkit.catalogue import DATASETS, own
from lesionkit.extras import install, version
from lesionkit.lookup import find, one_line
from lesionkit.masks import probability_mask
from lesionkit.models import build_model, load_weights
from lesionkit.prepared.loading import normalised, scales
from lesionkit.prepared.preparing import data_if_here
from lesionkit.records.files import sha256, write_bytes, write_json
from lesionkit.records.runs import RunRecord, finished

IMAGES = 16  # looked at in the check
TOLERANCE = 1e-4  # of the largest logit, or of 1: sums in another order differ by 1e-5
BATCH = 4


@dataclass(frozen=True)
class Exported:
    """An exported file, and what is known of it.

    Attributes:
        path: the file.
        facts: what stands in the JSON file beside it.
    """

    path: Path
    facts: dict[str, Any]


def export_model(
    record: RunRecord | Path | str, folder: Path | str, *, format: str = "onnx"
) -> Exported:
    """The trained network of a run as a file, loaded again and found to be the same.

    The batch is as large as one likes; height and width are those of the run, the only
    ones that its scores speak of. The file is compared with the network on test images
    of the run where its data set is prepared here, else on random pixels.

    Args:
        record: a finished run, or its folder.
        folder: where the file and its JSON go; made if it is not there.
        format: "onnx" (needs the extra onnx) or "torch" (torch.export's .pt2).

    Raises:
        FileNotFoundError: no finished run is there, or it kept no weights.
        ImportError: the format needs packages that are not installed.
        ValueError: no such format, a damaged record, a network that cannot be exported,
            or logits beyond TOLERANCE; then no file is left.
    """
    made = find("format", format, FORMATS)
    made.check()
    record, folder = with_weights(record, "export"), Path(folder)
    images, source = _images(record)
    network = network_of(record, images.shape[-1])
    model = FromPixels(network, record.identity["normalise"]).eval()
    facts = describe(record, images)
    graph = graph_of(model, images, f"{facts['network']} ({facts['variant']})")
    with TemporaryDirectory() as temporary:
        path = Path(temporary, f"model{made.suffix}")
        facts["made_with"] = made.save(graph, path, facts)
        facts["check"] = {"images_of": source}
        facts["check"] |= compare(model, made.load(path), images)
        facts |= {"file": path.name, "bytes": path.stat().st_size}
        facts["sha256"] = sha256(path)
        write_bytes(folder / path.name, path.read_bytes())
    write_json(folder / f"{path.name}.json", facts)
    return Exported(folder / path.name, facts)


def with_weights(record: RunRecord | Path | str, use: str) -> RunRecord:
    """A finished run that kept its weights, or a refusal that says what for.

    Raises:
        FileNotFoundError: no finished run is there, or it kept no weights.
        ValueError: a damaged record.
    """
    run = finished(record)
    if not (run.folder / "best.safetensors").is_file():
        kept = run.config["execution"]["keep_weights"]
        raise FileNotFoundError(
            f"{run.folder} has no weights to {use} (keep_weights {kept}): train"
            " with -p keep_weights best"
        )
    return run


def network_of(record: RunRecord, channels: int) -> nn.Module:
    """The network of a run with its trained weights, on the CPU, in float32."""
    asked = record.identity
    # the stored weights replace whatever a pretrained encoder would download
    network = build_model(
        own.with_file(asked["model"], record.own_files().get("model_file")),
        variant=asked["variant"],
        in_channels=channels,
        options=asked["model_options"],
        code=asked["model_code"],
    )
    load_weights(network, record.folder / "best.safetensors")
    return network


def _images(record: RunRecord) -> tuple[np.ndarray, str]:
    """Images to compare on, (N, H, W, C), and where they are from."""
    data = data_if_here(record)
    if data is None:
        known, side = DATASETS.get(record.identity["dataset"]), record.identity["size"]
        shape = (IMAGES, side, side, known.channels if known else 3)
        drawn = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        return drawn, "random pixels, seed 0: the data set is not prepared here"
    scored = record.images["file"].unique()
    where = np.flatnonzero(data.index["file"].isin(scored))[:IMAGES]
    return np.array(data.images[where]), f"the first test images of {data.name}"


def describe(record: RunRecord, images: np.ndarray) -> dict[str, Any]:
    """What a program has to know that runs the file."""
    asked, kept = record.identity, record.config["execution"]["keep_weights"]
    known = DATASETS.get(asked["dataset"])
    return {
        "run_id": record.config["run_id"],
        "dataset": asked["dataset"],
        "data_fingerprint": record.metrics["data"]["fingerprint"],
        "data_terms": known.licence if known else "yours",
        "network": asked["model"],
        "variant": asked["variant"],
        "loss": asked["loss"],
        "definition": asked["definition"],
        "classes": ["background", "lesion"],
        **_in_and_out(images, asked["resize"], asked["normalise"]),
        "threshold": {"rule": "probability", "cut": 0.5, "lesion_if": "logit >= 0"},
        "weights": kept if kept != "half" else "half (stored in half precision)",
        "trained_in": asked["dtype"],
        "lesionkit": version(),
    }


def _in_and_out(images: np.ndarray, resize: str, normalise: str) -> dict[str, Any]:
    """What goes into the file, what is done to it before, and what comes out."""
    _, height, width, channels = images.shape
    top = int(np.iinfo(images.dtype).max)
    scaling = f"inside the file: divided by {top}"
    if normalise == "imagenet":
        means, deviations = zip(*scales(channels), strict=True)
        scaling += f", less {means}, divided by {deviations}, channel by channel"
    return {
        "input": {
            "name": "image",
            "dtype": str(images.dtype),
            "shape": ["N", height, width, channels],
            "layout": "NHWC, " + ("RGB" if channels == 3 else "grey"),
            "values": f"0 to {top}, as decoded: do not scale them",
        },
        "preprocessing": {
            "resize": f"{resize} to {height} x {width}, aspect not kept:"
            " lesionkit.datasets.pictures.resizing.resize_image",
            "scaling": scaling,
        },
        "output": {
            "name": "logits",
            "dtype": "float32",
            "shape": ["N", 1, height, width],
            "meaning": "before the sigmoid, of the lesion",
        },
    }


class FromPixels(nn.Module):
    """A network that takes pixels as a picture file has them, and scales them itself.

    Args:
        network: image to logits.
        normalise: "unit" or "imagenet", as its run had it.

    Shape:
        image: (N, H, W, C) uint8 or uint16
        returns: (N, 1, H, W) float32, logits of the head used for inference
    """

    def __init__(self, network: nn.Module, normalise: str = "unit") -> None:
        super().__init__()
        self.network, self.normalise = network, normalise

    def forward(self, image: Tensor) -> Tensor:
        scaled = normalised(image, normalise=self.normalise)
        return self.network(scaled).float()


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
    return {"torch": torch.__version__, "onnx": version_of("onnx"), "opset": opset}


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
