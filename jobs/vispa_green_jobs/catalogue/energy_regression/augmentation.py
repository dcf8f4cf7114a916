"""A shower turned, mirrored or shifted across its axis has the same energy: more images for nothing."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Augmentation:
    """The eight symmetries of a square of tiles, and shifts of up to so many tiles; what is shifted out is lost."""

    def __init__(self, cells: int, largest_shift: int | None) -> None:
        """Take ``None`` for no augmentation at all."""
        maps = _maps(cells, largest_shift or 0)
        self._maps = torch.from_numpy(maps[:1] if largest_shift is None else maps)

    def __len__(self) -> int:
        return len(self._maps)

    def __call__(self, images: Tensor) -> Tensor:
        """Return each image (events × layer × y × x) under a symmetry drawn with torch's generator."""
        return self.apply(images, torch.randint(len(self._maps), (len(images),)))

    def apply(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Return each image under the symmetry of this number; 0 changes nothing."""
        events, layers = images.shape[:2]
        # One more tile that is always empty: shifts take from there what lies outside.
        padded = torch.nn.functional.pad(images.reshape(events, layers, -1), (0, 1))
        source = self._maps[chosen][:, None, :].expand(-1, layers, -1)
        return padded.gather(2, source).reshape(images.shape)


def _maps(cells: int, largest_shift: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return, for each symmetry, from which tile each tile takes its content."""
    empty = cells * cells
    tiles = np.arange(empty, dtype=np.int64).reshape(cells, cells)
    turned = [np.rot90(start, turns) for start in (tiles, tiles.T) for turns in range(4)]
    shifts = sorted(range(-largest_shift, largest_shift + 1), key=abs)
    maps = []
    for down in shifts:
        for right in shifts:
            for square in turned:
                wide = np.pad(square, largest_shift, constant_values=empty)
                first, second = largest_shift + down, largest_shift + right
                maps.append(wide[first : first + cells, second : second + cells].ravel())
    return np.stack(maps)
