"""Settings of a sequence of tasks on one network, the part `[tasks]` of an experiment.

permuted-images     every task permutes the pixels of all images in another way [Goodfellow et al. 2013]
random-labels       every task draws the labels of all images again [Lyle et al. 2023, arXiv 2303.01486]
class-incremental   every task adds classes, in random order [Dohare et al. 2024, Nature 632, 768]
bit-flipping        regression whose slow input bits flip one by one, with data.name = "bits" [the same]
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neurondeath_theory.foundation.configuration import check_fields, choice_field, count_field, flag_field
from neurondeath_theory.foundation.validation import invalid

__all__ = ["CLASSES_ADDED", "KINDS_OF_TASKS", "TasksChoice", "all_epochs"]

KINDS_OF_TASKS = ("none", "permuted-images", "random-labels", "class-incremental", "bit-flipping")
CLASSES_ADDED = 2  # by a task, unless `classes` says otherwise
N_CLASSES = 10  # of every labelled data set


@dataclass(frozen=True, kw_only=True)
class TasksChoice:
    """Tasks that one network learns one after another; `epochs` counts the passes over the images of each."""

    kind: str = choice_field("How tasks differ; none is ordinary training.", KINDS_OF_TASKS, "none")
    number: int | None = count_field("Number of tasks; needed unless the kind is none.", None)
    seed: int = count_field("Seed of the tasks; they also depend on the seed of the run.", 0, least=0)
    classes: int | None = count_field("Classes that each task adds; 2 by default, class-incremental only.", None)
    keep: bool = flag_field("Whether old classes stay among the training images, class-incremental only.", True)
    fresh: bool = flag_field("Whether every task starts from newly drawn weights: the bar for methods.", False)

    def __post_init__(self) -> None:
        check_fields(self, "tasks.")
        if self.kind == "none":
            for name, unset in (("number", None), ("classes", None), ("keep", True), ("fresh", False), ("seed", 0)):
                if getattr(self, name) != unset:
                    raise invalid(f"tasks.{name}", "be left out for kind none", getattr(self, name))
            return
        if self.number is None:
            raise invalid("tasks.number", f"be given for {self.kind}, the number of tasks", None)
        if self.kind != "class-incremental":
            for name, unset in (("classes", None), ("keep", True)):
                if getattr(self, name) != unset:
                    raise invalid(f"tasks.{name}", f"be left out for {self.kind}", getattr(self, name))
        elif self.number * self.added > N_CLASSES:
            rule = f"be at most {N_CLASSES // self.added} where each task adds {self.added} of {N_CLASSES} classes"
            raise invalid("tasks.number", rule, self.number)

    @property
    def added(self) -> int:
        """Classes that a class-incremental task adds."""
        return CLASSES_ADDED if self.classes is None else self.classes

    @property
    def given(self) -> bool:
        """Whether there is a sequence of tasks."""
        return self.kind != "none"


def all_epochs(description: Mapping[str, Any]) -> int:
    """Return the epochs of all tasks of an experiment, from its description.

    Examples
    --------
    >>> all_epochs({"epochs": 3}), all_epochs({"epochs": 3, "tasks": {"kind": "random-labels", "number": 4}})
    (3, 12)
    """
    number = description.get("tasks", {}).get("number") or 1
    return int(description["epochs"]) * int(number)
