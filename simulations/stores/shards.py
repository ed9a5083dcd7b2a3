"""Shards: ranges of trials on a fixed grid, with additive sufficient statistics."""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.stores.errors import StoreError
from neurondeath.simulations.stores.provenance import Provenance

__all__ = ["Layout", "Shard", "Statistics", "missing_shards", "pack_statistics", "sum_statistics", "unpack_statistics"]

Statistics = Mapping[str, npt.NDArray[Any]]
Layout = Mapping[str, np.dtype[Any]]


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
    """Sum shards in the given order; return the number of trials and the totals.

    Raises
    ------
    StoreError
        If a sum of counts exceeds 63 bits.
    """
    trials = 0
    totals: dict[str, npt.NDArray[Any]] = {}
    for shard in shards:
        trials += shard.trials
        for name, values in shard.statistics.items():
            totals[name] = totals[name] + values if name in totals else values
            if values.dtype.kind == "i" and totals[name].min(initial=0) < 0:  # counts wrap to negative numbers
                raise StoreError(f"the sum of {name} over the shards of task {shard.task_id} has too many digits")
    return trials, totals


def pack_statistics(statistics: Statistics) -> bytes:
    """Write named arrays as a line of JSON (name, dtype, length) and their little-endian bytes, compressed."""
    arrays = {name: np.ascontiguousarray(values) for name, values in sorted(statistics.items())}
    arrays = {name: values.astype(values.dtype.newbyteorder("<")) for name, values in arrays.items()}
    header = _header((name, values.dtype.str, len(values)) for name, values in arrays.items())
    return zlib.compress(header + b"".join(values.tobytes() for values in arrays.values()), 1)


def unpack_statistics(packed: bytes, layout: Layout, length: int) -> dict[str, npt.NDArray[Any]]:
    """Read the result of `pack_statistics` whose arrays have known names and dtypes, and all the same length.

    No more is decompressed than these arrays take, whatever the bytes claim.

    Raises
    ------
    ValueError
        If it is damaged, or contains other arrays.
    """
    header, size = _expected(_written(layout), length)
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(packed, size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(content) != size or not stream.eof or stream.unused_data or not content.startswith(header):
        raise ValueError("not the statistics of this task")
    statistics, at = {}, len(header)
    for name in sorted(layout):
        dtype = layout[name]
        values = np.frombuffer(content, dtype=dtype.newbyteorder("<"), count=length, offset=at)
        statistics[name] = values.astype(dtype)
        at += values.nbytes
    return statistics


def _written(layout: Layout) -> tuple[tuple[str, str], ...]:
    """Return names and dtypes in the order and form in which they are written."""
    return tuple(sorted((name, dtype.newbyteorder("<").str) for name, dtype in layout.items()))


@lru_cache(maxsize=256)  # all shards of a task have the same header
def _expected(layout: tuple[tuple[str, str], ...], length: int) -> tuple[bytes, int]:
    """Return the header of arrays of one length, and the number of bytes with the arrays."""
    header = _header((name, dtype, length) for name, dtype in layout)
    return header, len(header) + sum(np.dtype(dtype).itemsize * length for _, dtype in layout)


def _header(arrays: Iterable[tuple[str, str, int]]) -> bytes:
    return json.dumps([list(array) for array in arrays]).encode() + b"\n"


def _same_bits(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    """Whether two arrays are the same to the last bit, NaN included."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
