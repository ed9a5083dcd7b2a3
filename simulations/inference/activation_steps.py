"""The steps that compute an activation of the theory."""

import math
from collections.abc import Sequence

import numpy as np

from neurondeath.simulations.inference.programs import Step
from neurondeath_theory.networks.activations import identity
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["activation_steps"]

# families that one threshold step computes: whether both sides are
SIDES = {
    "relu": 0.0,
    "shifted-relu": 0.0,
    "clipped-shifted-relu": 0.0,
    "soft-threshold": 1.0,
    "clipped-soft-threshold": 1.0,
    "hard-tanh": 1.0,
}


def activation_steps(phi: PiecewiseLinear, source: int) -> Sequence[Step]:
    """Return the steps that apply an activation to a value: one, or none for the identity.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import soft_threshold
    >>> activation_steps(soft_threshold(0.5), 3)[0].numbers
    (0.5, inf, 1.0)
    """
    if phi == identity():
        return ()
    if phi.family in SIDES:
        height = math.inf if phi.m is None else phi.m
        return (Step("threshold", (source,), numbers=(phi.tau or 0.0, height, SIDES[phi.family])),)
    table = np.concatenate([phi.kinks, phi.slopes, *phi.anchors]).astype(np.float32)
    return (Step("pieces", (source,), vector=table),)
