"""The data of each task of a sequence, made from the data of an experiment; see `task_choice` for the kinds.

A task depends on the seed of the run, the seed of the tasks and its number only, so that a resumed run meets the same
tasks, and runs of one seed that differ in the method or the optimiser meet the same tasks too.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.training.bit_flipping import bit_examples
from neurondeath_torch.training.labelled_data import LabelledData, Split
from neurondeath_torch.training.random_seeds import seed_of
from neurondeath_torch.training.task_choice import TasksChoice

__all__ = ["TaskSequence"]

LEARNED_BY_HEART = ("random-labels",)  # kinds whose test images cannot be predicted


class TaskSequence:
    """The tasks of a run.

    Parameters
    ----------
    choice : TasksChoice
        The kind and number of tasks.
    data : LabelledData
        The experiment's data, on the device of the run.
    seed : int
        Seed of the run.
    epochs : int
        Passes over the images of each task.

    Raises
    ------
    InvalidArgumentError
        If a class that a task would add has no image.

    Examples
    --------
    >>> from neurondeath_torch.training.labelled_data import load_labelled_data
    >>> tasks = TasksChoice(kind="class-incremental", number=5)
    >>> sequence = TaskSequence(tasks, load_labelled_data("digits"), seed=0, epochs=2)
    >>> [len(sequence.data_of(task).train.classes.unique()) for task in range(5)]
    [2, 4, 6, 8, 10]
    >>> [sequence.task_at(epoch) for epoch in range(6)]
    [0, 0, 0, 1, 1, 2]
    """

    def __init__(self, choice: TasksChoice, data: LabelledData, *, seed: int, epochs: int) -> None:
        self.choice, self._data, self._seed, self.epochs = choice, data, seed, epochs
        self.number = choice.number or 1
        self._kept: dict[int, LabelledData] = {}  # the present task and the one before
        if choice.kind == "class-incremental":
            _check_classes(data)

    def task_at(self, epoch: int) -> int:
        """Return the task of an epoch; epoch 0 is before the training of task 0."""
        return min(max(epoch - 1, 0) // self.epochs, self.number - 1)

    def starts_task(self, epoch: int) -> bool:
        """Whether an epoch is the first of a task other than the first task."""
        return epoch > 1 and self.task_at(epoch) != self.task_at(epoch - 1)

    def data_of(self, task: int) -> LabelledData:
        """Return the data of a task."""
        if not self.choice.given:
            return self._data
        if task not in self._kept:
            self._kept = {number: data for number, data in self._kept.items() if abs(number - task) <= 1}
            self._kept[task] = self._made(task)
        return self._kept[task]

    def scored(self, task: int) -> Split:
        """Return the images whose accuracy is that of a task: of random labels those of training, else of the test."""
        data = self.data_of(task)
        return data.train if self.choice.kind in LEARNED_BY_HEART else data.test

    def _made(self, task: int) -> LabelledData:
        make = {
            "permuted-images": self._permuted,
            "random-labels": self._relabelled,
            "class-incremental": self._with_classes,
            "bit-flipping": self._flipped,
        }[self.choice.kind]
        return make(task)

    def _generator(self, task: int, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(self._seed, task, f"{purpose} {self.choice.seed}"))

    def _permuted(self, task: int) -> LabelledData:
        _, rows, columns = self._data.shape
        order = torch.randperm(rows * columns, generator=self._generator(task, "permutation"))
        order = order.to(self._data.train.images.device)

        def permuted(split: Split) -> Split:
            return Split(split.images.flatten(2)[:, :, order].view_as(split.images), split.classes)

        return self._each(permuted)

    def _relabelled(self, task: int) -> LabelledData:
        generator = self._generator(task, "labels")

        def relabelled(split: Split) -> Split:
            drawn = torch.randint(self._data.n_classes, (len(split),), generator=generator)
            return Split(split.images, drawn.to(split.classes.device))

        return self._each(relabelled)

    def _with_classes(self, task: int) -> LabelledData:
        order = torch.randperm(self._data.n_classes, generator=self._generator(0, "classes"))
        order = order.to(self._data.train.classes.device)
        added = self.choice.added
        seen = order[: added * (task + 1)]
        learned = seen if self.choice.keep else seen[-added:]
        return replace(
            self._data,
            train=_of_classes(self._data.train, learned),
            validation=_of_classes(self._data.validation, learned),
            test=_of_classes(self._data.test, seen),
        )

    def _flipped(self, task: int) -> LabelledData:
        seed = seed_of(self._seed, self.choice.seed, "bit-flipping") >> 1
        device = self._data.train.images.device

        def drawn(split: Split, purpose: str) -> Split:
            return Split(*bit_examples(len(split), seed=seed, task=task, purpose=purpose)).to(device)

        data = self._data
        return replace(
            data,
            train=drawn(data.train, "train"),
            validation=drawn(data.validation, "validation"),
            test=drawn(data.test, "test"),
        )

    def _each(self, change: Callable[[Split], Split]) -> LabelledData:
        return replace(
            self._data,
            train=change(self._data.train),
            validation=change(self._data.validation),
            test=change(self._data.test),
        )


def _check_classes(data: LabelledData) -> None:
    for name, split in (("n_train", data.train), ("n_test", data.test)):
        n_found = len(set(split.classes.tolist()))
        if n_found < data.n_classes:
            rule = f"leave images of all {data.n_classes} classes for class-incremental tasks"
            raise invalid(f"data.{name}", rule, f"{len(split)} images of {n_found}")


def _of_classes(split: Split, classes: Tensor) -> Split:
    kept = torch.isin(split.classes, classes)
    return Split(split.images[kept], split.classes[kept])
