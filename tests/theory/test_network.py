import json

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.activations import (
    absolute_value,
    clipped_shifted_relu,
    clipped_soft_threshold,
    hard_tanh,
    identity,
    leaky_relu,
    relu,
    shifted_relu,
    soft_threshold,
)
from neurondeath_theory.networks.network import ARCHITECTURES, INITS, SIGN_FLIPS, Network
from neurondeath_theory.networks.network_bounds import activation_table, bounds_that_hold, is_homogeneous, quiet_set
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_theory.networks.rai import rai_constant


def test_description_holds_only_what_differs_from_the_default():
    assert Network([3] * 100).description() == {"widths": [[3, 100]], "input_dim": 3}
    assert Network([3], init="gaussian", weight_variance=2.0) == Network([3])
    network = Network([8, 8, 2, 8], input_dim=5, init="gaussian", weight_variance=1.5, bias_variance=0.25)
    assert network.description() == {
        "widths": [[8, 2], [2, 1], [8, 1]],
        "input_dim": 5,
        "init": "gaussian",
        "weight_variance": 1.5,
        "bias_variance": 0.25,
    }
    assert Network.from_description(network.description()) == network
    assert network.fan_ins == (5, 8, 8, 2)


ACTIVATIONS = [
    relu(),
    shifted_relu(0.5),
    shifted_relu(-1.0),
    soft_threshold(0.7),
    clipped_shifted_relu(0.25, 1.5),
    clipped_soft_threshold(0.3, 0.7),
    clipped_soft_threshold(0.0, 0.5),
    leaky_relu(0.1),
    absolute_value(),
    hard_tanh(2.0),
    identity(),
    PiecewiseLinear([-1.0, 2.0], [0.5, -1.0, 3.0], value_at_zero=0.25),
]
NETWORKS = [
    *[Network([3, 3], activation=phi) for phi in ACTIVATIONS],
    Network([4] * 6, architecture="residual", bias_variance=0.5),
    Network([2, 4, 3, 4], input_dim=4, architecture="skip", block_depth=2),
    Network([2, 4, 3], input_dim=4, architecture="dense", init="uniform", weight_variance=1.5),
    Network([2, 4, 3], input_dim=4, architecture="batch_norm", init="orthogonal"),
    Network([3, 3], init="rai", sign_flip="layer"),
    Network([3, 3], init="orthogonal", sign_flip="neuron", bias_variance=1.0),
    Network([3, 3], init="torch-default"),
    Network([3, 3], init="truncated-normal", weight_variance=1.5),
    Network([3, 3], init="laplace", bias_law="weights"),
    Network([3, 3], init="student-t", degrees_of_freedom=2.5),
    Network([3, 3], init="student-t", degrees_of_freedom=4, bias_variance=0.5, architecture="residual"),
    Network([3, 3], init="sparse", zero_share=0.25, bias_variance=0.5),
    Network([3, 3], init="he", bias_law="weights"),
    Network([4, 6], init="looks-linear"),
    Network([4, 6], init="looks-linear-gaussian", activation=leaky_relu(0.2)),
]


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_descriptions_survive_json(network):
    text = json.dumps(network.description(), allow_nan=False)
    again = Network.from_description(json.loads(text))
    assert again == network
    assert hash(again) == hash(network)
    assert again.fan_ins == network.fan_ins
    assert json.dumps(again.description()) == text
    known = str(network.activation).replace("clipped_soft_threshold(tau=0, m=0.5)", "hard_tanh(0.5)")
    assert str(again.activation) == known  # the family's name comes back though it is not stored


def test_different_laws_have_different_descriptions():
    texts = [json.dumps(network.description(), sort_keys=True) for network in NETWORKS]
    assert len(set(texts)) == len(texts)
    # one law, one description
    assert Network([3, 3], architecture="skip", block_depth=1) == Network([3, 3], architecture="residual")
    assert Network([3], activation=shifted_relu(0.0)).description() == Network([3]).description()
    assert Network([3], init="uniform", weight_variance=2.0) == Network([3], init="uniform")
    assert Network([3], block_depth=1) == Network([3])
    third = Network([3], init="uniform", weight_variance=1 / 3, bias_law="weights")
    assert third.description() == {"widths": [[3, 1]], "input_dim": 3, "init": "torch-default"}


def test_shapes_and_scales():
    assert Network([2, 4, 3], input_dim=5, architecture="dense").fan_ins == (5, 7, 11)
    assert Network([2, 4, 3], input_dim=5).fan_ins == (5, 2, 4)
    rai = Network([3], init="rai")
    assert rai.weight_variance == rai_constant() ** 2
    assert rai.has_bias
    assert rai.bias_variance == 0
    assert not Network([3]).has_bias


def test_names_of_the_whole_law():
    assert str(Network([3, 3], init="rai")) == "plain relu network 3 -> 3x2, rai init"
    text = str(Network([3] * 4, input_dim=3, architecture="skip", block_depth=2, init="gaussian", weight_variance=1.5))
    assert text == "skip relu network 3 -> 3x4, blocks of 2, gaussian init (sw2 1.5)"
    assert str(Network([3], sign_flip="neuron", bias_variance=0.5)).endswith("bias variance 0.5, neuron sign flip")


HOLDS = [  # lower bound, living ratio, upper bound
    ({}, (True, True, True)),
    ({"init": "uniform"}, (True, True, True)),
    ({"init": "orthogonal"}, (True, True, False)),
    ({"init": "rai"}, (False, False, False)),
    ({"init": "torch-default"}, (True, True, True)),
    ({"init": "truncated-normal"}, (True, True, True)),
    ({"init": "laplace", "bias_law": "weights"}, (True, True, True)),
    ({"init": "student-t", "degrees_of_freedom": 3}, (True, True, True)),
    ({"init": "sparse", "zero_share": 0.5}, (False, False, True)),
    ({"init": "sparse", "zero_share": 0.5, "bias_law": "weights"}, (False, False, True)),
    ({"init": "sparse", "zero_share": 0.5, "bias_variance": 0.1}, (True, True, True)),
    ({"init": "sparse", "zero_share": 0.5, "activation": leaky_relu()}, (False, False, False)),
    ({"init": "sparse", "zero_share": 0.5, "activation": shifted_relu(-0.5)}, (True, False, False)),
    ({"init": "sparse", "zero_share": 0.5, "activation": shifted_relu(0.5)}, (False, False, True)),
    ({"init": "looks-linear"}, (True, True, True)),
    ({"init": "looks-linear-gaussian", "activation": leaky_relu()}, (True, True, True)),
    ({"sign_flip": "layer"}, (False, False, False)),
    ({"architecture": "batch_norm"}, (False, False, False)),
    ({"architecture": "residual"}, (True, True, True)),
    ({"architecture": "dense", "init": "orthogonal"}, (True, True, False)),
    ({"architecture": "skip", "block_depth": 2}, (True, True, True)),
    ({"activation": leaky_relu()}, (True, True, True)),
    ({"activation": leaky_relu(), "init": "rai"}, (True, True, True)),
    ({"activation": clipped_shifted_relu(0.0, 1.0)}, (True, True, True)),
    ({"activation": shifted_relu(0.5)}, (False, False, True)),
    ({"activation": shifted_relu(-0.5)}, (True, False, False)),
    ({"activation": soft_threshold(0.5)}, (False, False, False)),
    ({"activation": PiecewiseLinear([0.0], [1.0, 0.0])}, (True, True, True)),
    ({"activation": PiecewiseLinear([0.0], [1.0, 0.0]), "architecture": "skip", "block_depth": 2}, (True, True, False)),
    ({"activation": PiecewiseLinear([-2.0, -1.0, 0.0], [-1.0, 0.0, 1.0, 1.0], 1.0)}, (True, False, False)),
    ({"activation": PiecewiseLinear([-1.0, 0.0, 1.0, 2.0], [0.0, 1.0, -1.0, 0.0, 0.0], 1.0)}, (False, False, False)),
    ({"activation": PiecewiseLinear([0.0, 1.0], [0.0, -1.0, 2.0])}, (True, True, False)),
    ({"activation": PiecewiseLinear([], [0.0])}, (False, False, True)),
]


@pytest.mark.parametrize(("options", "holds"), HOLDS, ids=str)
def test_bounds_that_hold(options, holds):
    found = bounds_that_hold(Network([2, 2], **options))
    reasons = (found.lower, found.living_ratio, found.upper)
    assert tuple(reason == "" for reason in reasons) == holds
    assert all(len(reason.splitlines()) < 2 for reason in reasons)


@pytest.mark.parametrize("phi", ACTIVATIONS, ids=str)
def test_activation_table(phi):
    """The intervals of the table describe the function, and its quiet set is where it is zero, and nothing else."""
    ends, values, slopes = activation_table(phi)
    edges = [-np.inf, *phi.kinks, np.inf]
    grid = np.linspace(-4, 4, 801) + 1e-4
    for x in grid:
        piece = np.searchsorted(phi.kinks, x)
        assert edges[piece] <= x <= edges[piece + 1]
        assert values[piece] + slopes[piece] * (x - ends[piece]) == pytest.approx(float(phi(x)), abs=1e-14)
        assert any(low < x < high for low, high in quiet_set(phi)) == (abs(float(phi(x))) < 1e-14)
    assert is_homogeneous(phi) == all(np.allclose(phi(c * grid), c * phi(grid)) for c in (0.1, 7.0))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"widths": [0]}, "widths[0]"),
        ({"widths": [3], "input_dim": 0}, "input_dim"),
        ({"widths": [3], "init": "xavier"}, "he, gaussian"),
        ({"widths": [3], "init": "gaussian"}, "weight_variance"),
        ({"widths": [3], "weight_variance": 1.0}, "weight_variance"),
        ({"widths": [3], "init": "gaussian", "weight_variance": 0.0}, "lie in (0"),
        ({"widths": [3], "bias_variance": -1.0}, "bias_variance"),
        ({"widths": [3], "bias_variance": float("nan")}, "bias_variance"),
        ({"widths": [3], "architecture": "transformer"}, "plain"),
        ({"widths": [3], "activation": "relo"}, "activation"),
        ({"widths": [3], "activation": "relu(1)"}, "no parameter"),
        ({"widths": [3], "activation": "shifted-relu"}, "the parameters of shifted-relu: tau"),
        ({"widths": [3], "activation": "shifted-relu(tau=x)"}, "numbers as parameters"),
        ({"widths": [3], "activation": 7}, "PiecewiseLinear"),
        ({"widths": [3], "sign_flip": "all"}, "none"),
        ({"widths": [3, 3], "input_dim": 4, "architecture": "residual"}, "widths[0]"),
        ({"widths": [3, 4], "architecture": "residual"}, "widths[1]"),
        ({"widths": [4, 3, 4, 2], "input_dim": 3, "architecture": "skip", "block_depth": 2}, "widths[3]"),
        ({"widths": [3] * 5, "architecture": "skip", "block_depth": 2}, "divide the number of layers, 5"),
        ({"widths": [3] * 4, "architecture": "skip"}, "block_depth"),
        ({"widths": [3] * 4, "architecture": "skip", "block_depth": 0}, "block_depth"),
        ({"widths": [3] * 4, "block_depth": 2}, "plain"),
        ({"widths": [3], "init": "rai", "bias_variance": 1.0}, "its own biases"),
        ({"widths": [3], "init": "rai", "weight_variance": 1.0}, "weight_variance"),
        ({"widths": [3], "init": "orthogonal", "weight_variance": float("inf")}, "weight_variance"),
        ({"widths": [3], "architecture": "batch_norm", "bias_variance": 1.0}, "cancel"),
        ({"widths": [3], "architecture": "batch_norm", "init": "gaussian", "weight_variance": 1.0}, "cancel"),
        ({"widths": [3], "architecture": "batch_norm", "init": "rai"}, "cancel"),
        ({"widths": [3], "architecture": "residual", "sign_flip": "layer"}, "plain"),
        ({"widths": [3], "init": 7}, "or a Law"),
        ({"widths": [3], "bias_law": "uniform"}, "normal, weights"),
        ({"widths": [3], "bias_law": "weights", "bias_variance": 1.0}, "`bias_variance` must be 0 with bias_law"),
        ({"widths": [3], "init": "orthogonal", "bias_law": "weights"}, "not independent"),
        ({"widths": [3], "init": "rai", "bias_law": "weights"}, "not independent"),
        ({"widths": [3], "architecture": "batch_norm", "bias_law": "weights"}, "cancel"),
        ({"widths": [3], "architecture": "batch_norm", "init": "torch-default"}, "cancel"),
        ({"widths": [3], "init": "torch-default", "weight_variance": 1.0}, "weight_variance"),
        ({"widths": [3], "init": "torch-default", "bias_variance": 1.0}, "its own biases"),
        ({"widths": [3], "init": "student-t"}, "degrees_of_freedom=5"),
        ({"widths": [3], "init": "student-t", "degrees_of_freedom": 2}, "lie in (2"),
        ({"widths": [3], "degrees_of_freedom": 5}, "only the student-t init"),
        ({"widths": [3], "init": "sparse"}, "zero_share"),
        ({"widths": [3], "init": "sparse", "zero_share": 1.0}, "lie in (0, 1)"),
        ({"widths": [3], "init": "laplace", "zero_share": 0.5}, "only the sparse init"),
        ({"widths": [4, 3], "init": "looks-linear"}, "widths[1]"),
        ({"widths": [4], "init": "looks-linear", "bias_variance": 1.0}, "pairs need biases 0"),
        ({"widths": [4], "init": "looks-linear", "bias_law": "weights"}, "pairs need biases 0"),
        ({"widths": [4], "init": "looks-linear", "weight_variance": 1.0}, "weight_variance"),
        ({"widths": [4, 4], "init": "looks-linear", "architecture": "residual"}, "chain"),
        ({"widths": [4], "init": "looks-linear", "architecture": "batch_norm"}, "chain"),
        ({"widths": [4], "init": "looks-linear", "activation": shifted_relu(0.5)}, "phi(u) - phi(-u)"),
        ({"widths": [4], "init": "looks-linear-gaussian", "activation": absolute_value()}, "phi(u) - phi(-u)"),
        ({"widths": [4], "init": "looks-linear", "sign_flip": "neuron"}, "breaks its pair"),
        ({"widths": [3], "architecture": "batch_norm", "sign_flip": "neuron"}, "plain"),
        ({"widths": [3], "activation": leaky_relu(), "sign_flip": "neuron"}, "relu"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(InvalidArgumentError) as caught:
        Network(**arguments)
    assert words in str(caught.value)


def test_every_choice_is_used_here():
    """A new choice needs a network in this file."""
    for attribute, choices in (("architecture", ARCHITECTURES), ("init", INITS), ("sign_flip", SIGN_FLIPS)):
        made = {getattr(network, attribute) for network in NETWORKS}
        assert made | {"gaussian"} >= set(choices)
