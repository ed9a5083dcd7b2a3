"""What can go wrong with a store, and SQLite's words for it in ours."""

import sqlite3

from neurondeath_theory.foundation.errors import NeuronDeathError

__all__ = ["BUSY_SECONDS", "FAILURES", "ContradictionError", "OverlapError", "StoreError", "damage", "explain"]

BUSY_SECONDS = 60.0  # to wait for another process
FAILURES = (sqlite3.Error, UnicodeError)  # the latter from names of a damaged file in SQLite's own messages


class StoreError(NeuronDeathError):
    """A store cannot be opened, read or written, or two stores contradict each other."""


class OverlapError(StoreError):
    """A shard shares trials with a stored one and is not the same stretch: another run has cut the grid elsewhere."""


class ContradictionError(StoreError):
    """A shard is stored with other numbers."""


def damage(path: str, where: str) -> StoreError:
    """Word that a file is not as it was written."""
    return StoreError(f"the store {path!r} is damaged {' '.join(where.split())}; restore a copy or name another file")


def explain(error: Exception, path: str, verb: str) -> StoreError:
    """Word what SQLite found wrong while it was to "read" or "write" a store."""
    kind = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    kept = "what was finished is kept"
    match kind:
        case _ if isinstance(error, UnicodeError) or kind == sqlite3.SQLITE_CORRUPT:
            return damage(path, f"({error})")
        case sqlite3.SQLITE_NOTADB:
            return StoreError(f"{path!r} is not a neurondeath store; name another file")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return StoreError(f"cannot {verb} the store {path!r} ({error}); name a file in a folder you can {verb}")
        case sqlite3.SQLITE_FULL:
            return StoreError(f"no room left for the store {path!r}; {kept}: free some and run the same command again")
        case sqlite3.SQLITE_IOERR:
            return StoreError(
                f"the disk refused to {verb} the store {path!r} ({error}); {kept}: see that there is room and that "
                "the file may grow, and run the same command again"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError(f"the store {path!r} stayed locked for {BUSY_SECONDS:g} s by another process")
    return StoreError(f"the store {path!r} failed: {error}")
