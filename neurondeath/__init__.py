"""Decide, before anyone trains, whether a rectifier network will live.

>>> import neurondeath as nd
>>> print(nd.survival_bounds([3] * 20))
0.069209 <= P(alive through 20 layers) <= 0.99537
"""

from typing import TYPE_CHECKING

from neurondeath_theory._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "InputSet": "simulations.inputs",
        "InvalidArgumentError": "neurondeath_theory.errors",
        "Network": "neurondeath_theory.network",
        "NeuronDeathError": "neurondeath_theory.errors",
        "OneDimensionalSurvival": "neurondeath_theory.born_dead",
        "PiecewiseLinear": "neurondeath_theory.activations",
        "Simulation": "simulations.estimates",
        "SurvivalBounds": "neurondeath_theory.survival",
        "TwoPointSurvival": "neurondeath_theory.two_point",
        "__version__": "neurondeath_theory._version",
        "absolute_value": "neurondeath_theory.activations",
        "clipped_shifted_relu": "neurondeath_theory.activations",
        "clipped_soft_threshold": "neurondeath_theory.activations",
        "hard_tanh": "neurondeath_theory.activations",
        "identity": "neurondeath_theory.activations",
        "input_set": "simulations.inputs",
        "leaky_relu": "neurondeath_theory.activations",
        "one_dimensional_survival": "neurondeath_theory.born_dead",
        "pair_survival": "neurondeath_theory.two_point",
        "relu": "neurondeath_theory.activations",
        "shifted_relu": "neurondeath_theory.activations",
        "simulate": "simulations.monte_carlo",
        "soft_threshold": "neurondeath_theory.activations",
        "survival_bounds": "neurondeath_theory.survival",
        "two_point_survival": "neurondeath_theory.two_point",
    },
)

if TYPE_CHECKING:
    from neurondeath_theory._version import __version__ as __version__
    from neurondeath_theory.activations import PiecewiseLinear as PiecewiseLinear
    from neurondeath_theory.activations import absolute_value as absolute_value
    from neurondeath_theory.activations import clipped_shifted_relu as clipped_shifted_relu
    from neurondeath_theory.activations import clipped_soft_threshold as clipped_soft_threshold
    from neurondeath_theory.activations import hard_tanh as hard_tanh
    from neurondeath_theory.activations import identity as identity
    from neurondeath_theory.activations import leaky_relu as leaky_relu
    from neurondeath_theory.activations import relu as relu
    from neurondeath_theory.activations import shifted_relu as shifted_relu
    from neurondeath_theory.activations import soft_threshold as soft_threshold
    from neurondeath_theory.born_dead import OneDimensionalSurvival as OneDimensionalSurvival
    from neurondeath_theory.born_dead import one_dimensional_survival as one_dimensional_survival
    from neurondeath_theory.errors import InvalidArgumentError as InvalidArgumentError
    from neurondeath_theory.errors import NeuronDeathError as NeuronDeathError
    from neurondeath_theory.network import Network as Network
    from neurondeath_theory.survival import SurvivalBounds as SurvivalBounds
    from neurondeath_theory.survival import survival_bounds as survival_bounds
    from neurondeath_theory.two_point import TwoPointSurvival as TwoPointSurvival
    from neurondeath_theory.two_point import pair_survival as pair_survival
    from neurondeath_theory.two_point import two_point_survival as two_point_survival
    from simulations.estimates import Simulation as Simulation
    from simulations.inputs import InputSet as InputSet
    from simulations.inputs import input_set as input_set
    from simulations.monte_carlo import simulate as simulate
