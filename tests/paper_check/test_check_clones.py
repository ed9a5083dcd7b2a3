"""The checker of cloned units: its gradients against finite differences, its updates against PyTorch's."""

import numpy as np
import pytest
import torch

from neurondeath.paper_check.checkers.trainability import clones
from neurondeath.paper_check.evidence import Setting


def loss(parameters, x, y, keep):
    first, c, second, d, last = parameters
    h = np.maximum(x @ first.T + c, 0.0) * keep[0]
    return np.square(np.maximum(h @ second.T + d, 0.0) * keep[1] @ last.T - y).sum() / (2 * len(x))


def test_gradients_are_finite_differences():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, clones.INPUTS)), rng.standard_normal((7, clones.OUTPUTS))
    parameters = [each + 0.1 * rng.standard_normal(each.shape) for each in clones._network(rng)]
    keep = [(rng.random(2 * clones.WIDTH) > 0.3) * 1.3 for _ in range(2)]
    for parameter, gradient in zip(parameters, clones._gradients(parameters, x, y, keep), strict=True):
        for place in [tuple(rng.integers(parameter.shape)) for _ in range(5)]:
            kept, values = parameter[place], []
            for step in (1e-5, -1e-5):
                parameter[place] = kept + step
                values.append(loss(parameters, x, y, keep))
            parameter[place] = kept
            assert gradient[place] == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-8)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.1)),
        ("momentum", lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9)),
        ("adam", lambda p: torch.optim.Adam(p, lr=1e-2)),
    ],
)
def test_updates_are_those_of_pytorch(name, make):
    rng = np.random.default_rng(1)
    ours = [rng.standard_normal((3, 2))]
    theirs = torch.nn.Parameter(torch.tensor(ours[0]))
    optimiser, update = make([theirs]), clones.UPDATES[name]()
    for step in range(1, 6):
        gradient = rng.standard_normal((3, 2))
        update(ours, [gradient], step)
        theirs.grad = torch.tensor(gradient)
        optimiser.step()
    np.testing.assert_allclose(ours[0], theirs.detach().numpy(), rtol=1e-7, atol=1e-9)


def test_units_that_are_no_clones_part():
    rng = np.random.default_rng(2)
    parameters = clones._network(rng)
    assert all((w[: clones.WIDTH] == w[clones.WIDTH :]).all() for w in (parameters[0], parameters[2]))
    claim = {"optimisers": ["sgd"], "relation": "<=", "right": 1e-6}
    found = clones.apart_after_training(setting=Setting(), noise="dropout", **claim)
    assert found.verdict.value == "REFUTED"
    assert min(found.numbers["distance"]) > 0.01


@pytest.mark.parametrize("relation", ["<=", ">="])
def test_every_network_must_satisfy_the_claim(monkeypatch, relation):
    distances = iter([0.0, 1.0, 0.0, 1.0])
    monkeypatch.setattr(clones, "_train", lambda *rest: next(distances))
    found = clones.apart_after_training(
        setting=Setting(), optimisers=["sgd"], noise="none", relation=relation, right=0.5
    )
    assert found.verdict.value == "REFUTED"
    assert found.points == 4
