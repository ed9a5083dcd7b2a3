"""Rows of a store checked before use: SQLite keeps any type in any column, and a checksum is no proof of origin."""

from typing import Any

from neurondeath.simulations.stores.possible_statistics import impossible
from neurondeath.simulations.stores.provenance import LONGEST_NAME, Provenance
from neurondeath.simulations.stores.schema import row_checksum
from neurondeath.simulations.stores.seeds import PILOT_SEEDS
from neurondeath.simulations.stores.shards import Shard, unpack_statistics
from neurondeath.simulations.stores.task_records import TaskRecord
from neurondeath_theory.foundation.visible_text import visible

__all__ = ["is_seed", "name_of", "read_range", "read_shard"]

MOST_SEEDS = 2 * PILOT_SEEDS
MOST_TRIALS = 2**53  # of a task, so that averages are exact to the last bit
MOST_SHARD_TRIALS = 2**31
LONGEST_TIME = 1e12  # seconds
LONGEST_SHOWN = 40


def is_seed(seed: Any) -> bool:
    """Whether a value of a row can be a seed."""
    return type(seed) is int and 0 <= seed < MOST_SEEDS


def name_of(value: Any) -> str:
    """Write a value of a row for a message."""
    return visible(value if isinstance(value, str) else repr(value))[:LONGEST_SHOWN]


def read_range(start: Any, stop: Any, end: int) -> tuple[int, int]:
    """Check a range of trials that follows another.

    Raises
    ------
    ValueError
        If it is not one of 0 .. 2^53, or begins before `end`.
    """
    if type(start) is not int or type(stop) is not int or not 0 <= start < stop <= MOST_TRIALS:
        raise ValueError("not a range of trials")
    if start < end:
        raise ValueError("the trials are stored twice")
    return start, stop


def read_shard(row: tuple[Any, ...], record: TaskRecord, seed: int, end: int) -> Shard:
    """Read a shard from a row.

    Parameters
    ----------
    row : tuple
        Columns start, stop, cpu_seconds, version, cpu, finished, checksum (None in stores without) and statistics.
    record : TaskRecord
        Its task.
    seed : int
        Its seed.
    end : int
        End of the shard before it.

    Raises
    ------
    ValueError
        With the reason, if the row is damaged or no run can have written it.
    """
    start, stop, cpu_seconds, version, cpu, finished, checksum, packed = row
    start, stop = read_range(start, stop, end)
    if not isinstance(packed, bytes):
        raise ValueError("the statistics are not bytes")
    if checksum is not None and checksum != row_checksum(record.task_id, seed, start, stop, packed):
        raise ValueError("the checksum differs")
    if stop - start > MOST_SHARD_TRIALS:
        raise ValueError("more trials than a shard can have")
    for name, seconds in (("the processor time", cpu_seconds), ("the date", finished)):
        if type(seconds) is not float or not 0.0 <= seconds < LONGEST_TIME:
            raise ValueError(f"{name} is not a time")
    for text in (version, cpu):
        if not (isinstance(text, str) and len(text) <= LONGEST_NAME and text.isprintable()):
            raise ValueError("the version or the processor is not a name")
    statistics = unpack_statistics(packed, record.layout, record.network.depth)
    reason = impossible(statistics, record, stop - start)
    if reason is not None:
        raise ValueError(reason)
    return Shard(
        task_id=record.task_id,
        seed=seed,
        start=start,
        stop=stop,
        statistics=statistics,
        cpu_seconds=cpu_seconds,
        provenance=Provenance(version=version, cpu=cpu, finished=finished),
    )
