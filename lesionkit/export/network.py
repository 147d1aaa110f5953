"""A run's trained network to a file for other programs, checked against the network.

model.onnx or model.pt2    pixels as integers in, logits out; the scaling is inside
model.onnx.json, ...       what goes in, what comes out, where it is from, the check
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from torch import nn

from lesionkit.catalogue import DATASETS
from lesionkit.export.formats import FORMATS, FromPixels, compare, graph_of
from lesionkit.extras import version
from lesionkit.lookup import find
from lesionkit.models import build_model, load_weights
from lesionkit.prepared import Prepared, open_prepared
from lesionkit.records.files import sha256, write_bytes, write_json
from lesionkit.records.runs import RunRecord, problems

IMAGES = 16  # looked at in the check


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
    record, folder = _finished(record), Path(folder)
    images, source = _images(record)
    model = FromPixels(network_of(record, images.shape[-1])).eval()
    facts = describe(record, images)
    graph = graph_of(model, images, f"{facts['network']} ({facts['variant']})")
    with TemporaryDirectory() as temporary:
        path = Path(temporary, f"model{made.suffix}")
        facts["made_with"] = made.save(graph, path, facts)
        facts["check"] = {
            "images_of": source,
            **compare(model, made.load(path), images),
        }
        facts |= {"file": path.name, "bytes": path.stat().st_size}
        facts["sha256"] = sha256(path)
        write_bytes(folder / path.name, path.read_bytes())
    write_json(folder / f"{path.name}.json", facts)
    return Exported(folder / path.name, facts)


def _finished(record: RunRecord | Path | str) -> RunRecord:
    """The record, once it is known to be whole and to have weights."""
    record = record if isinstance(record, RunRecord) else RunRecord(Path(record))
    if not (record.folder / "DONE").is_file():
        raise FileNotFoundError(f"{record.folder} is no finished run (no file DONE)")
    if not (record.folder / "best.safetensors").is_file():
        kept = record.config["execution"]["keep_weights"]
        raise FileNotFoundError(
            f"{record.folder} has no weights to export (keep_weights {kept}): train"
            " with -p keep_weights best"
        )
    if wrong := problems(record.folder):
        raise ValueError(f"{wrong[0]}; what is exported would not be that run's")
    return record


def prepared_of(record: RunRecord) -> Prepared | None:
    """The prepared set of a run, or None if it is not here or holds other images."""
    asked = record.identity
    try:
        data = open_prepared(asked["dataset"], asked["size"], resize=asked["resize"])
    except (FileNotFoundError, ValueError):
        return None
    same = data.fingerprint == record.metrics["data"]["fingerprint"]
    return data if same else None


def network_of(record: RunRecord, channels: int) -> nn.Module:
    """The network of a run with its trained weights, on the CPU, in float32."""
    asked = record.identity
    # the stored weights replace whatever a pretrained encoder would download
    network = build_model(
        asked["model"], variant=asked["variant"], in_channels=channels
    )
    load_weights(network, record.folder / "best.safetensors")
    return network


def _images(record: RunRecord) -> tuple[np.ndarray, str]:
    """Images to compare on, (N, H, W, C), and where they are from."""
    data = prepared_of(record)
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
        **_in_and_out(images, asked["resize"]),
        "threshold": {"rule": "probability", "cut": 0.5, "lesion_if": "logit >= 0"},
        "weights": kept if kept != "half" else "half (stored in half precision)",
        "trained_in": asked["dtype"],
        "lesionkit": version(),
    }


def _in_and_out(images: np.ndarray, resize: str) -> dict[str, Any]:
    """What goes into the file, what is done to it before, and what comes out."""
    _, height, width, channels = images.shape
    top = int(np.iinfo(images.dtype).max)
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
            "scaling": f"inside the file: divided by {top}",
        },
        "output": {
            "name": "logits",
            "dtype": "float32",
            "shape": ["N", 1, height, width],
            "meaning": "before the sigmoid, of the lesion",
        },
    }
