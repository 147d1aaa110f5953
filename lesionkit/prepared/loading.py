"""A prepared data set and a split to batches of tensors."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lesionkit.lookup import find
from lesionkit.prepared import Prepared
from lesionkit.prepared.memory import memory

LOADERS = {
    "auto": "resident where the arrays take less than half of the free memory",
    "resident": "the whole data set lies in the memory of the device",
    "streamed": "each batch is read from the prepared files and copied to the device",
}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
KEPT_BYTES = 4 << 30  # of data sets that stay for the next run of the same process
_kept: OrderedDict[tuple, Store] = OrderedDict()


@dataclass(frozen=True)
class Store:
    """The arrays of a data set as integers, where batches are taken from.

    Attributes:
        images: (N, H, W, C) uint8 or uint16.
        masks: (N, H, W) uint8 of 0 and 1, and 255 where a pixel is ignored.
        device: where batches go.
        resident: whether the arrays are tensors on that device, or memory maps.
    """

    images: Tensor | np.ndarray
    masks: Tensor | np.ndarray
    device: torch.device
    resident: bool

    @property
    def place(self) -> torch.device:
        """Where the positions of a batch must lie."""
        return self.device if self.resident else torch.device("cpu")

    def take(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, H, W, C) and masks (B, H, W) as integers on the device.

        The device is not waited for: a streamed batch goes through pinned memory.
        """
        return self._rows(self.images, chosen), self._rows(self.masks, chosen)

    def _rows(self, array: Tensor | np.ndarray, chosen: Tensor) -> Tensor:
        """The chosen rows of one array, on the device."""
        if isinstance(array, Tensor):
            return array.index_select(0, chosen)
        rows = torch.from_numpy(array[chosen.numpy()])
        if self.device.type != "cuda":
            return rows.to(self.device)
        return rows.pin_memory().to(self.device, non_blocking=True)


def open_store(data: Prepared, device: torch.device | str, loader: str) -> Store:
    """The arrays of a data set for one device; a process copies them there once.

    Args:
        data: an opened data set.
        device: where batches go.
        loader: one of LOADERS.

    Raises:
        ValueError: no such loader.
    """
    find("loader", loader, LOADERS)
    device = torch.device(device)
    size = data.images.nbytes + data.masks.nbytes
    hashes = data.manifest["sha256"]
    key = (str(data.folder), hashes["images.npy"], hashes["masks.npy"], str(device))
    if loader == "auto":
        fits = key in _kept or size < free_bytes(device) // 2
        loader = "resident" if fits else "streamed"
    if loader == "streamed":
        return Store(data.images, data.masks, device, resident=False)
    if key not in _kept:
        # a copy: a memory map is read-only, and its pages may be thrown out
        images, masks = (
            torch.from_numpy(np.array(a)).to(device) for a in (data.images, data.masks)
        )
        _kept[key] = Store(images, masks, device, resident=True)
    _kept.move_to_end(key)
    store = _kept[key]
    _drop_oldest()
    return store


def _drop_oldest() -> None:
    """Keep the data sets used last, within KEPT_BYTES, and always the newest."""
    sizes = {key: s.images.nbytes + s.masks.nbytes for key, s in _kept.items()}
    while len(_kept) > 1 and sum(sizes.values()) > KEPT_BYTES:
        key, _ = _kept.popitem(last=False)
        del sizes[key]


def free_bytes(device: torch.device) -> int:
    """Memory of the device that is free now; of a container what it has left."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return memory().free


# Mean and standard deviation of a channel in [0, 1], red, green, blue, over ImageNet.
# Every published encoder of the kit was trained on pixels scaled by them: timm says so
# of its weights, and SegFormer's code of MiT's. Of a grey image the means of both
# count, as timm has it.
IMAGENET = ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
IMAGENET_GREY = (sum(m for m, _ in IMAGENET) / 3, sum(s for _, s in IMAGENET) / 3)


def normalised(
    images: Tensor, *, normalise: str, memory_format: str = "contiguous"
) -> Tensor:
    """Integers as the network of a run takes them, by that run's `normalise`.

    Args:
        images: of a data set or of a picture file.
        normalise: "unit" divides by the largest value of the type (255 or 65,535), no
            more; "imagenet" then takes IMAGENET's mean off and divides by its
            deviation.
        memory_format: "contiguous" or "channels_last".

    Shape:
        images: (B, H, W, C) uint8 or uint16
        returns: (B, C, H, W) float32, in memory as `memory_format` says
    """
    scale = float(torch.iinfo(images.dtype).max)
    image = images.permute(0, 3, 1, 2)  # in memory this is channels last
    if memory_format == "contiguous":
        image = image.contiguous()
    image = image.float() / scale
    if normalise == "unit":
        return image
    # no tensors of constants: to copy one to a GPU makes the host wait
    planes = [
        (plane - mean) / deviation
        for plane, (mean, deviation) in zip(
            image.unbind(1), scales(image.shape[1]), strict=True
        )
    ]
    return torch.stack(planes, 1).contiguous(memory_format=FORMATS[memory_format])


def scales(channels: int) -> tuple[tuple[float, float], ...]:
    """Mean and deviation over ImageNet of 1 or 3 channels."""
    return (IMAGENET_GREY,) if channels == 1 else IMAGENET


class Batches:
    """The images of one part of a split, given out in batches.

    Shuffling is a permutation that depends on (seed, epoch) alone, so an interrupted
    training continues with the batches it would have had.

    Args:
        data: an opened data set.
        positions: which images, by their position in the arrays.
        batch_size: images in a batch.
        device: where the tensors of a batch live.
        loader: one of LOADERS; all give the same bits.
        memory_format: "contiguous" or "channels_last", of the images.
        normalise: "unit" or "imagenet", as `normalised` has it.

    Shape:
        a batch: image (B, C, H, W) float32, mask (B, 1, H, W) bool, or uint8 with 255
            for ignored pixels if the set has some (`ignore`),
            positions (B,) int64 in the arrays of the data set
    """

    def __init__(
        self,
        data: Prepared,
        positions: np.ndarray,
        *,
        batch_size: int,
        device: torch.device | str = "cpu",
        loader: str = "resident",
        memory_format: str = "contiguous",
        normalise: str = "unit",
    ) -> None:
        self.store = open_store(data, device, loader)
        self.ignore = data.ignore
        self.positions = torch.as_tensor(np.array(positions))
        self.batch_size = batch_size
        self.device = torch.device(device)
        self.memory_format, self.normalise = memory_format, normalise

    def __len__(self) -> int:
        return len(self.positions)

    def order(self, seed: int, epoch: int) -> tuple[Tensor, ...]:
        """The positions of every batch of an epoch, where the store wants them.

        Every image comes once. The last batch is kept even if it is smaller; a last
        batch of one image joins the one before, because batch normalisation cannot
        train on one value.
        """
        order = np.random.default_rng([seed, epoch]).permutation(len(self))
        edges = list(range(self.batch_size, len(order), self.batch_size))
        if edges and len(order) - edges[-1] == 1:
            edges.pop()
        chosen = self.positions[torch.as_tensor(order)].to(self.store.place)
        return chosen.tensor_split(edges)

    def shuffled(self, seed: int, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Every image once, in the order of (seed, epoch)."""
        for chosen in self.order(seed, epoch):
            yield (*self.batch(chosen), chosen.cpu())

    def in_order(self, scoring: str = "every_image") -> Iterator[tuple[Tensor, ...]]:
        """Every image once, in the order of the split.

        Args:
            scoring: "full_batches" leaves an incomplete last batch out, as the public
                re-run of paper A does; "every_image" leaves nothing out.
        """
        scored = self.positions[: self.scored(scoring)]
        there = scored.to(self.store.place).split(self.batch_size)
        for here, chosen in zip(scored.split(self.batch_size), there, strict=True):
            yield (*self.batch(chosen), here)

    def scored(self, scoring: str) -> int:
        """How many images `in_order` gives out."""
        full = len(self) // self.batch_size * self.batch_size
        return full if scoring == "full_batches" and full else len(self)

    def batch(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Image and mask of the chosen positions."""
        images, masks = self.store.take(chosen)
        image = normalised(
            images, normalise=self.normalise, memory_format=self.memory_format
        )
        return image, masks[:, None] if self.ignore else masks[:, None].bool()
