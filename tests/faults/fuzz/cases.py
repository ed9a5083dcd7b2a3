"""A case: one invocation with its files, streams, environment and limits, drawn from a seed."""

import importlib
import random
import shlex
from dataclasses import dataclass, field

from tests.faults.fuzz.invocations import ALWAYS_REFUSED, BASES

__all__ = ["FAMILIES", "Case", "Plant", "base", "draw", "ends_well"]

# cases per family in a full campaign: 600 per subcommand
FAMILIES = {"numbers": 130, "names": 130, "files": 130, "streams": 65, "contradictions": 80, "environments": 65}


@dataclass(frozen=True)
class Plant:
    """A hostile file: its path in the folder of the case, what it is, and the seed of what is random in it."""

    path: str
    recipe: str
    seed: int = 0


@dataclass(frozen=True)
class Case:
    """An invocation, and what is known about its right outcome."""

    subcommand: str
    family: str
    index: int
    seed: int
    arguments: tuple[str, ...]
    about: str  # what is hostile about it
    plants: tuple[Plant, ...] = ()
    environment: dict[str, str | None] = field(default_factory=dict)  # None: not set
    streams: dict[str, str] = field(default_factory=dict)  # stdin, stdout, stderr -> state
    limits: dict[str, int] = field(default_factory=dict)
    steps: tuple[str, ...] = ()  # what is done to the process before it begins
    signal: tuple[int, float] | None = None  # number, seconds
    real: bool = False  # a new interpreter, not a fork of one that has imported everything
    patience: float = 6.0  # seconds of CPU after which the case is interrupted
    bad: tuple[str, str] | None = None  # the option that was made bad, with its value
    refused: bool = False  # exit code 2 is the only right one
    valid: bool = False  # exit code 0 is the only right one

    @property
    def name(self):
        """The words that name the case on a command line."""
        return f"{self.subcommand} {self.family} {self.index} --seed {self.seed}"

    @property
    def command(self):
        """The invocation as a shell would read it."""
        return shlex.join(["neurondeath", self.subcommand, *self.arguments])


def draw(subcommand, family, index, seed):
    """Draw a case; the same four values give the same case."""
    choose = random.Random(f"{seed}/{subcommand}/{family}/{index}")
    make = importlib.import_module(f"tests.faults.fuzz.{family.rstrip('s')}_cases").make
    return make(choose, subcommand, {"subcommand": subcommand, "family": family, "index": index, "seed": seed})


def base(choose, subcommand):
    """Choose a valid invocation; return its words."""
    return choose.choice(BASES[subcommand]).split()


def ends_well(subcommand):
    """Whether the invocations of a subcommand in `BASES` end with exit code 0."""
    return subcommand not in ALWAYS_REFUSED
