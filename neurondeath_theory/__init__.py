"""Closed forms and exact results on whether rectifier networks live; numpy and scipy only."""

from typing import TYPE_CHECKING

from neurondeath_theory._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "AssumptionError": "neurondeath_theory.errors",
        "InvalidArgumentError": "neurondeath_theory.errors",
        "MissingExtraError": "neurondeath_theory.errors",
        "NeuronDeathError": "neurondeath_theory.errors",
        "OneDimensionalSurvival": "neurondeath_theory.born_dead",
        "PiecewiseLinear": "neurondeath_theory.activations",
        "SurvivalBounds": "neurondeath_theory.survival",
        "TwoPointSurvival": "neurondeath_theory.two_point",
        "absolute_value": "neurondeath_theory.activations",
        "clipped_shifted_relu": "neurondeath_theory.activations",
        "clipped_soft_threshold": "neurondeath_theory.activations",
        "hard_tanh": "neurondeath_theory.activations",
        "identity": "neurondeath_theory.activations",
        "leaky_relu": "neurondeath_theory.activations",
        "one_dimensional_survival": "neurondeath_theory.born_dead",
        "pair_survival": "neurondeath_theory.two_point",
        "relu": "neurondeath_theory.activations",
        "shifted_relu": "neurondeath_theory.activations",
        "soft_threshold": "neurondeath_theory.activations",
        "survival_bounds": "neurondeath_theory.survival",
        "two_point_survival": "neurondeath_theory.two_point",
    },
)

if TYPE_CHECKING:
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
    from neurondeath_theory.errors import AssumptionError as AssumptionError
    from neurondeath_theory.errors import InvalidArgumentError as InvalidArgumentError
    from neurondeath_theory.errors import MissingExtraError as MissingExtraError
    from neurondeath_theory.errors import NeuronDeathError as NeuronDeathError
    from neurondeath_theory.survival import SurvivalBounds as SurvivalBounds
    from neurondeath_theory.survival import survival_bounds as survival_bounds
    from neurondeath_theory.two_point import TwoPointSurvival as TwoPointSurvival
    from neurondeath_theory.two_point import pair_survival as pair_survival
    from neurondeath_theory.two_point import two_point_survival as two_point_survival
