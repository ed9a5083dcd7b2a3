"""What silence proves: the bound holds whenever one looks."""

import numpy as np
import pytest

from neurondeath_torch.watching.silence import firing_rate_bound


def test_the_bound_on_firing_holds_whenever_one_looks():
    """Units that fire with probability p: the bound never falls to p while they are silent, with 95 % confidence."""
    rng, n_units, horizon = np.random.default_rng(5), 20_000, 3000
    for p in (0.002, 0.02, 0.2, 0.6):
        silent_for = np.minimum(rng.geometric(p, n_units) - 1, horizon)
        crossed = next((n for n in range(1, horizon + 1) if firing_rate_bound(n) <= p), horizon + 1)
        missed = float((silent_for >= crossed).mean())
        assert missed <= 0.05
        assert missed == pytest.approx((1.0 - p) ** crossed if crossed <= horizon else 0.0, abs=0.005)


@pytest.mark.parametrize("n", [1, 7, 100, 10**9])
def test_the_bound_on_firing_is_above_that_of_a_single_look(n):
    assert 1.0 - 0.05 ** (1.0 / n) < firing_rate_bound(n) < 1.0
    assert firing_rate_bound(n, confidence=0.99) > firing_rate_bound(n)
