"""A prepared data set and a split to batches of tensors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from lesionkit.prepared import Prepared


class Batches:
    """The images of one part of a split, resident as integers, given out in batches.

    An image is divided by the largest value of its type (255 or 65,535) and nothing
    else. Shuffling is a permutation that depends on (seed, epoch) alone, so an
    interrupted training continues with the batches it would have had.

    Args:
        data: an opened data set.
        positions: which images, by their position in the arrays.
        batch_size: images in a batch.
        device: where the tensors live.

    Shape:
        a batch: image (B, C, H, W) float32 in [0, 1], mask (B, 1, H, W) float32 of
        0 and 1, positions (B,) int64 in the arrays of the data set
    """

    def __init__(
        self,
        data: Prepared,
        positions: np.ndarray,
        *,
        batch_size: int,
        device: torch.device | str = "cpu",
    ) -> None:
        images = np.ascontiguousarray(data.images[positions].transpose(0, 3, 1, 2))
        self.scale = float(np.iinfo(images.dtype).max)
        self.images = torch.from_numpy(images).to(device)
        self.masks = torch.from_numpy(data.masks[positions][:, None]).to(device)
        self.positions = torch.as_tensor(np.asarray(positions))
        self.batch_size = batch_size
        self.device = device

    def __len__(self) -> int:
        return len(self.positions)

    def shuffled(self, seed: int, epoch: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Every image once, in the order of (seed, epoch).

        The last batch is kept even if it is smaller; a last batch of one image joins
        the one before, because batch normalisation cannot train on one value.
        """
        order = np.random.default_rng([seed, epoch]).permutation(len(self))
        edges = list(range(self.batch_size, len(order), self.batch_size))
        if edges and len(order) - edges[-1] == 1:
            edges.pop()
        for part in np.split(order, edges):
            yield self._batch(torch.as_tensor(part))

    def in_order(
        self, scoring: str = "every_image"
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        """Every image once, in the order of the split.

        Args:
            scoring: "full_batches" leaves an incomplete last batch out, as the public
                re-run of paper A does; "every_image" leaves nothing out.
        """
        for start in range(0, self.scored(scoring), self.batch_size):
            stop = min(start + self.batch_size, len(self))
            yield self._batch(torch.arange(start, stop))

    def scored(self, scoring: str) -> int:
        """How many images `in_order` gives out."""
        full = len(self) // self.batch_size * self.batch_size
        return full if scoring == "full_batches" and full else len(self)

    def _batch(self, chosen: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Image, mask and positions of the chosen images."""
        there = chosen.to(self.device)
        image = self.images.index_select(0, there).float() / self.scale
        mask = self.masks.index_select(0, there).float()
        return image, mask, self.positions[chosen]
