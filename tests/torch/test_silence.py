"""What silence proves: the bound holds whenever one looks; how many units are silent by chance."""

import numpy as np
import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.watching.silence import firing_rate_bound, silent_by_chance


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


@pytest.mark.parametrize(("spread", "least"), [(0.0, 0.97), (1.0, 0.5)])
def test_the_number_silent_by_chance_is_near_the_truth_and_not_above(spread, least):
    """Units of equal rates: the mean estimate is the truth; of different rates: below it. Dead units do not count."""
    rng, n, repeats = np.random.default_rng(7), 200, 400
    rates = np.minimum(np.exp(rng.normal(0.0, spread, 600)) / n, 1.0)
    truth = float(((1.0 - rates) ** n).sum())
    fired = rng.binomial(n, rates, (repeats, 600))
    dead = np.zeros((repeats, 300), dtype=int)
    found = [silent_by_chance(row, n) for row in np.concatenate([fired, dead], axis=1)]
    error = float(np.std(found)) / repeats**0.5
    assert least * truth <= np.mean(found) <= truth + 3.0 * error
    assert np.mean([silent_by_chance(row, n) for row in dead]) == 0.0


def test_an_audit_says_how_many_units_are_silent_by_chance():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 400), nn.ReLU(), nn.Linear(400, 1))
    with torch.no_grad():
        model[0].weight.normal_()
        model[0].bias.normal_(-5.0, 2.0)
    x = torch.randn(5200, 4)
    result = audit(model, x[:200])
    expected = result.report.silent_by_chance
    with torch.no_grad():
        active = model[1](model[0](x)) > 0
    revived = int((~active[:200].any(0) & active.any(0)).sum())
    assert expected is not None
    assert 0.3 * revived < expected < 1.5 * revived
    assert f"at least about {round(expected)} of them are silent by chance" in str(result)


@pytest.mark.parametrize("fired", [[-1, 2], [5], [0.5], [[1]]])
def test_counts_that_cannot_be_are_refused(fired):
    with pytest.raises(InvalidArgumentError, match="`n_fired` must hold integers from 0 to 4"):
        silent_by_chance(fired, 4)
