"""Contradictions: pairs that the help excludes, options given twice, and random sets of valid options."""

from tests.faults.fuzz.cases import Case, base
from tests.faults.fuzz.invocations import BASES, CONTRADICTIONS, values
from tests.faults.fuzz.parameters import parameters
from tests.faults.fuzz.words import without_option

__all__ = ["make"]

FEW = 4  # options of a subcommand that has no pairs to speak of
FREE_WITH_ACTION = ("--format", "--columns")  # `--grid-keys --format csv` is a table like others


def make(choose, subcommand, identity):
    """Draw a case with options that may not go together."""
    kind = choose.random()
    options = [one for one in parameters(subcommand) if one.option]
    if kind < 0.25 and subcommand in CONTRADICTIONS:
        first, second = choose.choice(CONTRADICTIONS[subcommand])
        words = first.split() + second.split() if choose.random() < 0.5 else second.split() + first.split()
        if any(not word.startswith("-") for word in (first.split()[0], second.split()[0])):
            words = first.split() + second.split()
        return Case(**identity, arguments=tuple(words), about=f"{first} | {second}", refused=True)
    actions = [one for one in options if one.is_action]
    if kind < 0.4 and actions:
        action = choose.choice(actions)
        other = choose.choice([one for one in options if one is not action])
        words = [action.option, *_given(choose, subcommand, other)]
        return Case(
            **identity,
            arguments=tuple(words),
            about=f"{action.option} and {other.option}",
            refused=other.option not in FREE_WITH_ACTION,
        )
    once = [one for one in options if not one.multiple and len(values(subcommand, one)) > 1]
    if kind < 0.6 and once:
        chosen = choose.choice(once)
        first, second = choose.sample(values(subcommand, chosen), 2)
        words = [*without_option(base(choose, subcommand), chosen.option), chosen.option, first, chosen.option, second]
        about = f"{chosen.option} twice, {first!r} and {second!r}"
        return Case(**identity, arguments=tuple(words), about=about, refused=True, bad=(chosen.option, ""))
    words = base(choose, subcommand)
    if len(options) < FEW and choose.random() < 0.8:
        return _with_foreign_options(choose, subcommand, identity, words)
    added = choose.sample(options, min(len(options), choose.choice((1, 2, 2, 3, 3, 4))))
    for one in added:
        words = without_option(words, one.option) if one.kind != "flag" else words
        words += _given(choose, subcommand, one)
    about = "together: " + " ".join(one.option for one in added)
    return Case(**identity, arguments=tuple(words), about=about)


def _with_foreign_options(choose, subcommand, identity, words):
    """Add arguments and options of another subcommand."""
    other = choose.choice([name for name in BASES if name != subcommand])
    known = {one.option for one in parameters(subcommand)}
    foreign = [one for one in parameters(other) if one.option and one.option not in known]
    added = choose.sample(foreign, min(len(foreign), choose.choice((1, 1, 2, 3))))
    given = [word for one in added for word in _given(choose, other, one)]
    extra = base(choose, subcommand)[:1] if choose.random() < 0.4 else []
    arguments = (*words, *extra, *given) if choose.random() < 0.7 else (*given, *words, *extra)
    about = f"options of {other}: " + " ".join(one.option for one in added)
    return Case(**identity, arguments=tuple(arguments), about=about, refused=bool(given))


def _given(choose, subcommand, parameter):
    if parameter.kind == "flag":
        return [choose.choice([word for word in (parameter.option, parameter.off) if word])]
    return [parameter.option, choose.choice(values(subcommand, parameter))]
