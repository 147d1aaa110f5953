"""Images in, masks at their own size out, by the trained networks of runs.

An image is brought to the size of the run and scaled as its training images were. What
the network says is brought back to the image's own size, bilinear, and cut there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lesionkit import masks
from lesionkit.catalogue import DATASETS
from lesionkit.datasets.pictures.resizing import resize_image
from lesionkit.export.inputs import Item, items_of
from lesionkit.export.network import network_of, with_weights
from lesionkit.lookup import find, unknown
from lesionkit.metrics import counts, scores
from lesionkit.papers.threshold_study import best_validation_cut
from lesionkit.prepared.loading import normalised
from lesionkit.records.runs import RunRecord

Record = RunRecord | Path | str
RULES = ("probability", "raw_mean", "otsu", "best_validation")
BATCH = 8
HOUNSFIELD = ("ct_phantom", "lungct")  # sets whose images are windowed HU
OUTLINE = "#00ff00"  # seen on skin, tissue and grey alike


@dataclass(frozen=True)
class Prediction:
    """What the runs say of one image.

    Attributes:
        name: of the image: its path below the folder of all images, without ending.
        mask: (H, W) uint8 of 0 and 1.
        probability: (H, W) float32, mean over the runs, 0.5 where the rule cuts.
        spread: (H, W) float32, standard deviation of the runs' probabilities; 0 of one.
        image: (H, W, C) as it was read.
        truth: (H, W) uint8 of 0 and 1 where the image has a mask, 255 where a pixel is
            ignored; else None.
    """

    name: str
    mask: np.ndarray
    probability: np.ndarray
    spread: np.ndarray
    image: np.ndarray = field(repr=False)
    truth: np.ndarray | None = field(default=None, repr=False)

    def scores(self) -> dict[str, Any]:
        """tp, fp, fn, tn and the four metrics against `truth`; empty without it.

        Ignored pixels of `truth` are in none of them.
        """
        if self.truth is None:
            return {}
        found = counts(self.mask[None], self.truth[None], ignore=True)
        names = ("tp", "fp", "fn", "tn")
        several = scores(found)
        return dict(zip(names, found[0].tolist(), strict=True)) | {
            name: several[name] for name in ("dice", "iou", "precision", "recall")
        }


def predict(
    record: Record | Sequence[Record],
    images: Path | str | np.ndarray | Sequence[Path | str | np.ndarray],
    *,
    rule: str = "probability",
    device: str = "cpu",
) -> list[np.ndarray]:
    """The masks of images by the trained network of a run, or the vote of several.

    Args:
        record: a finished run or its folder; of several the mean probability counts.
        images: picture files, a folder of them, the folder of a CT series, a NIfTI
            file, or arrays (H, W, C) uint8 or uint16.
        rule: probability (at 0.5), raw_mean (the mean of an image's logits), otsu, or
            best_validation (the cut that was best on the run's validation images).
        device: of torch.

    Returns:
        A mask each, (H, W) uint8 of 0 and 1, at the image's own size; of a volume a
        mask a slice, from feet to head.

    Raises:
        FileNotFoundError: no finished run, no weights, or no picture there.
        ValueError: an unknown rule, a damaged record, or an image that cannot be read.
    """
    items = items_of(images)
    network = Ensemble.of(record, rule, device)
    return [found.mask for found in network.run(items)]


@dataclass(frozen=True)
class Member:
    """One run's network, and what it was trained on."""

    dataset: str
    network: nn.Module
    channels: int
    size: int
    resize: str
    normalise: str
    cut: Callable[[Tensor], Tensor]  # logits (N, 1, h, w) to the cut of each image
    tie: bool  # whether a logit at the cut is lesion


@dataclass(frozen=True)
class Ensemble:
    """One network or several, each cut by the rule, their probabilities averaged."""

    members: tuple[Member, ...]
    device: str = "cpu"
    title: str = ""  # what found the masks: network, loss and run of each

    @classmethod
    def of(
        cls, records: Record | Sequence[Record], rule: str, device: str = "cpu"
    ) -> Ensemble:
        """The networks of finished runs.

        Raises:
            FileNotFoundError, ValueError: as `predict`.
        """
        find("rule", rule, dict.fromkeys(RULES))
        _check_device(device)
        several = [records] if isinstance(records, RunRecord | Path | str) else records
        runs = [with_weights(each, "predict with") for each in several]
        members = tuple(_member(each, rule, device) for each in runs)
        return cls(members, device, ", ".join(each.config["run_id"] for each in runs))

    def logits(self, images: Sequence[np.ndarray]) -> list[list[Tensor]]:
        """Logits less the cut: of each network, of each image, (h, w) at its size.

        Shape:
            images: (H, W, C) each, uint8 or uint16
        """
        return [_shifted(member, images, self.device) for member in self.members]

    def _check(self, item: Item) -> None:
        """Refuse a slice of CT where a network was trained on something else."""
        if item.volume is None:
            return
        for member in self.members:
            if member.dataset in DATASETS and member.dataset not in HOUNSFIELD:
                raise ValueError(
                    f"{item.volume.name} is CT, and the run was trained on "
                    f"{member.dataset}: CT needs a run of {' or '.join(HOUNSFIELD)}"
                )

    def run(self, items: Iterable[Item]) -> Iterator[Prediction]:
        """What the networks say of each image, in order, read a few at a time."""
        waiting = iter(items)
        while batch := list(islice(waiting, BATCH)):
            for item in batch:
                self._check(item)
            read = [item.read() for item in batch]
            said = self.logits([image for image, _ in read])
            for place, (item, (image, truth)) in enumerate(
                zip(batch, read, strict=True)
            ):
                maps = [logits[place] for logits in said]  # (h, w) each
                tie = self.members[0].tie
                yield _prediction(item.name, image, truth, maps, tie=tie)


def _check_device(device: str) -> None:
    """Refuse a device that torch does not know, or that is not here."""
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise unknown("device", device, ("cpu", "cuda", "cuda:0", "mps")) from None
    here = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if not here.get(kind, lambda: True)():
        raise ValueError(f"device {device} is not here: ask lesionkit doctor why")


def _member(run: RunRecord, rule: str, device: str) -> Member:
    """The network of a run on a device, with its cut."""
    network, channels = _network(run)
    cuts: dict[str, Callable[[Tensor], Tensor]] = {
        "probability": lambda logits: torch.zeros(len(logits), dtype=torch.float64),
        "raw_mean": masks.raw_mean_cut,
        "otsu": masks.otsu_cut,
    }
    if rule == "best_validation":
        best = best_validation_cut(run)
        cuts[rule] = lambda logits: torch.full((len(logits),), best).double()
    asked = run.identity
    return Member(
        asked["dataset"],
        network.eval().to(device),
        channels,
        asked["size"],
        asked["resize"],
        asked["normalise"],
        cuts[rule],
        tie=rule in ("probability", "best_validation"),  # as masks has them
    )


def _network(run: RunRecord) -> tuple[nn.Module, int]:
    """The trained network, and how many channels it takes."""
    known = DATASETS.get(run.identity["dataset"])
    if known:
        return network_of(run, known.channels), known.channels
    try:
        return network_of(run, 3), 3
    except (RuntimeError, ValueError):  # the weights are of a grey set of one's own
        return network_of(run, 1), 1


def _shifted(member: Member, images: Sequence[np.ndarray], device: str) -> list[Tensor]:
    """Logits less the cut of each image, (h, w) each, on the CPU."""
    small = [_scaled(member, image) for image in images]
    with torch.inference_mode():
        batch = torch.cat(
            [
                normalised(torch.from_numpy(each[None]), normalise=member.normalise)
                for each in small
            ]
        )
        logits = member.network(batch.to(device)).float().cpu()
    return list(logits[:, 0].double() - member.cut(logits)[:, None, None])


def _scaled(member: Member, image: np.ndarray) -> np.ndarray:
    """An image at the size and with the channels that the run had."""
    found = resize_image(image, member.size, member.resize)
    if found.shape[2] < member.channels:
        return np.repeat(found, member.channels, axis=2)
    if found.shape[2] > member.channels:
        if (found == found[..., :1]).all():
            return found[..., :1]
        raise ValueError("the run was trained on grey images, this one has colours")
    return found


def _prediction(
    name: str,
    image: np.ndarray,
    truth: np.ndarray | None,
    maps: Sequence[Tensor],
    *,
    tie: bool,
) -> Prediction:
    """The vote of several runs on one image, at its own size."""
    size = image.shape[:2]
    at_size = [each if each.shape == size else _resized(each, size) for each in maps]
    several = torch.stack(at_size).sigmoid()  # (R, H, W)
    probability = several.mean(0)
    # of one run by the sign of its logits: a sigmoid rounds
    value = at_size[0] if len(at_size) == 1 else probability - 0.5
    marked = value >= 0 if tie else value > 0
    # of one run 0; torch takes longer over that than the network over the image
    apart = several[0] * 0 if len(at_size) == 1 else several.std(0, correction=0)
    return Prediction(
        name,
        marked.to(torch.uint8).numpy(),
        probability.float().numpy(),
        apart.float().numpy(),
        image,
        truth,
    )


def _resized(logits: Tensor, size: tuple[int, ...]) -> Tensor:
    """A map (h, w) at another size, bilinear."""
    return interpolate(logits[None, None], size, mode="bilinear")[0, 0]
