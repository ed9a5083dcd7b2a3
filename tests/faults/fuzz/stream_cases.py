"""Streams: closed, full and broken ones, readers that end early, terminals, and signals at random moments."""

import signal

from tests.faults.fuzz.cases import Case, base, ends_well
from tests.faults.fuzz.invocations import LONG
from tests.faults.fuzz.parameters import parameters

__all__ = ["make"]

# stream, its state, share of the draws
STATES = (
    *(("stdout", state) for state in ("closed", "/dev/full", "broken", "head", "head", "terminal", "read only")),
    *(("stderr", state) for state in ("closed", "/dev/full", "broken", "terminal", "read only")),
    *(("stdin", state) for state in ("closed", "silent", "/dev/zero")),
)
SIGNALS = (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGINT, signal.SIGHUP)
LONGEST, LONGEST_OF_LONG = 0.3, 2.5  # seconds to a signal


def make(choose, subcommand, identity):
    """Draw a case with hostile streams or a signal."""
    words, valid = _invocation(choose, subcommand)
    real = choose.random() < 0.2
    if choose.random() < 0.3:
        number = int(choose.choice(SIGNALS))
        after = choose.uniform(0.0, LONGEST * (3 if real else 1))
        if subcommand in LONG and choose.random() < 0.6:
            words, after = choose.choice(LONG[subcommand]).split(), choose.uniform(0.0, LONGEST_OF_LONG)
        about = f"signal {number} after {after:.2f} s"
        return Case(**identity, arguments=tuple(words), about=about, signal=(number, after), real=real)
    streams = dict(choose.sample(STATES, choose.choice((1, 1, 1, 2))))
    about = ", ".join(f"{name} {state}" for name, state in streams.items())
    lost = streams.get("stdout") in ("/dev/full",)
    if streams.get("stdout") == "read only":  # a descriptor that cannot be written to may count as closed or as lost
        valid, lost = False, False
    return Case(
        **identity,
        arguments=tuple(words),
        about=about,
        streams=streams,
        real=real,
        valid=valid and not lost,
        refused=valid and lost,
    )


def _invocation(choose, subcommand):
    """Choose an invocation that ends well, sometimes one that is refused."""
    kind = choose.random()
    if kind < 0.12:
        return ["--help"], True
    if kind < 0.24:
        options = [one.option for one in parameters(subcommand) if one.option] or ["--help"]
        return [*base(choose, subcommand), f"{choose.choice(options)}q"], False
    return base(choose, subcommand), ends_well(subcommand)
