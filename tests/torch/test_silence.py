"""What silence proves: the bound holds whenever one looks; how many units are silent by chance."""

import numpy as np
import pytest
import torch
from torch import nn

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.networks.silence import firing_rate_bound, new_firing_bound, silent_by_chance
from neurondeath_torch.surgery.removal import remove_dead_units


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


def first_firings(fired):
    """Return the number of the first row, from 1, on which each column is true; 0 for none."""
    return np.where(fired.any(0), fired.argmax(0) + 1, 0)


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.5])
def test_the_bound_on_new_firings_holds(rate):
    """Units of very different rates: the share of inputs that fire a silent one is below the bound in 95 % of runs."""
    rng, n, repeats = np.random.default_rng(11), 120, 1500
    rates = np.minimum(np.exp(rng.normal(-1.0, 2.0, 80)) * rate / n, 1.0)
    missed = 0
    for _ in range(repeats):
        first = first_firings(rng.random((n, 80)) < rates)
        share = 1.0 - np.prod(1.0 - rates[first == 0])
        missed += share > new_firing_bound(first, n)
    assert missed / repeats <= 0.05 + 2.6 * (0.05 * 0.95 / repeats) ** 0.5
    optimistic = sum(
        1.0 - np.prod(1.0 - rates[(first := first_firings(rng.random((n, 80)) < rates)) == 0]) > 0.2 / n
        for _ in range(200)
    )
    assert optimistic / 200 > 0.05 or rate == 0.0  # a bound that were too small is found out


def test_removal_says_on_which_share_of_inputs_a_removed_unit_fires():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 300), nn.ReLU(), nn.Linear(300, 20), nn.ReLU(), nn.Linear(20, 2))
    with torch.no_grad():
        model[0].weight.normal_()
        model[0].bias.normal_(-5.0, 2.0)
    x = torch.randn(20_400, 4)
    whole = nn.Sequential(*model)
    with torch.no_grad():
        active, behind = whole[:2](x) > 0, whole[:4](x) > 0
    removal = remove_dead_units(model, [x[:150], x[150:400]])
    first = first_firings(torch.cat([active, behind], dim=1)[:400].numpy())
    assert removal.moved_share == new_firing_bound(first, 400)
    gone = removal.removed[0]
    measured = float(active[400:, gone].any(1).float().mean())
    assert 0.0 < measured <= removal.moved_share < 0.2
    assert "of other inputs fire a removed unit" in str(removal)


def test_points_that_cannot_be_told_apart_give_no_bound():
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(3, 5), nn.Linear(5, 2)

        def forward(self, x):
            first, second = torch.relu(self.first(x)).chunk(2)
            return torch.cat([self.last(first), self.last(second)])

    torch.manual_seed(0)
    model = Halves()
    with torch.no_grad():
        model.first.bias[1] = -100.0
    removal = remove_dead_units(model, torch.randn(40, 3))
    assert removal.n_removed == 1
    assert removal.moved_share is None
    assert "of other inputs" not in str(removal)
