"""Merge the runs of several stores of training runs into one, without storing any epoch twice."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurondeath_theory.foundation.results import Result
from neurondeath_torch.training.run_store import RunStore, RunStoreError, StoredRun

__all__ = ["RunMerge", "merge_run_stores"]


@dataclass(frozen=True, kw_only=True)
class RunMerge(Result):
    """Result of a merge of stores of training runs; tuples have one entry per source.

    Attributes
    ----------
    target : str
        The store that received the runs.
    sources : tuple of str
        The stores that were read.
    runs : tuple of int
        Runs of which at least one epoch was new to the target, or that were.
    added, skipped : tuple of int
        Epochs that were new to the target, and those it already contained with the same numbers.
    """

    target: str
    sources: tuple[str, ...]
    runs: tuple[int, ...]
    added: tuple[int, ...]
    skipped: tuple[int, ...]

    def columns(self) -> Mapping[str, Sequence[Any]]:
        """Columns of the table, one row per source."""
        return {"source": self.sources, "runs": self.runs, "added": self.added, "skipped": self.skipped}

    def __str__(self) -> str:
        return (
            f"{sum(self.added)} epochs of {sum(self.runs)} runs added to {self.target}, "
            f"{sum(self.skipped)} were there already"
        )


def merge_run_stores(target: str | Path, sources: Sequence[str | Path]) -> RunMerge:
    """Add the runs of stores to another, each source in one transaction.

    The same epoch with the same numbers is skipped (times aside), so that a store may be merged any number of times; of
    a run that two stores contain, the longer one is kept. Sources are only read, even while a process trains into them.

    Parameters
    ----------
    target : path-like
        The store that receives the runs; created if missing.
    sources : sequence of path-like
        The stores to read.

    Returns
    -------
    RunMerge
        Counts per source.

    Raises
    ------
    RunContradictionError
        If a source and the target contain the same epoch with different numbers.
    RunBusyError
        If a run that a source continues is being trained into the target.
    RunStoreError
        If a store cannot be read or written, or a source is the target.
    """
    with ExitStack() as stack:
        opened = []
        for source in sources:
            if Path(source).exists() and Path(target).exists() and Path(source).samefile(target):
                raise RunStoreError(f"{str(source)!r} is the target itself; name other stores as sources")
            opened.append(stack.enter_context(RunStore(source, readonly=True)))
        for store in opened:
            store.runs()  # a damaged source is refused before the target is made or changed
        into = stack.enter_context(RunStore(target))
        counts = []
        for index, store in enumerate(opened):
            try:
                counts.append(_merge_one(into, store))
            except RunStoreError as error:
                kept = f"the {index} before it {'is' if index == 1 else 'are'} merged" if index else "nothing is merged"
                raise type(error)(f"cannot merge {store.path!r}, {kept}: {error}") from None
    return RunMerge(
        target=str(target),
        sources=tuple(store.path for store in opened),
        runs=tuple(runs for runs, _, _ in counts),
        added=tuple(added for _, added, _ in counts),
        skipped=tuple(skipped for _, _, skipped in counts),
    )


def _merge_one(into: RunStore, store: RunStore) -> tuple[int, int, int]:
    """Add all runs of one store; return the numbers of changed runs, and of epochs added and skipped."""
    changed = total = new = 0
    with into.transaction():
        for run in store.runs():
            known = into.run(run.experiment_id, run.seed)
            total += len(run.epochs)
            new_here = max(0, len(run.epochs) - (0 if known is None else len(known.epochs)))
            if known is not None and not new_here:
                _add(into, run)  # which finds contradictions
                continue
            with into.lease(run.experiment_id, run.seed):
                _add(into, run)
            changed, new = changed + 1, new + new_here
    return changed, new, total - new


def _add(into: RunStore, run: StoredRun) -> None:
    """Add the epochs of a run that are missing, with their provenance, and compare the others."""
    key = (run.experiment_id, run.seed)
    into.begin(*key, name=run.name, description=run.description, provenance=run.provenance, started=run.started)
    for epoch, measured in enumerate(run.epochs):
        into.note(*key, epoch, measured, provenance=run.provenance_of(epoch))
