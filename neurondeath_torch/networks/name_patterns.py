"""Names of layers given as they are or as patterns, such as `encoder.*.fc1`, in the manner of file names (fnmatch)."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from neurondeath_theory.foundation.validation import did_you_mean, invalid, listed

__all__ = ["check_patterns", "is_pattern", "matches", "matching_names"]


def is_pattern(name: str) -> bool:
    """Whether a name has a wildcard: *, ? or [."""
    return any(sign in name for sign in "*?[")


def check_patterns(name: str, patterns: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Accept a name or pattern, or several; None stands for all.

    Examples
    --------
    >>> check_patterns("layers", "fc*"), check_patterns("layers", ["a", "b"]), check_patterns("layers", None)
    (('fc*',), ('a', 'b'), None)
    """
    if patterns is None:
        return None
    rule = "be names of layers or patterns such as 'encoder.*'"
    if not isinstance(patterns, Iterable):
        raise invalid(name, rule, patterns)
    given = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    for one in given:
        if not isinstance(one, str):
            raise invalid(name, rule, one)
    return given


def matches(patterns: Sequence[str] | None, *names: str | None) -> bool:
    """Whether one of several names of a thing is one of the names or fits one of the patterns."""
    if patterns is None:
        return True
    return any(name is not None and (name == one or fnmatchcase(name, one)) for one in patterns for name in names)


def matching_names(argument: str, patterns: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return the names that are given or fit a pattern, in the order of the names.

    Raises
    ------
    InvalidArgumentError
        If a name is unknown or a pattern fits none.

    Examples
    --------
    >>> matching_names("layers", ["b.*", "a"], ["a", "b.1", "b.2", "c"])
    ['a', 'b.1', 'b.2']
    """
    given = list(patterns)
    for one in given:
        if not any(matches([one], name) for name in names):
            near = did_you_mean(one, names)
            raise invalid(argument, f"name layers among {listed(list(names))}", one, near)
    return [name for name in names if matches(given, name)]
