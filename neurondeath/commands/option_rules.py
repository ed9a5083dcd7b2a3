"""Which options of a command go together; applied before the command runs.

A rule names options as they are written: "--width"; "--format json" is the option with that value, "--inputs digits:"
with a value that begins so; "NAME list" is an argument with that value; "no --inputs" stands for leaving an option out.
Only what stands on the command line counts, so that defaults never conflict.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from neurondeath.commands.arguments import Given, is_argument
from neurondeath_theory.foundation.validation import invalid

__all__ = ["OptionRules", "check_rules"]

ABSENT = "no "


@dataclass(frozen=True, kw_only=True)
class OptionRules:
    """The rules of one command.

    Attributes
    ----------
    alone : mapping of str to sequence of str
        Option -> the only others that may be given with it.
    needs : mapping of str to sequence of str
        Option -> others of which at least one must be given with it.
    excludes : mapping of str to sequence of str
        Option -> others that must not be given with it.
    remedies : mapping of str to str
        Option and one that it excludes, with a space between -> what to do in place.
    """

    alone: Mapping[str, Sequence[str]] = field(default_factory=dict)
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    excludes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remedies: Mapping[str, str] = field(default_factory=dict)


def check_rules(rules: OptionRules, given: Sequence[Given]) -> None:
    """Check that the options of a command line go together.

    Parameters
    ----------
    rules : OptionRules
        The rules of the command.
    given : sequence of Given
        The command line.

    Raises
    ------
    InvalidArgumentError
        Naming the option that cannot be used so, and the one that it contradicts or needs.
    """
    written = {name: one for one in given for name in _names(one)}
    for option, companions in rules.alone.items():
        for one in given if option in written else ():
            if one is not written[option] and not _names(one) & set(companions):
                beside = f"alone or with {_listed(companions)}" if companions else "alone"
                raise invalid(_shown(option), f"be used {beside}", f"{written[option]} {one}")
    for option, others in rules.excludes.items():
        for other in others:
            if option in written and other in written:
                received = f"{written[option]} {written[other]}"
                raise invalid(
                    _shown(option),
                    f"be used without {_shown(other)}",
                    received,
                    rules.remedies.get(f"{option} {other}", ""),
                )
    for option, others in rules.needs.items():
        if option in written and not any(_is_met(other, written) for other in others):
            rule = f"be used with {_listed(other for other in others if not other.startswith(ABSENT))}"
            raise invalid(_shown(option), rule, str(written[option]))


def _names(one: Given) -> set[str]:
    """Return the names under which rules know an option or argument that was given."""
    if is_argument(one.parameter):
        first = str(one.parameter.name).upper()
    elif one.value is None:
        return {one.name}
    else:
        first = str(one.parameter.opts[0])
    kind, colon, _ = str(one.value).partition(":")
    return {first, f"{first} {one.value}", f"{first} {kind}{colon}"}


def _is_met(other: str, written: Mapping[str, Given]) -> bool:
    if other.startswith(ABSENT):
        return other.removeprefix(ABSENT) not in written
    return other in written


def _shown(name: str) -> str:
    """Return the name of a rule as it is written on a command line."""
    return (name if name.startswith("-") else name.partition(" ")[2] or name) + ("M" if name.endswith(":") else "")


def _listed(names: Iterable[str]) -> str:
    *others, last = map(_shown, names)
    return f"{', '.join(others)} or {last}" if others else last
