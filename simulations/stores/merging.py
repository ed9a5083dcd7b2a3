"""Merge the shards of several stores into one, without counting any twice."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurondeath.simulations.stores.shards import Shard
from neurondeath.simulations.stores.store import Store, StoreError
from neurondeath.simulations.stores.task_records import TaskRecord
from neurondeath_theory.foundation.results import Result

__all__ = ["Merge", "merge_stores"]


@dataclass(frozen=True, kw_only=True)
class Merge(Result):
    """Result of a merge; tuples have one entry per source.

    Attributes
    ----------
    target : str
        The store that received the shards.
    sources : tuple of str
        The stores that were read.
    added, skipped : tuple of int
        Shards that were new to the target, and those it already contained with the same numbers.
    trials : tuple of int
        Trials that were new to the target.
    """

    target: str
    sources: tuple[str, ...]
    added: tuple[int, ...]
    skipped: tuple[int, ...]
    trials: tuple[int, ...]

    def columns(self) -> Mapping[str, Sequence[Any]]:
        """Columns of the table, one row per source."""
        return {"source": self.sources, "added": self.added, "skipped": self.skipped, "trials": self.trials}

    def __str__(self) -> str:
        return (
            f"{sum(self.added)} shards ({sum(self.trials)} trials) added to {self.target}, "
            f"{sum(self.skipped)} were there already"
        )


def merge_stores(target: str | Path, sources: Sequence[str | Path]) -> Merge:
    """Add the shards of stores to another, each source in one transaction.

    The same shard with the same numbers is skipped, so that a store may be merged any number of times. Shards keep the
    version and the processor with which they were sampled. Sources are only read, even while a run writes to them.

    Parameters
    ----------
    target : path-like
        The store that receives the shards; created if missing.
    sources : sequence of path-like
        The stores to read.

    Raises
    ------
    OverlapError
        If a source and the target divide the same trials into different shards.
    ContradictionError
        If a source and the target contain the same shard with different numbers.
    StoreError
        If a store cannot be read or written, or a source is the target.
    """
    with ExitStack() as stack:
        opened: list[Store] = []
        for source in sources:
            if Path(source).exists() and Path(target).exists() and Path(source).samefile(target):
                raise StoreError(f"{str(source)!r} is the target itself; name other stores as sources")
            opened.append(stack.enter_context(Store(source, readonly=True)))
        if not Path(target).exists():
            _read_all(opened[0])  # a source that is refused must not leave an empty target
        into = stack.enter_context(Store(target, write_ahead=False))
        counts = []
        for index, store in enumerate(opened):
            try:
                counts.append(_merge_one(into, store))
            except StoreError as error:
                kept = f"the {index} before it {'is' if index == 1 else 'are'} merged" if index else "nothing is merged"
                raise type(error)(f"cannot merge {store.path!r}, {kept}: {error}") from None
    return Merge(
        target=str(target),
        sources=tuple(store.path for store in opened),
        added=tuple(added for added, _, _ in counts),
        skipped=tuple(skipped for _, skipped, _ in counts),
        trials=tuple(trials for _, _, trials in counts),
    )


def _content(store: Store) -> Iterator[TaskRecord | Shard]:
    """Generate all tasks, then all shards of a store, one at a time.

    Raises
    ------
    StoreError
        At the first task or shard that is damaged, or of another version.
    """
    if store.findings:
        raise store.damage(f"({store.findings[0]})")
    yield from store.records()
    for task_id, seed, error in store.survey(pilots=True):
        if error is not None:
            raise error
        yield from store.shards(task_id, seed)


def _read_all(store: Store) -> None:
    """Raise the error of the first row that is not readable."""
    try:
        for _ in _content(store):
            pass
    except StoreError as error:
        raise type(error)(f"cannot merge {store.path!r}, nothing is merged: {error}") from None


def _merge_one(into: Store, store: Store) -> tuple[int, int, int]:
    """Add all shards of one store; return the numbers of shards added and skipped, and of trials added."""
    added = skipped = trials = 0
    with into.transaction(), store.transaction():
        for one in _content(store):
            if isinstance(one, TaskRecord):
                into.copy_task(one)
            elif into.add_many([one]):
                added += 1
                trials += one.trials
            else:
                skipped += 1
    return added, skipped, trials
