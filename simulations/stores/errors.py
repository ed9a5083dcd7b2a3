"""Errors of a store, and their messages in place of those of SQLite."""

import sqlite3

from neurondeath_theory.foundation.errors import NeuronDeathError
from neurondeath_theory.foundation.visible_text import visible

__all__ = ["BUSY_SECONDS", "FAILURES", "ContradictionError", "OverlapError", "StoreError", "damage", "explain"]

LONGEST_PLACE = 240  # characters of the place of a damage and of the finding of SQLite
BUSY_SECONDS = 60.0  # waiting time for another process
FAILURES = (sqlite3.Error, UnicodeError)  # UnicodeError: messages of SQLite that quote names in a damaged file


class StoreError(NeuronDeathError):
    """A store cannot be opened, read or written, or two stores contradict each other."""


class OverlapError(StoreError):
    """A shard shares trials with a stored one but has other limits: another run used another shard grid."""


class ContradictionError(StoreError):
    """A shard is already stored with different numbers."""


def damage(path: str, where: str, what: str = "store", kind: type[StoreError] = StoreError) -> StoreError:
    """Return the error for a file that is not as it was written."""
    at = visible(" ".join(where.split()))
    at = at if len(at) <= LONGEST_PLACE else f"{at[:LONGEST_PLACE]}...)"
    return kind(f"the {what} {path!r} is damaged {at}; restore a copy or name another file")


def explain(
    error: Exception, path: str, verb: str, what: str = "store", kind: type[StoreError] = StoreError
) -> StoreError:
    """Return the error for a failure of SQLite to "read" or "write" a file."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    reason = visible(str(error))
    kept = "what was finished is kept"
    match code:
        case sqlite3.SQLITE_TOOBIG if verb == "write":
            return kind(f"a row is too long for the {what} {path!r}; use fewer layers")
        case _ if isinstance(error, UnicodeError) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_TOOBIG):
            return damage(path, f"({reason})", what, kind)
        case sqlite3.SQLITE_NOTADB:
            return kind(f"{path!r} is not a neurondeath {what}; name another file")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return kind(f"cannot {verb} the {what} {path!r} ({reason}); name a file in a folder you can {verb}")
        case sqlite3.SQLITE_FULL:
            return kind(f"no room left for the {what} {path!r}; {kept}: free some and run the same command again")
        case sqlite3.SQLITE_IOERR:
            return kind(
                f"the disk refused to {verb} the {what} {path!r} ({reason}); {kept}: check that there is room and that "
                "the file may grow, and run the same command again"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return kind(f"the {what} {path!r} stayed locked for {BUSY_SECONDS:g} s by another process")
    return kind(f"the {what} {path!r} failed: {reason}")
