"""`python -m tests.faults.acknowledging LOG ARGUMENTS...`: `neurondeath` with a log of what it has committed.

A line is written to LOG when `Store.add_many` has returned: from then on the shard must never be lost.
"""

import hashlib
import os
import sys
from collections.abc import Iterable

from neurondeath.__main__ import main
from neurondeath.simulations.stores.shards import Shard, pack_statistics
from neurondeath.simulations.stores.store import Store


def line(shard: Shard) -> str:
    digest = hashlib.sha256(pack_statistics(shard.statistics)).hexdigest()
    return f"{shard.task_id} {shard.seed} {shard.start} {shard.stop} {digest}\n"


def acknowledge(log: str) -> None:
    """Make every store of this process log what it has committed."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    add_many = Store.add_many

    def add_and_log(self: Store, shards: Iterable[Shard]) -> int:
        given = list(shards)
        added = add_many(self, given)
        if self.path != ":memory:" and not self.connection.in_transaction:
            os.write(file, "".join(line(shard) for shard in given).encode())
        return added

    Store.add_many = add_and_log  # type: ignore[method-assign]


if __name__ == "__main__":
    acknowledge(sys.argv[1])
    sys.argv = ["neurondeath", *sys.argv[2:]]
    sys.exit(main())
