"""Batches in an order that depends only on the seed and the epoch, so that a resumed run uses the same batches."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from neurondeath_torch.training.labelled_data import Split
from neurondeath_torch.training.random_seeds import seed_of

__all__ = ["epoch_batches", "n_batches"]

SHIFT_SHARE = 8  # images are shifted by up to 1/8 of their sides


def n_batches(n_images: int, batch_size: int) -> int:
    """Count the batches of an epoch, the last one possibly smaller.

    Examples
    --------
    >>> n_batches(100, 64)
    2
    """
    return -(-n_images // batch_size)


def epoch_batches(
    split: Split, batch_size: int, *, seed: int, epoch: int, shift: bool = False, mirror: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the shuffled batches of an epoch.

    Parameters
    ----------
    split : Split
        The images.
    batch_size : int
        Images per batch.
    seed, epoch : int
        Determine the order and the augmentation.
    shift : bool
        Whether to shift every image by up to 1/8 of its sides, padded with zeros.
    mirror : bool
        Whether to mirror each image with probability 1/2.
    """
    generator = torch.Generator().manual_seed(seed_of(seed, epoch, "batches"))
    order = torch.randperm(len(split), generator=generator)
    for start in range(0, len(order), batch_size):
        picked = order[start : start + batch_size].to(split.classes.device)
        images = split.images[picked]
        if shift:
            images = _shifted(images, generator)
        if mirror:
            turned = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
            images = torch.where(turned[:, None, None, None], images.flip(-1), images)
        yield images, split.classes[picked]


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    n, _, rows, columns = images.shape
    down, right = rows // SHIFT_SHARE, columns // SHIFT_SHARE
    padded = F.pad(images, (right, right, down, down))
    tops = torch.randint(2 * down + 1, (n,), generator=generator).to(images.device)
    lefts = torch.randint(2 * right + 1, (n,), generator=generator).to(images.device)
    row = tops[:, None] + torch.arange(rows, device=images.device)
    column = lefts[:, None] + torch.arange(columns, device=images.device)
    which = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[which, row[:, :, None], column[:, None, :]].permute(0, 3, 1, 2).contiguous()
