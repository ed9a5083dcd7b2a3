"""Reading a results store for a command: what is readable is shown, what is not is named, with exit code 2."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from neurondeath.commands.messages import message
from neurondeath.simulations.estimation.estimates import Simulation, read_tasks
from neurondeath.simulations.stores.merging import merge_stores
from neurondeath.simulations.stores.store import Store, StoreError

__all__ = ["exit_if_damaged", "readable_tasks"]

BAD_INPUT = 2
MOST_LINES = 12


@contextmanager
def readable_tasks(stores: Sequence[str], task: str | None) -> Iterator[list[Simulation]]:
    """Provide the tasks of stores that are readable; name the others on stderr, and exit with 2 at the end if any.

    Several stores are read as one: the shards of a task that several hold count once each.

    Raises
    ------
    StoreError
        If none is readable, or several stores contradict each other.
    """
    with _as_one(stores) as store, Store(store, readonly=True) as opened:
        simulations, errors = read_tasks(opened, task)
    if errors and not simulations:
        raise errors[0]
    yield simulations
    exit_if_damaged(errors)


@contextmanager
def _as_one(stores: Sequence[str]) -> Iterator[str]:
    """Provide one store with the content of all."""
    distinct = list(dict.fromkeys(stores))
    if len(distinct) == 1:
        yield distinct[0]
        return
    with TemporaryDirectory(prefix="neurondeath-") as folder:
        target = str(Path(folder) / "all.sqlite")
        merge_stores(target, distinct)
        yield target


def exit_if_damaged(errors: Sequence[StoreError]) -> None:
    """End a command that has shown what is readable: name each task that is not, of many only the first."""
    for error in errors[:MOST_LINES]:
        message(f"neurondeath: left out: {error}")
    if len(errors) > MOST_LINES:
        message(f"neurondeath: left out: {len(errors) - MOST_LINES} more tasks like these")
    if errors:
        raise typer.Exit(BAD_INPUT)
