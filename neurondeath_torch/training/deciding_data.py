"""The data on which a method decides, which change with the task."""

from collections.abc import Iterator

import torch
from torch import Tensor

from neurondeath_torch.training.labelled_data import LabelledData

__all__ = ["DecidingData"]

IMAGES_PER_BATCH = 1024


class DecidingData:
    """The first validation images of the present task, or its first training images if there are none.

    Parameters
    ----------
    data : LabelledData
        The data of the present task.
    n_images : int
        Number of images.
    """

    def __init__(self, data: LabelledData, n_images: int) -> None:
        self._n_images = n_images
        self.show(data)

    def show(self, data: LabelledData) -> None:
        """Replace the data by those of another task."""
        split = data.validation if len(data.validation) else data.train
        self.images, self.classes = split.images[: self._n_images], split.classes[: self._n_images]

    def __iter__(self) -> Iterator[Tensor]:
        yield from torch.split(self.images, IMAGES_PER_BATCH)
