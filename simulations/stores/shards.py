"""Shards: ranges of trials on a fixed grid, with additive sufficient statistics."""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.stores.provenance import Provenance

__all__ = ["Shard", "Statistics", "missing_shards", "sum_statistics"]

Statistics = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The finished trials start .. stop - 1 of a task under one seed; provenance None means this process, now."""

    task_id: str
    seed: int
    start: int
    stop: int
    statistics: Statistics = field(compare=False)
    cpu_seconds: float = field(default=0.0, compare=False)
    provenance: Provenance | None = field(default=None, compare=False)

    @property
    def trials(self) -> int:
        """Number of trials."""
        return self.stop - self.start

    def same_numbers(self, other: "Shard") -> bool:
        """Whether two shards contain the same trials with the same outcome."""
        return (
            self == other
            and self.statistics.keys() == other.statistics.keys()
            and all(_same_bits(values, other.statistics[name]) for name, values in self.statistics.items())
        )


def missing_shards(done: Iterable[tuple[int, int]], goal: int, shard_trials: int) -> Iterator[tuple[int, int]]:
    """Generate the ranges of 0 .. goal - 1 that are not done, divided at the lines of the grid.

    Examples
    --------
    >>> list(missing_shards([(0, 64), (128, 150)], goal=200, shard_trials=64))
    [(64, 128), (150, 192), (192, 200)]
    """
    at = 0
    for start, stop in [*sorted(done), (goal, goal)]:
        while at < min(start, goal):
            edge = min(start, goal, (at // shard_trials + 1) * shard_trials)
            yield at, edge
            at = edge
        at = max(at, stop)


def sum_statistics(shards: Iterable[Shard]) -> tuple[int, dict[str, npt.NDArray[Any]]]:
    """Sum shards in the given order; return the number of trials and the totals."""
    trials = 0
    totals: dict[str, npt.NDArray[Any]] = {}
    for shard in shards:
        trials += shard.trials
        for name, values in shard.statistics.items():
            totals[name] = totals[name] + values if name in totals else values
    return trials, totals


def pack_statistics(statistics: Statistics) -> bytes:
    """Write named arrays as a line of JSON (name, dtype, length) and their little-endian bytes, compressed."""
    arrays = {name: np.ascontiguousarray(values) for name, values in sorted(statistics.items())}
    arrays = {name: values.astype(values.dtype.newbyteorder("<")) for name, values in arrays.items()}
    header = json.dumps([[name, values.dtype.str, len(values)] for name, values in arrays.items()])
    return zlib.compress(header.encode() + b"\n" + b"".join(values.tobytes() for values in arrays.values()), 1)


def unpack_statistics(packed: bytes) -> dict[str, npt.NDArray[Any]]:
    """Read the result of `pack_statistics`.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    try:
        header, _, body = zlib.decompress(packed).partition(b"\n")
    except zlib.error as error:
        raise ValueError(str(error)) from None
    statistics, at = {}, 0
    for name, dtype, length in _read_header(header):
        values = np.frombuffer(body, dtype=dtype, count=length, offset=at)
        statistics[name] = values.astype(dtype.newbyteorder("="))
        at += values.nbytes
    return statistics


@lru_cache(maxsize=256)  # all shards of a task have the same header
def _read_header(header: bytes) -> list[tuple[str, np.dtype[Any], int]]:
    return [(name, np.dtype(dtype), length) for name, dtype, length in json.loads(header)]


def _same_bits(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    """Whether two arrays are the same to the last bit, NaN included."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
