"""A good store of four tasks, and edits that make of a copy of it a store that no run has written.

An edit is a function of the path of the copy; it changes at most one task, where it edits rows.
"""

import json
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurondeath.simulations.inputs.input_sets import input_set
from neurondeath.simulations.stores.schema import row_checksum, task_checksum
from neurondeath.simulations.stores.shards import Shard, pack_statistics
from neurondeath.simulations.stores.store import Store
from neurondeath.simulations.task import Task, identify
from neurondeath_theory.networks.network import Network

POINTS = input_set("gaussian:16", dimension=3)
CRUDE = Task(Network([3, 3]), POINTS)
SPLITTING = Task(Network([3, 3]), POINTS, estimator="splitting")
CONDITIONAL = Task(Network([3, 3]), POINTS, estimator="conditional")
DETAILED = Task(
    Network([3, 3], architecture="batch_norm"),
    POINTS,
    outputs=("dead_units", "sparsity", "variance", "correlation", "effective_rank"),
)
TRIALS = 20  # of every task, in two shards
SIMULATED = ["--width", "3", "--depth", "2", "--inputs", "gaussian:16", "--trials", str(TRIALS)]  # the first task

Craft = Callable[[Path], None]


@dataclass(frozen=True)
class Kind:
    """A kind of crafted store: how it is made from a good one, and what is to be refused."""

    name: str
    craft: Craft
    refused: str


def counts(alive=(8, 4), living=(24, 8), squares=(80, 20)):
    numbers = {"alive": alive, "living": living, "living_squares": squares}
    return {name: np.array(values, dtype=np.int64) for name, values in numbers.items()}


def averages(**changed):
    numbers = {
        "alive": (9.0, 8.0),
        "alive_squares": (9.0, 8.0),
        "living": (40.0, 30.0),
        "living_squares": (200.0, 150.0),
    }
    numbers |= changed
    return {name: np.array(values, dtype=np.float64) for name, values in numbers.items()}


def chains(**changed):
    numbers = {"log_dead": (-9.0, -8.0), "log_dead_squares": (9.0, 8.0), "log_alive": (-5.0, -6.0)}
    numbers |= {"log_alive_squares": (4.0, 5.0), "living": (40.0, 30.0), "living_squares": (200.0, 150.0)}
    numbers |= {"populations": (2.0, 2.0), "deadly": (2.0, 1.0), "effective": (30.0, 20.0)} | changed
    return {name: np.array(values, dtype=np.float64) for name, values in numbers.items()}


def details(**changed):
    whole = {
        "layerwise_alive": (9, 8),
        "dead_units": (3, 6),
        "dead_units_squares": (5, 8),
        "sparsity": (100, 120),
        "sparsity_squares": (1200, 1700),
        "correlation_trials": (10, 9),
        "log_variance_trials": (10, 9),
        "effective_rank_trials": (10, 8),
    }
    real = {
        "variance": (10.0, 11.0),
        "variance_squares": (12.0, 14.0),
        "correlation": (3.0, -1.0),
        "correlation_squares": (1.5, 0.5),
        "log_variance": (1.0, -2.0),
        "log_variance_squares": (2.0, 3.0),
        "log_variance_cubes": (1.5, -2.0),
        "log_variance_fourths": (5.0, 6.0),
        "effective_rank": (20.0, 12.0),
        "effective_rank_squares": (42.0, 20.0),
    }
    numbers = {name: np.array(values, dtype=np.int64) for name, values in whole.items()}
    numbers |= {name: np.array(values, dtype=np.float64) for name, values in real.items()}
    return counts() | numbers | {name: np.array(values, dtype=numbers[name].dtype) for name, values in changed.items()}


STATISTICS = {
    CRUDE.task_id: counts,
    SPLITTING.task_id: averages,
    CONDITIONAL.task_id: chains,
    DETAILED.task_id: details,
}


def make_good(path):
    """Write the store from which all kinds are made."""
    with Store(path) as store:
        for task in (CRUDE, SPLITTING, CONDITIONAL, DETAILED):
            store.add_task(task)
            for start in (0, TRIALS // 2):
                numbers = STATISTICS[task.task_id]()
                store.add(
                    Shard(task_id=task.task_id, seed=0, start=start, stop=start + TRIALS // 2, statistics=numbers)
                )


def edited(*statements: str) -> Craft:
    """Edit with SQL, without the constraints."""

    def craft(path):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute("PRAGMA writable_schema = ON")
            for statement in statements:
                connection.execute(statement)

    return craft


def with_row(task: Task = CRUDE, **values: Any) -> Craft:
    """Replace values of the second shard of a task; the checksum is right unless it is given."""

    def craft(path):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            where = (task.task_id, TRIALS // 2)
            query = "SELECT task_id, seed, start, stop, statistics FROM shards WHERE task_id = ? AND start = ?"
            (row,) = connection.execute(query, where).fetchall()
            row = dict(zip(("task_id", "seed", "start", "stop", "statistics"), row, strict=True)) | values
            if "checksum" not in row:
                packed = row["statistics"]
                raw = packed if isinstance(packed, bytes) else str(packed).encode()
                row["checksum"] = row_checksum(row["task_id"], row["seed"], row["start"], row["stop"], raw)
            setters = ", ".join(f"{name} = :{name}" for name in row)
            connection.execute(
                f"UPDATE shards SET {setters} WHERE task_id = :of AND start = :at",
                row | {"of": where[0], "at": where[1]},
            )

    return craft


def with_statistics(packed: Any, task: Task = CRUDE) -> Craft:
    """Replace the statistics of a shard by named arrays or by bytes."""
    return with_row(task, statistics=packed if isinstance(packed, bytes) else pack_statistics(packed))


def with_text(text: Any, checksum: Any = None) -> Craft:
    """Replace the description of the first task by a text."""

    def craft(path):
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            written = text if isinstance(text, str) else str(text)
            right = task_checksum(CRUDE.task_id, written) if checksum is None else checksum
            connection.execute(
                "UPDATE tasks SET description = ?, checksum = ? WHERE task_id = ?", (text, right, CRUDE.task_id)
            )

    return craft


def described(change: Callable[[dict[str, Any]], None], *, hashed: bool = True) -> Craft:
    """Change the description of the first task, everywhere under the id that is its hash."""

    def craft(path):
        description = json.loads(json.dumps(CRUDE.description()))
        change(description)
        text = json.dumps(description, sort_keys=True)
        try:
            task_id = identify(description) if hashed else CRUDE.task_id
        except (KeyError, TypeError):
            task_id = CRUDE.task_id
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            rows = connection.execute(
                "SELECT rowid, seed, start, stop, statistics FROM shards WHERE task_id = ?", (CRUDE.task_id,)
            ).fetchall()
            new = (task_id, text, task_checksum(task_id, text), CRUDE.task_id)
            connection.execute("UPDATE tasks SET task_id = ?, description = ?, checksum = ? WHERE task_id = ?", new)
            for rowid, *key, packed in rows:
                connection.execute(
                    "UPDATE shards SET task_id = ?, checksum = ? WHERE rowid = ?",
                    (task_id, row_checksum(task_id, *key, packed), rowid),
                )

    return craft


def put(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(description):
        part = description
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value

    return change


def drop(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(description):
        part = description
        for key in keys[:-1]:
            part = part[key]
        del part[keys[-1]]

    return change


def in_bytes(change: Callable[[bytearray], Any]) -> Craft:
    """Edit the bytes of the file."""

    def craft(path):
        content = bytearray(path.read_bytes())
        changed = change(content)
        path.write_bytes(content if changed is None else changed)

    return craft


def at(place: int, new: bytes) -> Craft:
    def change(content):
        content[place : place + len(new)] = new

    return in_bytes(change)


def packed_as(header: Any, body: bytes = bytes(48), after: bytes = b"") -> bytes:
    line = header if isinstance(header, bytes) else json.dumps(header).encode()
    return zlib.compress(line + b"\n" + body, 1) + after
