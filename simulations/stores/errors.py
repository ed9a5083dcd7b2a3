"""Errors of a store, and their messages in place of those of SQLite."""

import sqlite3

from neurondeath_theory.foundation.errors import NeuronDeathError

__all__ = ["BUSY_SECONDS", "FAILURES", "ContradictionError", "OverlapError", "StoreError", "damage", "explain"]

BUSY_SECONDS = 60.0  # waiting time for another process
FAILURES = (sqlite3.Error, UnicodeError)  # UnicodeError: messages of SQLite that quote names in a damaged file


class StoreError(NeuronDeathError):
    """A store cannot be opened, read or written, or two stores contradict each other."""


class OverlapError(StoreError):
    """A shard shares trials with a stored one but has other limits: another run used another shard grid."""


class ContradictionError(StoreError):
    """A shard is already stored with different numbers."""


def damage(path: str, where: str) -> StoreError:
    """Return the error for a file that is not as it was written."""
    return StoreError(f"the store {path!r} is damaged {' '.join(where.split())}; restore a copy or name another file")


def explain(error: Exception, path: str, verb: str) -> StoreError:
    """Return the error for a failure of SQLite to "read" or "write" a store."""
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
                f"the disk refused to {verb} the store {path!r} ({error}); {kept}: check that there is room and that "
                "the file may grow, and run the same command again"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError(f"the store {path!r} stayed locked for {BUSY_SECONDS:g} s by another process")
    return StoreError(f"the store {path!r} failed: {error}")
