"""Data for training: digits, MNIST, CIFAR-10, as standardised tensors in memory, and the bits of `bit_flipping`.

Every channel is shifted and scaled to mean 0 and variance 1 over the training images, or every pixel to mean 0 and then
every channel to variance 1; the same numbers are applied to the test images. The validation images are a share of the
training images on which a method may base decisions; the test images are for reporting only. MNIST and CIFAR-10 come
from files (`neurondeath fetch`), digits from scikit-learn.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from neurondeath.simulations.inputs.image_files import read_images, read_labels
from neurondeath_theory.foundation.validation import check_choice, check_count, check_flag, check_real, invalid
from neurondeath_torch.training.bit_flipping import BITS, N_TEST, N_TRAIN, bit_examples

__all__ = ["DATA_SETS", "WITHOUT_FILES", "LabelledData", "Split", "load_labelled_data", "n_outputs", "shape_of"]

DATA_SETS = ("digits", "mnist", "cifar10", "bits")
WITHOUT_FILES = ("digits", "bits")
SHAPES = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "cifar10": (3, 32, 32), "bits": (1, 1, BITS)}
N_CLASSES = 10
DIGITS_TEST_SHARE = 0.2
SPLIT_SEED = 20_07_06192  # selects the test images of the digits, the same in all runs


@dataclass(frozen=True)
class Split:
    """Images and their classes.

    Attributes
    ----------
    images : float32 tensor, shape (n, channels, rows, columns)
        Standardised.
    classes : int64 tensor, shape (n,)
        From 0 to n_classes - 1; of "bits" the targets, a float32 tensor.
    """

    images: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    def to(self, device: torch.device) -> "Split":
        """Return the split on a device."""
        return Split(self.images.to(device), self.classes.to(device))


@dataclass(frozen=True)
class LabelledData:
    """A data set in three parts; `validation` may be empty."""

    name: str
    train: Split
    validation: Split
    test: Split
    n_classes: int = N_CLASSES

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns of an image."""
        channels, rows, columns = self.train.images.shape[1:]
        return int(channels), int(rows), int(columns)

    def to(self, device: torch.device) -> "LabelledData":
        """Return the data on a device."""
        return LabelledData(
            self.name, self.train.to(device), self.validation.to(device), self.test.to(device), self.n_classes
        )


def load_labelled_data(
    name: str,
    *,
    n_train: int | None = None,
    n_test: int | None = None,
    validation: float = 0.0,
    centre: bool = False,
    data_dir: str | Path | None = None,
    seed: int = 0,
) -> LabelledData:
    """Load a data set.

    Parameters
    ----------
    name : {"digits", "mnist", "cifar10", "bits"}
        The data set; "bits" are those of the first task of the bit-flipping problem.
    n_train, n_test : int, optional
        Number of images, chosen at random by the seed; all by default (of "bits" 10,000 and 1000).
    validation : float
        Share of the training images, in [0, 1), set aside for decisions during training.
    centre : bool
        Subtract the mean training image from all images; by default the mean of every channel.
    data_dir : path, optional
        Folder of the MNIST or CIFAR-10 files; by default the environment variable NEURONDEATH_DATA.
    seed : int
        Seed of the choice of images and of the validation share.

    Returns
    -------
    LabelledData
        The data, on the CPU.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, files are missing or damaged, or there are fewer images than requested.

    Examples
    --------
    >>> data = load_labelled_data("digits", n_train=100, validation=0.2)
    >>> len(data.train), len(data.validation), len(data.test), data.shape
    (80, 20, 360, (1, 8, 8))
    """
    check_choice("data", name, DATA_SETS)
    centre = check_flag("centre", centre)
    validation = check_real("validation", validation, low=0.0, high=1.0, high_open=True)
    rng = np.random.default_rng(check_count("seed", seed, least=0))
    if name == "bits":
        if centre:
            raise invalid("centre", "be left out for bits, which are no images", centre)
        return _bits(check_count("n_train", n_train or N_TRAIN), check_count("n_test", n_test or N_TEST), validation)
    (train_pixels, train_classes), (test_pixels, test_classes) = _read(name, data_dir)
    chosen = _choose("n_train", n_train, len(train_classes), rng)
    tested = np.sort(_choose("n_test", n_test, len(test_classes), rng))
    n_validation = round(validation * len(chosen))
    if n_validation == len(chosen):
        raise invalid("validation", "leave an image for training", validation, "ask for more images or a smaller share")
    fitted = chosen[n_validation:]
    mean, spread = _scale(train_pixels[fitted].reshape(-1, *SHAPES[name]), centre=centre)

    def split(pixels: npt.NDArray[Any], classes: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> Split:
        images = pixels[rows].astype(np.float32).reshape(-1, *SHAPES[name])
        return Split(torch.from_numpy((images - mean) / spread), torch.from_numpy(classes[rows].astype(np.int64)))

    return LabelledData(
        name,
        split(train_pixels, train_classes, fitted),
        split(train_pixels, train_classes, chosen[:n_validation]),
        split(test_pixels, test_classes, tested),
    )


def shape_of(name: str) -> tuple[int, int, int]:
    """Return channels, rows and columns of the images of a data set.

    Examples
    --------
    >>> shape_of("mnist"), shape_of("bits")
    ((1, 28, 28), (1, 1, 21))
    """
    return SHAPES[check_choice("data", name, DATA_SETS)]


def n_outputs(name: str) -> int:
    """Return the number of outputs of a network for a data set: one per class, or one number.

    Examples
    --------
    >>> n_outputs("mnist"), n_outputs("bits")
    (10, 1)
    """
    return 1 if check_choice("data", name, DATA_SETS) == "bits" else N_CLASSES


Labelled = tuple[npt.NDArray[Any], npt.NDArray[Any]]


def _bits(n_train: int, n_test: int, validation: float) -> LabelledData:
    n_validation = round(validation * n_train)
    if n_validation == n_train:
        raise invalid("validation", "leave an example for training", validation, "ask for more or a smaller share")
    sizes = {"train": n_train - n_validation, "validation": n_validation, "test": n_test}
    splits = {name: Split(*bit_examples(n, seed=0, task=0, purpose=name)) for name, n in sizes.items()}
    return LabelledData("bits", **splits, n_classes=1)


def _read(name: str, data_dir: str | Path | None) -> tuple[Labelled, Labelled]:
    if name == "digits":
        return _read_digits()
    parts = [
        (
            read_images(name, data_dir, split=split, name="data_dir"),
            read_labels(name, data_dir, split=split, name="data_dir"),
        )
        for split in ("train", "test")
    ]
    for pixels, classes in parts:
        if len(pixels) != len(classes):
            counts = f"{len(pixels)} images and {len(classes)} labels"
            raise invalid("data_dir", "hold as many labels as images", counts, "fetch the files again")
    return parts[0], parts[1]


def _read_digits() -> tuple[Labelled, Labelled]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    train, test = train_test_split(
        np.arange(len(digits.target)), test_size=DIGITS_TEST_SHARE, random_state=SPLIT_SEED, stratify=digits.target
    )
    return (digits.data[train], digits.target[train]), (digits.data[test], digits.target[test])


def _choose(name: str, size: int | None, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Choose images at random, in random order."""
    order = rng.permutation(count)
    if size is None:
        return order
    size = check_count(name, size)
    if size > count:
        raise invalid(name, f"be at most {count}, the images there are", size)
    return order[:size]


def _scale(images: npt.NDArray[Any], *, centre: bool) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Compute the mean of every channel or pixel, and the standard deviation of every channel around it.

    Parameters
    ----------
    images : array, shape (n, channels, rows, columns)
        The training images.
    centre : bool
        The mean of every pixel.

    Returns
    -------
    mean, spread : float32 arrays, of shapes (channels, rows or 1, columns or 1) and (channels, 1, 1)
    """
    n, _, rows, columns = images.shape
    mean = images.mean(axis=0 if centre else (0, 2, 3), keepdims=True, dtype=np.float64)[0]
    square = np.einsum("icrk,icrk->c", images, images, dtype=np.float64) / (n * rows * columns)
    spread = np.sqrt(np.maximum(square - np.mean(mean**2, axis=(1, 2)), 0.0))
    spread[spread == 0.0] = 1.0
    return mean.astype(np.float32), spread.astype(np.float32)[:, None, None]
