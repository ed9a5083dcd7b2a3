"""The results store: one SQLite file of finished shards, which loses none and counts none twice.

- One row per finished shard, committed immediately: a killed run loses at most the shards in flight. A power failure
  may also lose the last seconds before it, but nothing else.
- A trigger refuses shards that overlap; adding a stored shard again has no effect if the numbers are equal, and is an
  error if not.
- Every row has a checksum, and no row is used whose numbers its task cannot have: a damaged or forged file leads to an
  error that names the row, and not to wrong numbers. Other tasks of the file can still be read (`survey`).
"""

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from neurondeath.simulations.stores.database import Database, FileKind
from neurondeath.simulations.stores.errors import ContradictionError, OverlapError, StoreError
from neurondeath.simulations.stores.provenance import Provenance
from neurondeath.simulations.stores.schema import APPLICATION_ID, SCHEMAS, migrate, row_checksum, task_checksum
from neurondeath.simulations.stores.seeds import PILOT_SEEDS
from neurondeath.simulations.stores.shards import Shard, pack_statistics
from neurondeath.simulations.stores.store_rows import is_seed, name_of, read_range, read_shard
from neurondeath.simulations.stores.task_records import OtherVersionError, TaskRecord, read_task
from neurondeath.simulations.task import Task
from neurondeath_theory.foundation.visible_text import visible
from neurondeath_theory.networks.law import Law

__all__ = ["ContradictionError", "OverlapError", "Store", "StoreError"]

LONGEST_REASON = 120  # characters of a reason in a message
STORES = FileKind("store", APPLICATION_ID, SCHEMAS, migrate, "neurondeath simulate", StoreError)


class Store(Database):
    """An open store, for one thread.

    Parameters
    ----------
    path : path-like or ":memory:"
        The file; created if missing, unless `readonly`.
    readonly : bool
        Open an existing store without changing it.
    write_ahead : bool
        As for `Database`.

    Raises
    ------
    StoreError
        If the file is not a store, damaged, of a newer schema, missing (`readonly`) or not writable.
    """

    def __init__(self, path: str | Path, *, readonly: bool = False, write_ahead: bool = True) -> None:
        super().__init__(path, STORES, readonly=readonly, write_ahead=write_ahead)

    def add_task(self, task: Task) -> None:
        """Record the description of a task; recording it again has no effect."""
        self.add_description(task.task_id, task.description())

    def add_description(self, task_id: str, description: dict[str, Any]) -> None:
        """Record the description of a task id; recording it again has no effect.

        Raises
        ------
        StoreError
            If no task of this id has such a description, the stored one is damaged, or the store contains another `Law`
            of the same name.
        """
        try:
            self.copy_task(read_task(task_id, json.dumps(description, sort_keys=True)))
        except ValueError as error:
            raise self.error(
                f"task {name_of(task_id)} cannot be stored ({visible(str(error))[:LONGEST_REASON]})"
            ) from None

    def copy_task(self, task: TaskRecord) -> None:
        """Record a task that was read from another store; recording it again has no effect.

        Raises
        ------
        StoreError
            If the stored description is damaged, or the store contains another `Law` of the same name.
        """
        task_id = task.task_id
        if list(self.rows("SELECT 1 FROM tasks WHERE task_id = ?", (task_id,))):
            self.record(task_id)
            return
        if task.network.law is not None:
            self._check_law(task.network.law)
        with self.transaction():
            row = (task_id, task.text, task_checksum(task_id, task.text))
            self.connection.execute("INSERT OR IGNORE INTO tasks VALUES (?, ?, ?)", row)
            self.record(task_id)  # the description that is stored is readable, whoever stored it

    def _check_law(self, law: Law) -> None:
        """Refuse a law whose name the store knows for another one: tables show the name, and trials do not add up."""
        texts = self.rows("SELECT task_id, description FROM tasks WHERE instr(description, ?)", ('"law"',))
        for task_id, text in list(texts):
            try:
                stored = read_task(task_id, text).network.law
            except ValueError:
                continue  # reported when it is read
            if stored is not None and stored.name == law.name and stored.digest != law.digest:
                raise StoreError(
                    f"{self.path!r} contains a law {law.name!r} with digest {stored.digest}, and this one has "
                    f"{law.digest}: its sampler is another; pass the same law to continue, or give this one a new name"
                )

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
            inserted = self.connection.execute("INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            self._compare_with_stored(shard)
            return False
        except OverflowError:
            raise self.error(f"trials {shard.start} to {shard.stop - 1} cannot be stored: too many digits") from None
        if inserted.rowcount != 1:
            raise self.error(f"{self.path!r} did not keep trials {shard.start} to {shard.stop - 1}; use another file")
        return True

    def _compare_with_stored(self, shard: Shard) -> None:
        """Raise the reason why a shard was refused; the same shard with the same numbers is no error."""
        known = list(self.rows("SELECT 1 FROM tasks WHERE task_id = ?", (shard.task_id,)))
        near = self.shards(shard.task_id, shard.seed, first=shard.start, last=shard.stop) if known else iter(())
        stored = next(near, None)
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
        """Return the ranges of trials that are stored, in order.

        Raises
        ------
        StoreError
            If a range is damaged.
        """
        query = f"SELECT start, stop FROM {self._shards} WHERE task_id = ? AND seed = ? ORDER BY start"
        ranges: list[tuple[int, int]] = []
        for start, stop in self.rows(query, (task_id, seed)):
            try:
                ranges.append(read_range(start, stop, ranges[-1][1] if ranges else 0))
            except ValueError as error:
                raise self._damaged_row(task_id, seed, start, stop, error) from None
        return ranges

    def effort(self, task_id: str, seed: int) -> tuple[int, float]:
        """Return the number of stored trials and their processor time in seconds."""
        query = f"SELECT total(stop - start), total(cpu_seconds) FROM {self._shards} WHERE task_id = ? AND seed = ?"
        ((trials, cpu_seconds),) = self.rows(query, (task_id, seed))
        if not (0 <= trials < math.inf and 0 <= cpu_seconds < math.inf):
            raise self.damage(f"at task {name_of(task_id)}, seed {seed} (its rows contain no numbers)")
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
        record = self.record(task_id)
        provenance = "version, cpu, finished, checksum" if self.schema > 1 else "version, '', finished, NULL"
        some = (
            "AND stop > :first AND start < :last AND start >= "
            f"(SELECT coalesce(max(start), 0) FROM {self._shards} "
            "WHERE task_id = :task AND seed = :seed AND start <= :first) "
        )
        query = (
            f"SELECT start, stop, cpu_seconds, {provenance}, statistics FROM {self._shards} "
            f"WHERE task_id = :task AND seed = :seed {some if first > 0 or last is not None else ''}ORDER BY start"
        )
        end = 0
        limits = {"task": task_id, "seed": seed, "first": first, "last": 2**63 - 1 if last is None else last}
        for row in self.rows(query, limits):
            try:
                shard = read_shard(row, record, seed, end)
            except (TypeError, ValueError) as error:
                raise self._damaged_row(task_id, seed, row[0], row[1], error) from None
            end = shard.stop
            yield shard

    def tasks(self) -> list[tuple[str, dict[str, Any]]]:
        """List the tasks that were added, with or without finished trials: (task id, description).

        Raises
        ------
        StoreError
            If one is damaged or of another version.
        """
        return [(record.task_id, record.description) for record in self.records()]

    def records(self) -> Iterator[TaskRecord]:
        """Generate the tasks that were added, as `tasks`.

        Raises
        ------
        StoreError
            If one is damaged or of another version.
        """
        return (self.record(task_id) for (task_id,) in self.rows("SELECT task_id FROM tasks"))

    def contents(self, *, pilots: bool = False) -> list[tuple[str, int, dict[str, Any]]]:
        """List what is stored: (task id, seed, description), in the order the tasks were first finished.

        The pilots of `neurondeath.simulations.sweeps.stopping` are left out unless `pilots`.

        Raises
        ------
        StoreError
            If a task is damaged or of another version.
        """
        listed = []
        for task_id, seed, error in self.survey(pilots=pilots):
            if error is not None:
                raise error
            listed.append((task_id, seed, self.record(task_id).description))
        return listed

    def survey(self, *, pilots: bool = False) -> Iterator[tuple[str, int, StoreError | None]]:
        """Generate what is stored, as `contents`: task id, seed, and the error of a task that is not readable."""
        query = f"SELECT task_id, seed, min(rowid) AS place FROM {self._shards} GROUP BY task_id, seed ORDER BY place"
        for task_id, seed, _ in self.rows(query):
            if not isinstance(task_id, str) or not is_seed(seed):
                yield name_of(task_id), 0, self.damage(f"at task {name_of(task_id)}, seed {name_of(seed)}")
                continue
            if seed >= PILOT_SEEDS and not pilots:
                continue
            try:
                self.record(task_id)
                yield task_id, seed, None
            except StoreError as error:
                yield task_id, seed, error

    def record(self, task_id: str) -> TaskRecord:
        """Read a task that was added.

        Raises
        ------
        StoreError
            If there is none, or it is damaged or of another version.
        """
        query = f"SELECT description, {'checksum' if self.schema > 1 else 'NULL'} FROM tasks WHERE task_id = ?"
        found = list(self.rows(query, (task_id,)))
        if len(found) != 1:
            raise self.damage(f"at task {name_of(task_id)} (it has no description)")
        ((text, checksum),) = found
        try:
            if checksum is not None and checksum != task_checksum(task_id, text):
                raise ValueError("the checksum differs")
        except ValueError as error:
            raise self.damage(f"at task {name_of(task_id)} ({error})") from None
        return self._read_task(task_id, text)

    def _read_task(self, task_id: str, text: str) -> TaskRecord:
        try:
            return read_task(task_id, text)
        except OtherVersionError as error:
            raise self.error(
                f"task {name_of(task_id)} in {self.path!r} was described by another version of neurondeath "
                f"({visible(str(error))[:LONGEST_REASON]}); use that version"
            ) from None
        except (TypeError, ValueError) as error:
            raise self.damage(f"at task {name_of(task_id)} ({str(error)[:LONGEST_REASON]})") from None

    @property
    def _shards(self) -> str:
        """The table of shards; without its index where the two contradict each other."""
        return "shards NOT INDEXED" if self.findings else "shards"

    def _damaged_row(self, task_id: str, seed: int, start: Any, stop: Any, reason: Exception) -> StoreError:
        where = f"at trials {name_of(start)} to {name_of(stop)} of task {name_of(task_id)}, seed {seed}"
        return self.damage(f"{where} ({reason})")
