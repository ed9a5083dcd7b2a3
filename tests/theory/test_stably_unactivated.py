"""Stably unactivated units against exact decisions of simulated networks."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import AssumptionError, InvalidArgumentError
from neurondeath_theory.survival.stably_unactivated import stably_unactivated_probability
from tests.references.statistical import assert_agrees, assert_refutes, seeds


def off_everywhere(w: np.ndarray, b: np.ndarray, v: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Decide v relu(Wx + b) + c <= 0 on all of R^d, for n >= d hyperplanes in general position.

    The function is affine on every cell of the hyperplanes, and every cell is spanned by vertices (d hyperplanes meet)
    and rays along lines (d - 1 meet): it stays below zero when it does at all vertices and falls along all rays.
    """
    trials, n, d = w.shape
    off = np.ones(trials, dtype=bool)
    for chosen in itertools.combinations(range(n), d):
        meet = list(chosen)
        vertex = np.linalg.solve(w[:, meet], -b[:, meet, None])
        z = (w @ vertex)[..., 0] + b
        z[:, meet] = 0.0
        off &= (v * np.maximum(z, 0.0)).sum(axis=1) + c <= 0
    for chosen in itertools.combinations(range(n), d - 1):
        meet = list(chosen)
        direction = np.linalg.svd(w[:, meet])[2][:, -1] if meet else np.ones((trials, 1))
        slope = (w @ direction[..., None])[..., 0]
        slope[:, meet] = 0.0
        for sign in (1.0, -1.0):
            off &= (v * np.maximum(sign * slope, 0.0)).sum(axis=1) <= 0
    return off


@seeds
@pytest.mark.parametrize("law", ["gaussian", "uniform", "uneven"])
@pytest.mark.parametrize(("d", "n"), [(1, 1), (1, 2), (2, 2), (2, 3), (3, 4)])
def test_simulated_networks(seed: int, law: str, d: int, n: int) -> None:
    rng = np.random.default_rng([seed, d, n, len(law)])
    trials = 200_000 if n > d else 40_000
    shapes = [(trials, n, d), (trials, n), (trials, n), (trials,)]
    w, b, v, c = (rng.uniform(-1, 1, s) if law == "uniform" else rng.standard_normal(s) for s in shapes)
    if law == "uneven":  # the probability does not depend on the scales, nor on the shape
        b, v, c = 10 * b, v**3, 0.1 * c
    off = off_everywhere(w, b, v, c)
    share = off.mean()
    stderr = math.sqrt(share * (1 - share) / trials)
    assert_agrees(share, stderr, stably_unactivated_probability(d, n))
    assert_refutes(share, stderr, 2.0 ** -(n + 1) * (1.0 if n == d + 1 else 2.0))


def test_off_everywhere_agrees_with_a_fine_grid() -> None:
    """The decision itself, tested where a grid can cover the whole line."""
    rng = np.random.default_rng(1)
    w, b, v, c = (rng.standard_normal(s) for s in [(500, 2, 1), (500, 2), (500, 2), (500,)])
    off = off_everywhere(w, b, v, c)
    x = np.concatenate([-np.geomspace(1e-4, 1e4, 4000), [0.0], np.geomspace(1e-4, 1e4, 4000)])
    h = np.maximum(w * x + b[..., None], 0.0)
    highest = ((v[..., None] * h).sum(axis=1) + c[:, None]).max(axis=1)
    assert (highest[off] <= 1e-9).all()
    assert (highest[~off] > -1e-2).all()
    assert (highest[~off] > 0).mean() > 0.97


def test_sign_patterns_of_a_narrow_layer() -> None:
    """Up to the input dimension, h fills the orthant: count the patterns of (v, c) without a positive entry."""
    for n in (1, 2, 5):
        patterns = list(itertools.product([-1, 1], repeat=n + 1))
        assert stably_unactivated_probability(7, n) == sum(max(p) < 0 for p in patterns) / len(patterns)


def test_closed_form() -> None:
    for d in range(1, 25):
        assert Fraction(stably_unactivated_probability(d, d + 1)) == Fraction(2**d + 1, 4 ** (d + 1))
        assert Fraction(stably_unactivated_probability(d, d)) == Fraction(1, 2 ** (d + 1))
    assert stably_unactivated_probability(10**6, 10**6) == 0.0


def test_wider_layers_are_withheld() -> None:
    with pytest.raises(AssumptionError, match="at most 3"):
        stably_unactivated_probability(2, 4)


@pytest.mark.parametrize("value", [0, -1, 1.5, math.nan, "3", None])
def test_refuses(value) -> None:
    with pytest.raises(InvalidArgumentError, match="`input_dim` must be"):
        stably_unactivated_probability(value, 1)
    with pytest.raises(InvalidArgumentError, match="`width` must be"):
        stably_unactivated_probability(1, value)
