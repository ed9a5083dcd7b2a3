"""Options of grids for trainability: effective depth, scaled inputs, tailored slopes."""

import pytest

from neurondeath import Network, sweep
from neurondeath.simulations.sweeps.grid import Study, make_grid
from neurondeath.simulations.sweeps.grid_options import TAILORED
from neurondeath_theory.networks.activations import leaky_relu
from neurondeath_theory.trainability.tailored_slope import tailored_slope


def networks(**options):
    factors = [[{name: value} for value in values] for name, values in options.items()]
    return [task.network for task in make_grid([Study(factors=factors, spell=str)]).tasks]


def test_effective_depths_in_a_grid():
    found = networks(
        width=[4], depth=[10], architecture=["plain", "residual"], effective_depth=[1.0, 2.5], input_mean_square=[2.0]
    )
    assert [(one.architecture, one.effective_depth, one.input_mean_square) for one in found] == [
        ("plain", None, None),
        ("residual", 1.0, 2.0),
        ("residual", 2.5, 2.0),
    ]
    with pytest.raises(ValueError, match="effective_depth"):
        networks(width=[4], depth=[10], effective_depth=[1.0])


def test_slopes_follow_the_depth():
    found = networks(width=[4], depth=[20, 60], activation=[TAILORED])
    for network, depth in zip(found, (20, 60), strict=True):
        tailored = tailored_slope(depth)
        assert network.activation == tailored.activation == leaky_relu(tailored.negative_slope)
        assert network == Network(
            [4] * depth, activation=tailored.activation, init="gaussian", weight_variance=tailored.sigma_w2
        )
    (own,) = networks(width=[4], depth=[20], activation=[TAILORED], init=["orthogonal"])
    assert (own.init, own.weight_variance) == ("orthogonal", tailored_slope(20).sigma_w2)
    (own,) = networks(width=[4], depth=[20], activation=[TAILORED], init=["gaussian"], weight_variance=[2.0])
    assert own.weight_variance == 2.0
    both = networks(width=[4], depth=[20], activation=[TAILORED, "leaky-relu"], slope=[0.1])
    assert [network.activation for network in both] == [tailored_slope(20).activation, leaky_relu(0.1)]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"depth": [2]}, "activation.*2 layers.*use relu"),
        ({"depth": [20], "slope": [0.1]}, "slope.*left out for tailored"),
        ({"depth": [20], "activation": ["nosuch"]}, "activation.*tailored-leaky-relu"),
    ],
)
def test_refusals(options, named):
    with pytest.raises(ValueError, match=named):
        networks(width=[4], **{"activation": [TAILORED]} | options)


def test_columns_of_results():
    results = sweep(
        width=4,
        depth=6,
        architecture="residual",
        effective_depth=[1, 2],
        input_mean_square=1,
        trials=4,
        inputs="gaussian:3",
    )
    columns = results.columns()
    assert columns["effective_depth"] == [1.0, 2.0]
    assert columns["input_mean_square"] == [1.0, 1.0]
