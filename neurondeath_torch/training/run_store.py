"""Store of training runs: one SQLite file with one row per run and one per epoch; no epoch is lost or duplicated.

- Every row is committed immediately and has a checksum: a flipped digit or a cut row is an error that names the run and
  the epoch, and leaves the other runs readable.
- The measurements of an epoch are one JSON object (`run_rows`), so that new kinds of measurements do not invalidate old
  stores. The epochs of a run are 0, 1, 2, ... without a gap, and a run's id is the digest of its description.
- A stored epoch is never changed: the same numbers are kept as they are, other numbers are an error, unless the run was
  resumed from an older checkpoint in another place (`RunStore.note`).
- One process at a time trains a run (`RunStore.lease`); several processes may write different runs.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

from neurondeath.simulations.stores.database import Database, FileKind
from neurondeath_theory.foundation.version import __version__
from neurondeath_theory.foundation.visible_text import visible
from neurondeath_torch.training.configuration import is_id_of
from neurondeath_torch.training.run_errors import RunBusyError, RunContradictionError, RunStoreError
from neurondeath_torch.training.run_leases import lease, remove_free_lock
from neurondeath_torch.training.run_rows import same_numbers, write_measured, write_object
from neurondeath_torch.training.run_schema import (
    APPLICATION_ID,
    SCHEMAS,
    as_text,
    epoch_checksum,
    migrate,
    run_checksum,
)
from neurondeath_torch.training.stored_runs import StoredRun, add_epoch, read_head, run_words
from neurondeath_torch.training.task_choice import all_epochs

__all__ = ["RUN_STORES", "RunBusyError", "RunContradictionError", "RunStore", "RunStoreError", "StoredRun"]

RUN_STORES = FileKind("store of training runs", APPLICATION_ID, SCHEMAS, migrate, "neurondeath train", RunStoreError)
BITWISE_DEVICE = "cpu"  # where the same versions and threads give the same bits
RUN = "experiment_id = ? AND seed = ?"
Row = tuple[Any, ...]


class RunStore(Database):
    """An open store of training runs, for one thread.

    Parameters
    ----------
    path : path-like or ":memory:"
        The file; created if it is missing, unless `readonly`.
    readonly : bool
        Open an existing file without changing it.

    Raises
    ------
    RunStoreError
        If the file is not such a store, damaged, of a newer schema, missing for reading or not writable.

    Examples
    --------
    >>> from neurondeath_torch.training.configuration import Experiment
    >>> demo = Experiment(epochs=3)
    >>> with RunStore(":memory:") as store:
    ...     store.begin(demo.experiment_id, 0, name="demo", description=demo.description(), provenance={})
    ...     store.note(demo.experiment_id, 0, 0, {"test_accuracy": 0.1})
    ...     store.runs()[0].epochs
    True
    [{'test_accuracy': 0.1}]
    """

    def __init__(self, path: str | Path, *, readonly: bool = False) -> None:
        super().__init__(path, RUN_STORES, readonly=readonly)
        self.connection.text_factory = as_text

    def begin(
        self,
        experiment_id: str,
        seed: int,
        *,
        name: str,
        description: Mapping[str, Any],
        provenance: Mapping[str, Any],
        started: float | None = None,
    ) -> None:
        """Record a run; repeated calls have no effect.

        Raises
        ------
        RunStoreError
            If it cannot be written, or the id is not that of the description.
        """
        self.check_file_exists()
        words = run_words(experiment_id, seed)
        try:
            texts = (write_object(description), write_object(_with_version(provenance)))
        except ValueError as error:
            raise RunStoreError(f"{words} cannot be stored: {error}") from None
        if not is_id_of(experiment_id, description):
            raise RunStoreError(f"{words} cannot be stored: its id is not that of its settings")
        row = (experiment_id, seed, name, *texts, time.time() if started is None else started)
        with self.transaction():
            if self._head(experiment_id, seed) is None:
                checksum = run_checksum(*row)
                self.connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, checksum))
                self._check_kept("runs", RUN, (experiment_id, seed), checksum)

    def note(
        self,
        experiment_id: str,
        seed: int,
        epoch: int,
        measured: Mapping[str, Any],
        *,
        provenance: Mapping[str, Any] | None = None,
        replace: bool = False,
    ) -> bool:
        """Commit the measurements of an epoch; the same numbers again have no effect, times aside.

        Parameters
        ----------
        experiment_id, seed : str, int
            A run that was begun.
        epoch : int
            A stored epoch, or the next one.
        measured : mapping
            Numbers, None, booleans, and lists of these.
        provenance : mapping, optional
            Where the epoch was trained; by default as the run.
        replace : bool
            The epoch was trained again from an older checkpoint. Then other numbers replace the stored ones and all
            later epochs, unless they had to be the same: on a CPU, with the same versions and threads.

        Returns
        -------
        bool
            Whether something was stored.

        Raises
        ------
        RunContradictionError
            If the epoch is stored with other numbers.
        RunStoreError
            If it cannot be written, or does not follow the stored epochs.
        """
        self.check_file_exists()
        words = f"epoch {epoch} of {run_words(experiment_id, seed)}"
        try:
            if measured.get("epoch", epoch) != epoch:
                raise ValueError("it was measured at another epoch")
            text = write_measured(measured)
        except ValueError as error:
            raise RunStoreError(f"{words} cannot be stored: {error}") from None
        with self.transaction():
            run = self._head(experiment_id, seed)
            if run is None:
                raise RunStoreError(f"{words} cannot be stored in {self.path!r}: the run was not begun")
            here = run.provenance if provenance is None else _with_version(provenance)
            ((last,),) = self.rows(f"SELECT max(epoch) FROM epochs WHERE {RUN}", (experiment_id, seed))
            n_stored = 0 if last is None else last + 1
            if not 0 <= epoch <= min(n_stored, all_epochs(run.description)):
                raise RunStoreError(f"{words} cannot be stored in {self.path!r}: {n_stored} epochs are")
            if epoch < n_stored:
                stored, there = self._epoch(run, epoch)
                if same_numbers(stored, measured):
                    return False
                if not replace or (here == there and here.get("device") == BITWISE_DEVICE):
                    raise self._contradiction(words, there, here)
                run = self._forget(run, epoch, here)
            made = "" if here == run.provenance else write_object(here)
            key = (experiment_id, seed, epoch)
            checksum = epoch_checksum(*key, made, text)
            self.connection.execute("INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?)", (*key, made, checksum, text))
            self._check_kept("epochs", f"{RUN} AND epoch = ?", key, checksum)
        return True

    def _forget(self, run: StoredRun, epoch: int, here: dict[str, Any]) -> StoredRun:
        """Delete the epochs from one on; if none is left, the run begins again here."""
        key = (run.experiment_id, run.seed)
        self.connection.execute(f"DELETE FROM epochs WHERE {RUN} AND epoch >= ?", (*key, epoch))
        if epoch > 0:
            return run
        row = (*key, run.name, write_object(run.description), write_object(here), time.time())
        self.connection.execute(f"DELETE FROM runs WHERE {RUN}", key)
        self.connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, run_checksum(*row)))
        return changed(run, provenance=here)

    def _contradiction(self, words: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> RunContradictionError:
        differing = [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]
        why = ", ".join(f"{name} {there.get(name)} there, {here.get(name)} here" for name in differing)
        return RunContradictionError(
            f"{words} contradicts the stored one in {self.path!r}{f' ({visible(why)})' if why else ''}; "
            "keep the two in separate stores"
        )

    def _check_kept(self, table: str, where: str, key: Row, checksum: int) -> None:
        """Refuse to continue if a row was not stored as it was given."""
        rows = self.connection.execute(f"SELECT checksum FROM {table} WHERE {where}", key).fetchall()
        if rows != [(checksum,)]:
            raise RunStoreError(f"the {self.kind.what} {self.path!r} did not keep a row; restore a copy of it")

    def lease(self, experiment_id: str, seed: int) -> AbstractContextManager[None]:
        """Reserve a run for this process during a block, at the latest until the process ends.

        Raises
        ------
        RunBusyError
            If another process holds it.
        """
        if self._file is None:
            return nullcontext()
        return lease(self._file, f"{experiment_id}-{seed}", run_words(experiment_id, seed))

    def remove_free_lock(self, experiment_id: str, seed: int) -> None:
        """Remove what a process that was killed has left of its lease."""
        if self._file is not None:
            remove_free_lock(self._file, f"{experiment_id}-{seed}")

    def n_epochs(self, experiment_id: str, seed: int) -> int:
        """Count the stored epochs of a run, including epoch 0."""
        ((count,),) = self.rows(f"SELECT count(*) FROM epochs WHERE {RUN}", (experiment_id, seed))
        return int(count)

    def run(self, experiment_id: str, seed: int) -> StoredRun | None:
        """Read one run; None if it was not begun.

        Raises
        ------
        RunStoreError
            If a row of it is not as it was written.
        """
        with self.transaction():
            run = self._head(experiment_id, seed)
            return None if run is None else self._with_epochs(run)

    def runs(self, experiment_id: str = "") -> list[StoredRun]:
        """Read the runs whose experiment id starts with a prefix, in the order in which they were started.

        Raises
        ------
        RunStoreError
            If one of them is damaged; `survey` reads the others.
        """
        runs, damaged = self.survey(experiment_id)
        if damaged:
            raise damaged[0]
        return runs

    def survey(self, experiment_id: str = "") -> tuple[list[StoredRun], list[RunStoreError]]:
        """Read the runs that are as they were written, as `runs`, and describe the others.

        Parameters
        ----------
        experiment_id : str
            Beginning of the ids of the runs to read.

        Returns
        -------
        runs : list of StoredRun
            In the order in which they were started.
        damaged : list of RunStoreError
            One error per run that cannot be read, one if there are epochs of no run, and one if the check of all pages
            found rows or indexes that contradict each other.
        """
        runs: dict[tuple[str, int], StoredRun] = {}
        damaged = [RunStoreError(str(self.damage(f"({finding})"))) for finding in self.findings[:1]]
        with self.transaction():
            rows: list[Row] = []
            try:
                rows.extend(self._heads("substr(experiment_id, 1, ?) = ?", (len(experiment_id), experiment_id)))
            except RunStoreError as error:
                damaged.append(error)
            for row in rows:
                try:
                    run = self._with_epochs(self._checked(row))
                    if (run.experiment_id, run.seed) in runs:
                        raise self._damaged_run(row, "it is there twice")
                    runs[run.experiment_id, run.seed] = run
                except RunStoreError as error:
                    damaged.append(error)
            if not experiment_id and not damaged:
                damaged.extend(self._lost_epochs(sum(len(run.epochs) for run in runs.values())))
        return sorted(runs.values(), key=lambda run: (run.started, run.experiment_id, run.seed)), damaged

    def _lost_epochs(self, n_read: int) -> Iterator[RunStoreError]:
        """Compare the number of epochs with those that were read as parts of runs."""
        try:
            ((stored,),) = self.rows("SELECT count(*) FROM epochs", ())
        except RunStoreError as error:
            yield error
            return
        if stored != n_read:
            yield self._damage(f"({stored} epochs, {n_read} of them in runs)")

    def _heads(self, where: str, values: Row) -> Iterator[Row]:
        checksum = "checksum" if self.schema > 1 else "NULL"
        columns = f"experiment_id, seed, name, description, provenance, started, {checksum}"
        return self.rows(f"SELECT {columns} FROM runs WHERE {where}", values)

    def _head(self, experiment_id: str, seed: int) -> StoredRun | None:
        """Read the row of a run, without its epochs."""
        key = (experiment_id, seed)
        found = list(self._heads(RUN, key))
        if not found and self.n_epochs(*key):
            raise self._damaged_run(key, "it has epochs, but its settings are missing")
        return self._checked(found[0]) if found else None

    def _checked(self, row: Row) -> StoredRun:
        try:
            return read_head(row)
        except ValueError as error:
            raise self._damaged_run(row, str(error)) from None

    def _with_epochs(self, run: StoredRun) -> StoredRun:
        """Read the epochs of a run into it."""
        for row in self._epoch_rows(RUN, (run.experiment_id, run.seed)):
            self._add(run, row)
        return run

    def _epoch(self, run: StoredRun, epoch: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read one epoch: its measurements and its provenance."""
        alone = changed(run, epochs=[{}] * epoch, resumed={})
        for row in self._epoch_rows(f"{RUN} AND epoch = ?", (run.experiment_id, run.seed, epoch)):
            self._add(alone, row)
        if len(alone.epochs) <= epoch:
            raise self._damage(f"at {run_words(run.experiment_id, run.seed)}, epoch {epoch} (it is missing)")
        return alone.epochs[epoch], alone.provenance_of(epoch)

    def _epoch_rows(self, where: str, values: Row) -> Iterator[Row]:
        columns = "epoch, made, measured, checksum" if self.schema > 1 else "epoch, '', measured, NULL"
        return self.rows(f"SELECT {columns} FROM epochs WHERE {where} ORDER BY epoch", values)

    def _add(self, run: StoredRun, row: Row) -> None:
        try:
            add_epoch(run, row, words=self.schema == 1)
        except ValueError as error:
            raise self._damaged_run((run.experiment_id, run.seed), str(error), f", epoch {str(row[0])[:20]}") from None

    def _damaged_run(self, row: Row, why: str, where: str = "") -> RunStoreError:
        return self._damage(f"at {run_words(*row[:2])}{where} ({why[:100]})")

    def _damage(self, where: str) -> RunStoreError:
        return RunStoreError(str(self.damage(where)))


def _with_version(provenance: Mapping[str, Any]) -> dict[str, Any]:
    return {"neurondeath": __version__, **provenance}
