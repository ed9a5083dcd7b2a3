"""Names: unknown, misspelt and repeated options, and hostile texts as values and arguments."""

from tests.faults.fuzz.cases import Case, base
from tests.faults.fuzz.contract import MARK
from tests.faults.fuzz.invocations import hostile_words
from tests.faults.fuzz.parameters import parameters
from tests.faults.fuzz.words import arguments_of, set_option

__all__ = ["make"]

LONG = ("x" * 300, "x" * 5000, "y" * 100000, "é" * 300)
MARKED = (f"{MARK}\x1b[0m", f"a{MARK}", "\udcff\udcfe")
TEXTS = (*hostile_words["texts"], *hostile_words["almost"], *LONG, *MARKED)


def make(choose, subcommand, identity):
    """Draw a case with one hostile name."""
    words = base(choose, subcommand)
    known = parameters(subcommand)
    flags = [word for one in known if one.kind == "flag" for word in (one.option, one.off)]
    streams = {"stdout": "terminal", "stderr": "terminal"} if choose.random() < 0.15 else {}
    kind = choose.random()
    taking = [one for one in known if one.option and one.kind not in ("flag", "int", "float")]
    if kind < 0.2:
        wrong = _unknown_option(choose, known)
        arguments = [wrong, *words] if choose.random() < 0.5 else [*words, wrong]
        about, refused, bad = f"unknown option {wrong[:60]!r}", wrong not in ("-h", "--help"), (wrong.split("=")[0], "")
        if not wrong.startswith("--") or wrong.startswith("---") or len(wrong) > 40 or not wrong.isprintable():
            bad = None  # a run of short options may be named by its first letter
    elif kind < 0.28:
        valued = [one for one in known if one.option and one.kind != "flag"]
        if not valued:
            return Case(**identity, arguments=(*words, *words), about="all arguments twice", refused=True)
        chosen = choose.choice(valued)
        arguments, about, refused, bad = (
            [*words, chosen.option],
            f"{chosen.option} without a value",
            True,
            (chosen.option, ""),
        )
        if words and words[-1] == "--quiet":
            arguments = [*words[:-1], chosen.option]
    elif kind < 0.36:
        chosen = choose.choice([one for one in known if one.kind == "flag"] or [None])
        word = f"{chosen.option}={choose.choice(('true', '1', '', 'x', MARK))}" if chosen else "--help=1"
        arguments, about, refused, bad = (
            [*words, word],
            f"a flag with a value, {word!r}",
            True,
            (word.split("=")[0], ""),
        )
    elif kind < 0.75 and taking:
        chosen = choose.choice(taking)
        value = choose.choice(TEXTS)
        arguments, about = set_option(words, chosen.option, value), f"{chosen.option} {value[:40]!r}"
        refused = chosen.kind == "choice" and value not in chosen.choices
        bad = (chosen.option, value)
    else:
        places = arguments_of(words, flags)
        value = choose.choice(TEXTS)
        if places and choose.random() < 0.7:
            at = choose.choice(places)
            arguments = [*words[:at], value, *words[at + 1 :]]
        else:
            arguments = [*words, value]
        option_like = value.startswith("-")
        about, refused, bad = f"argument {value[:40]!r}", False, None if option_like else ("", value)
    return Case(**identity, arguments=tuple(arguments), about=about, streams=streams, refused=refused, bad=bad)


def _unknown_option(choose, known):
    options = [one.option for one in known if one.option] or ["--help"]
    name = choose.choice(options)
    letters = list(name)
    at = choose.randrange(2, len(letters)) if len(letters) > 2 else 0
    changes = (
        lambda: name[:at] + name[at + 1 :] + "q",
        lambda: name[:at] + "qq" + name[at:],
        lambda: name.upper(),
        lambda: name[1:],
        lambda: name.replace("--", "---"),
        lambda: name.replace("--", "—"),
        lambda: f"--no{name[1:]}x",
        lambda: f"{name}_x=3",
        lambda: f"--{MARK}",
        lambda: "--" + "z" * 500,
        lambda: "--\udcff",
        lambda: "--ünknown",
        lambda: "-xyz",
        lambda: "-9",
        lambda: "--=3",
    )
    return choose.choice(changes)()
