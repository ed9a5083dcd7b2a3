"""Merge the shards of several stores into one, without counting any twice."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurondeath.simulations.stores.store import Store, StoreError
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
        opened = []
        for source in sources:
            if Path(source).exists() and Path(target).exists() and Path(source).samefile(target):
                raise StoreError(f"{str(source)!r} is the target itself; name other stores as sources")
            opened.append(stack.enter_context(Store(source, readonly=True)))
        into = stack.enter_context(Store(target))
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


def _merge_one(into: Store, store: Store) -> tuple[int, int, int]:
    """Add all shards of one store; return the numbers of shards added and skipped, and of trials added."""
    added = skipped = trials = 0
    with into.transaction(), store.transaction():
        for task_id, description in store.tasks():
            into.add_description(task_id, description)
        for task_id, seed, _ in store.contents(pilots=True):
            for shard in store.shards(task_id, seed):
                if into.add_many([shard]):
                    added += 1
                    trials += shard.trials
                else:
                    skipped += 1
    return added, skipped, trials
