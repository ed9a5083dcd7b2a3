"""Laws of the weights named on the command line: FILE.py:name of a `Law`, or of a function that draws one layer."""

from typing import Any

from neurondeath.commands.python_files import load_object
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.networks.law import Law

__all__ = ["with_laws"]


def with_laws(inits: list[Any]) -> list[Any]:
    """Replace every FILE.py:name or module:name among values of --init by the law it names.

    Raises
    ------
    InvalidArgumentError
        If there is no such law, or its sampler is refused.
    """
    return [_load(init) if isinstance(init, str) and ":" in init else init for init in inits]


def _load(spec: str) -> Law:
    found = load_object("--init", spec, "my_laws.py:heavy_tails")
    if isinstance(found, Law):
        return found
    if not callable(found):
        raise invalid("--init", "name a Law, or a function of (rng, fan_in, fan_out)", type(found).__name__)
    return Law(spec.rpartition(":")[2].replace(".", "_"), found)
