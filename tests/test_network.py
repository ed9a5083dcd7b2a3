import pytest

from neurondeath_theory.activations import shifted_relu
from neurondeath_theory.errors import InvalidArgumentError
from neurondeath_theory.network import Network


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"widths": [0]}, "widths[0]"),
        ({"widths": [3], "input_dim": 0}, "input_dim"),
        ({"widths": [3], "init": "xavier"}, "he, gaussian"),
        ({"widths": [3], "init": "gaussian"}, "weight_variance"),
        ({"widths": [3], "weight_variance": 1.0}, "weight_variance"),
        ({"widths": [3], "init": "gaussian", "weight_variance": 0.0}, "above 0"),
        ({"widths": [3], "bias_variance": -1.0}, "bias_variance"),
        ({"widths": [3], "bias_variance": float("nan")}, "bias_variance"),
        ({"widths": [3], "architecture": "transformer"}, "plain"),
        ({"widths": [3], "activation": shifted_relu(1.0)}, "activation"),
        ({"widths": [3], "sign_flip": "all"}, "none"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(InvalidArgumentError) as caught:
        Network(**arguments)
    assert words in str(caught.value)
