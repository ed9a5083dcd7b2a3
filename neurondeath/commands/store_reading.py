"""Reading a results store for a command: what is readable is shown, what is not is named, with exit code 2."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from neurondeath.commands.messages import message
from neurondeath.simulations.estimation.estimates import Simulation, read_tasks
from neurondeath.simulations.stores.store import Store, StoreError

__all__ = ["exit_if_damaged", "readable_tasks"]

BAD_INPUT = 2
MOST_LINES = 12


@contextmanager
def readable_tasks(store: str, task: str | None) -> Iterator[list[Simulation]]:
    """Provide the tasks of a store that are readable; name the others on stderr, and exit with 2 at the end if any.

    Raises
    ------
    StoreError
        If none is readable.
    """
    with Store(store, readonly=True) as opened:
        simulations, errors = read_tasks(opened, task)
    if errors and not simulations:
        raise errors[0]
    yield simulations
    exit_if_damaged(errors)


def exit_if_damaged(errors: Sequence[StoreError]) -> None:
    """End a command that has shown what is readable: name each task that is not, of many only the first."""
    for error in errors[:MOST_LINES]:
        message(f"neurondeath: left out: {error}")
    if len(errors) > MOST_LINES:
        message(f"neurondeath: left out: {len(errors) - MOST_LINES} more tasks like these")
    if errors:
        raise typer.Exit(BAD_INPUT)
