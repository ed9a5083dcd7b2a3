"""A part of a run: every n-th shard of every task, so that n machines share the work without communication.

Line j of a task's shard grid belongs to part (h + j) mod n, with h drawn from the task's id. It depends on
nothing else, neither the goal nor other tasks nor the stored trials, so that parts never overlap, even when they are
extended later.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from neurondeath.simulations.stores.shards import missing_shards
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.number_text import whole_number
from neurondeath_theory.foundation.validation import invalid

__all__ = ["WHOLE", "Part"]

MOST_PARTS = 1_000_000


@dataclass(frozen=True)
class Part:
    """The `index`-th of `count` parts of a run, from 1.

    Examples
    --------
    >>> Part.parse("2/5")
    Part(index=2, count=5)
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str, name: str = "part") -> "Part":
        """Read "I/N", as in 2/5.

        Raises
        ------
        InvalidArgumentError
            If it is not two whole numbers with 1 <= I <= N.
        """
        numbers = [whole_number(piece) or 0 for piece in text.split("/")] if isinstance(text, str) else []
        index, count = numbers if len(numbers) == 2 else (0, 0)
        if not 1 <= index <= count <= MOST_PARTS:
            raise invalid(name, f"be I/N with whole numbers 1 <= I <= N <= {MOST_PARTS}", text, "as in 1/4")
        return cls(index, count)

    def missing(self, task: Task, done: Iterable[tuple[int, int]], goal: int) -> Iterator[tuple[int, int]]:
        """Generate the ranges of trials that this part still has to sample, in order."""
        first, size = self._first_line(task), task.shard_trials
        for start, stop in missing_shards(done, goal, size):
            if start // size % self.count == first:
                yield start, stop

    def n_missing(self, task: Task, done: Iterable[tuple[int, int]], goal: int) -> int:
        """Count the trials that `missing` covers, in constant time per stored range."""
        covered = sum(
            self._n_below(task, min(stop, goal)) - self._n_below(task, min(start, goal)) for start, stop in done
        )
        return self._n_below(task, goal) - covered

    def _first_line(self, task: Task) -> int:
        return (self.index - 1 - int(task.task_id, 16)) % self.count

    def _n_below(self, task: Task, trial: int) -> int:
        """Count the trials of this part's lines among 0 .. trial - 1."""
        lines, rest = divmod(trial, task.shard_trials)
        first = self._first_line(task)
        whole = max(0, (lines - first - 1) // self.count + 1)
        return whole * task.shard_trials + (rest if lines % self.count == first else 0)


WHOLE = Part(1, 1)
