"""The results store: one SQLite file of finished shards, which loses none and counts none twice.

- One row per finished shard, committed immediately: a killed run loses at most the shards in flight. A power failure
  may also lose the last seconds before it, but nothing else.
- A trigger refuses shards that overlap; adding a stored shard again has no effect if the numbers are equal, and is an
  error if not. Every row has a checksum, so that a damaged file leads to an error and not to wrong numbers.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from neurondeath.simulations.stores.database import Database, FileKind
from neurondeath.simulations.stores.errors import ContradictionError, OverlapError, StoreError
from neurondeath.simulations.stores.provenance import Provenance
from neurondeath.simulations.stores.schema import APPLICATION_ID, SCHEMAS, migrate, row_checksum, task_checksum
from neurondeath.simulations.stores.seeds import PILOT_SEEDS
from neurondeath.simulations.stores.shards import Shard, pack_statistics, unpack_statistics
from neurondeath.simulations.task import Task

__all__ = ["ContradictionError", "OverlapError", "Store", "StoreError"]

STORES = FileKind("store", APPLICATION_ID, SCHEMAS, migrate, "neurondeath simulate", StoreError)


class Store(Database):
    """An open store, for one thread.

    Parameters
    ----------
    path : path-like or ":memory:"
        The file; created if missing, unless `readonly`.
    readonly : bool
        Open an existing store without changing it.

    Raises
    ------
    StoreError
        If the file is not a store, damaged, of a newer schema, missing (`readonly`) or not writable.
    """

    def __init__(self, path: str | Path, *, readonly: bool = False) -> None:
        super().__init__(path, STORES, readonly=readonly)

    def add_task(self, task: Task) -> None:
        """Record the description of a task; recording it again has no effect."""
        self.add_description(task.task_id, task.description())

    def add_description(self, task_id: str, description: dict[str, Any]) -> None:
        """Record the description of a task id; recording it again has no effect."""
        with self.transaction():
            text = json.dumps(description, sort_keys=True)
            row = (task_id, text, task_checksum(task_id, text))
            self.connection.execute("INSERT OR IGNORE INTO tasks VALUES (?, ?, ?)", row)

    def add(self, shard: Shard) -> None:
        """Commit a finished shard of a task that was added; adding the same shard again has no effect.

        Raises
        ------
        OverlapError
            If it shares trials with a stored shard but has other limits.
        ContradictionError
            If the same trials are stored with different numbers.
        StoreError
            If it cannot be written.
        """
        self.add_many([shard])

    def add_many(self, shards: Iterable[Shard]) -> int:
        """Commit finished shards in one transaction; return how many were new.

        Raises
        ------
        StoreError
            As `add`.
        """
        self.check_file_exists()
        with self.transaction():
            return sum([self._insert(shard) for shard in shards])

    def _insert(self, shard: Shard) -> bool:
        packed = pack_statistics(shard.statistics)
        key = (shard.task_id, shard.seed, shard.start, shard.stop)
        made = shard.provenance or Provenance.here()
        row = (*key, shard.cpu_seconds, made.version, made.cpu, made.finished, row_checksum(*key, packed), packed)
        try:
            self.connection.execute("INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            self._compare_with_stored(shard)
            return False
        return True

    def _compare_with_stored(self, shard: Shard) -> None:
        """Raise the reason why a shard was refused; the same shard with the same numbers is no error."""
        stored = next(self.shards(shard.task_id, shard.seed, first=shard.start, last=shard.stop), None)
        trials = f"trials {shard.start} to {shard.stop - 1} of task {shard.task_id}, seed {shard.seed},"
        if stored is None:
            raise StoreError(f"{trials} were refused by {self.path!r}: the task was not added, or no trials are named")
        if stored != shard:
            raise OverlapError(
                f"{trials} overlap trials {stored.start} to {stored.stop - 1} stored in {self.path!r}; "
                "runs in separate stores need different seeds or parts"
            )
        if not stored.same_numbers(shard):
            raise ContradictionError(
                f"{trials} contradict the stored ones in {self.path!r} ({stored.provenance} there, "
                f"{shard.provenance or Provenance.here()} here); keep the two in separate stores"
            )

    def done(self, task_id: str, seed: int) -> list[tuple[int, int]]:
        """Return the ranges of trials that are stored, in order."""
        query = "SELECT start, stop FROM shards WHERE task_id = ? AND seed = ? ORDER BY start"
        return list(self.rows(query, (task_id, seed)))

    def effort(self, task_id: str, seed: int) -> tuple[int, float]:
        """Return the number of stored trials and their processor time in seconds."""
        query = "SELECT total(stop - start), total(cpu_seconds) FROM shards WHERE task_id = ? AND seed = ?"
        ((trials, cpu_seconds),) = self.rows(query, (task_id, seed))
        return int(trials), cpu_seconds

    def shards(self, task_id: str, seed: int, *, first: int = 0, last: int | None = None) -> Iterator[Shard]:
        """Generate the stored shards of a task in order of trials; each is read from disk when it is needed.

        Parameters
        ----------
        task_id : str
            The task.
        seed : int
            The seed.
        first, last : int
            Only shards that contain some of the trials first .. last - 1.

        Raises
        ------
        StoreError
            If a shard is not as it was written.
        """
        provenance = "version, cpu, finished, checksum" if self.schema > 1 else "version, '', finished, NULL"
        query = (
            f"SELECT start, stop, cpu_seconds, {provenance}, statistics FROM shards "
            "WHERE task_id = :task AND seed = :seed AND stop > :first AND start < :last AND start >= "
            "(SELECT coalesce(max(start), 0) FROM shards WHERE task_id = :task AND seed = :seed AND start <= :first) "
            "ORDER BY start"
        )
        end = 0
        limits = {"task": task_id, "seed": seed, "first": first, "last": 2**63 - 1 if last is None else last}
        rows = self.rows(query, limits)
        for start, stop, cpu_seconds, version, cpu, finished, checksum, packed in rows:
            try:
                if start < end or checksum not in (None, row_checksum(task_id, seed, start, stop, packed)):
                    raise ValueError
                statistics = unpack_statistics(packed)
            except (TypeError, ValueError):
                raise self.damage(f"at trials {start} to {stop} of task {task_id}, seed {seed}") from None
            end = stop
            yield Shard(
                task_id=task_id,
                seed=seed,
                start=start,
                stop=stop,
                statistics=statistics,
                cpu_seconds=cpu_seconds,
                provenance=Provenance(version=version, cpu=cpu, finished=finished),
            )

    def tasks(self) -> list[tuple[str, dict[str, Any]]]:
        """List the tasks that were added, with or without finished trials: (task id, description)."""
        checksum = "checksum" if self.schema > 1 else "NULL"
        rows = self.rows(f"SELECT task_id, description, {checksum} FROM tasks", ())
        return [(task_id, self._description(task_id, text, check)) for task_id, text, check in rows]

    def contents(self, *, pilots: bool = False) -> list[tuple[str, int, dict[str, Any]]]:
        """List what is stored: (task id, seed, description), in the order the tasks were first finished.

        The pilots of `neurondeath.simulations.sweeps.stopping` are left out unless `pilots`.
        """
        query = (
            f"SELECT task_id, seed, description, {'tasks.checksum' if self.schema > 1 else 'NULL'} FROM "
            "(SELECT task_id, seed, min(rowid) AS place FROM shards GROUP BY task_id, seed) JOIN tasks USING (task_id) "
            f"{'' if pilots else f'WHERE seed < {PILOT_SEEDS} '}ORDER BY place"
        )
        rows = self.rows(query, ())
        return [(task_id, seed, self._description(task_id, text, check)) for task_id, seed, text, check in rows]

    def _description(self, task_id: str, text: str, checksum: int | None) -> dict[str, Any]:
        """Read the description of a task, after a check of its checksum."""
        try:
            if checksum not in (None, task_checksum(task_id, text)):
                raise ValueError
            return dict(json.loads(text))
        except (TypeError, ValueError):
            raise self.damage(f"at task {task_id}") from None
