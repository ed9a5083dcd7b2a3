"""Numbers: hostile values in every option that takes one."""

from dataclasses import replace

from tests.faults.fuzz.cases import Case, base
from tests.faults.fuzz.invocations import NUMERIC_TEXT, hostile_words
from tests.faults.fuzz.parameters import parameters
from tests.faults.fuzz.words import set_option

__all__ = ["make"]

LONG = ("1" * 400, "9" * 5000, "-" + "9" * 60, "0." + "3" * 3000, "1e" + "9" * 300, "0" * 500 + "1")
HOSTILE, LISTS, LAX, NOT_FINITE = (hostile_words[name] for name in ("numbers", "lists", "lax", "not_finite"))
ODD = (*hostile_words["odd_numbers"], *LONG)
WHOLE_LISTS = ("--width", "--depth", "--widths", "--input-seed", "--block-depth")


def make(choose, subcommand, identity):
    """Draw a case with one hostile number, sometimes two."""
    words = base(choose, subcommand)
    numeric = [one for one in parameters(subcommand) if one.kind in ("int", "float") or one.option in NUMERIC_TEXT]
    numeric = [one for one in numeric if one.option]
    text = [one for one in parameters(subcommand) if one.kind not in ("flag", "choice") and one.option]
    chosen = choose.choice(numeric or text) if (numeric or text) and choose.random() < 0.95 else None
    value = _value(choose, chosen is not None and chosen.option in NUMERIC_TEXT)
    if chosen is None:
        return Case(**identity, arguments=(*words[:-1], value), about=f"{value[:40]!r} as the last word")
    arguments = set_option(words, chosen.option, value)
    case = Case(
        **identity,
        arguments=tuple(arguments),
        about=f"{chosen.option} {value[:60]!r}",
        bad=(chosen.option, value),
        refused=_never_right(chosen, value),
    )
    if len(numeric) > 1 and choose.random() < 0.15:
        other = choose.choice([one for one in numeric if one is not chosen])
        second = _value(choose, other.option in NUMERIC_TEXT)
        arguments = set_option(arguments, other.option, second)
        case = replace(
            case, arguments=tuple(arguments), about=f"{case.about}, {other.option} {second[:60]!r}", bad=None
        )
    return case


def _value(choose, listed):
    kind = choose.random()
    if listed and kind < 0.3:
        return choose.choice(LISTS)
    if kind < 0.7:
        return choose.choice(HOSTILE)
    if kind < 0.82:
        return choose.choice(ODD)
    if kind < 0.9:
        return str(choose.choice((1, -1)) * (2 ** choose.randrange(1, 80) + choose.choice((-1, 0, 1))))
    if kind < 0.96:
        return f"{choose.uniform(-1, 1) * 10.0 ** choose.randrange(-300, 300):.{choose.randrange(1, 17)}g}"
    return f"{choose.random():.{choose.randrange(1, 18)}g}"


def _never_right(parameter, value):
    """Whether no reading of the contract accepts the value."""
    if parameter.kind == "int":
        return value in LAX or value in NOT_FINITE or "." in value
    if parameter.kind == "float":
        return value in NOT_FINITE
    return parameter.option in WHOLE_LISTS and value in LAX
