"""Activations by name on the command line."""

from collections.abc import Callable

from neurondeath_theory import activations
from neurondeath_theory._validation import check_choice, invalid
from neurondeath_theory.activations import PiecewiseLinear

__all__ = ["ACTIVATIONS", "read_activation"]

# name: (constructor, the options it takes in order)
ACTIVATIONS: dict[str, tuple[Callable[..., PiecewiseLinear], tuple[str, ...]]] = {
    "relu": (activations.relu, ()),
    "leaky-relu": (activations.leaky_relu, ("slope",)),
    "shifted-relu": (activations.shifted_relu, ("tau",)),
    "soft-threshold": (activations.soft_threshold, ("tau",)),
    "clipped-shifted-relu": (activations.clipped_shifted_relu, ("tau", "m")),
    "clipped-soft-threshold": (activations.clipped_soft_threshold, ("tau", "m")),
    "hard-tanh": (activations.hard_tanh, ("m",)),
    "absolute-value": (activations.absolute_value, ()),
    "identity": (activations.identity, ()),
}


def read_activation(name: str, *, tau: float | None, m: float | None, slope: float | None) -> PiecewiseLinear:
    """Build an activation from its name and its options; options it does not take are refused."""
    make, takes = ACTIVATIONS[check_choice("--activation", name, tuple(ACTIVATIONS))]
    given = {"tau": tau, "m": m, "slope": slope}
    for option, value in given.items():
        if option in takes and value is None:
            raise invalid(f"--{option}", f"be given for {name}", None)
        if option not in takes and value is not None:
            raise invalid(f"--{option}", f"be left out for {name}", value)
    return make(*(given[option] for option in takes))
