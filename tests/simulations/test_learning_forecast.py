"""Forecasts of laws: gradients by finite differences, measurements by hand, against PyTorch, verdicts and refusals."""

import math

import numpy as np
import pytest

from neurondeath.simulations.law_remedies import remedy_laws
from neurondeath.simulations.learning_forecast import trainability
from neurondeath.simulations.samplers.birth_measurements import measure_network
from neurondeath.simulations.samplers.drawn_networks import draw_network
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.activations import clipped_shifted_relu, leaky_relu
from neurondeath_theory.networks.law import Law
from neurondeath_theory.networks.network import Network
from neurondeath_theory.trainability.feature_rank import entropy_rank, root_rank

RNG = np.random.default_rng(0)
POINTS = RNG.standard_normal((12, 4))
CLASSES = RNG.integers(10, size=12)
OWN = Law("own", lambda rng, fan_in, fan_out: (rng.laplace(size=(fan_out, fan_in)), rng.normal(size=fan_out)))
# with biases, since a point that died has pre-activations 0, where an activation has no derivative
LAWS = {
    "plain": {"bias_variance": 0.3},
    "sparse activation": {"activation": clipped_shifted_relu(0.3, 1.0), "bias_variance": 0.3},
    "leaky": {"activation": leaky_relu(0.3)},
    "residual": {"architecture": "residual", "bias_variance": 0.1},
    "skip": {"architecture": "skip", "block_depth": 2, "bias_variance": 0.1},
    "dense": {"architecture": "dense", "bias_variance": 0.1},
    "batch norm": {"architecture": "batch_norm"},
    "stream": {"architecture": "residual", "effective_depth": 2.0, "input_mean_square": 1.5, "bias_variance": 0.2},
    "whole stream": {"architecture": "residual", "effective_depth": 4.0, "bias_variance": 0.2},
    "rai": {"init": "rai"},
    "looks-linear": {"init": "looks-linear"},
    "torch default": {"init": "torch-default"},
    "neuron flip": {"sign_flip": "neuron", "bias_variance": 0.2},
    "layer flip": {"sign_flip": "layer", "bias_variance": 0.2},
    "own": {"init": OWN},
}


def network(name, **more):
    return Network([4] * 4, **LAWS[name], **more)


def loss_of(drawn):
    logits = drawn.logits(POINTS)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    of_logits = np.exp(logs)
    of_logits[np.arange(12), CLASSES] -= 1.0
    return -logs[np.arange(12), CLASSES].mean(), of_logits / 12


@pytest.mark.parametrize("name", LAWS)
def test_gradients_are_those_of_finite_differences(name):
    drawn = draw_network(network(name), POINTS, seed=1, number=1)
    _, of_logits = loss_of(drawn)
    gradients = drawn.gradients(of_logits, drawn.features(POINTS))
    assert len(gradients) == len(drawn.parameters())
    largest = 0.0
    for parameter, gradient in zip(drawn.parameters(), gradients, strict=True):
        assert gradient.shape == parameter.shape
        for place in [tuple(RNG.integers(size) for size in parameter.shape) for _ in range(4)]:
            kept = parameter[place]
            ends = []
            for step in (1e-6, -1e-6):
                parameter[place] = kept + step
                ends.append(loss_of(drawn)[0])
            parameter[place] = kept
            assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-7)
            largest = max(largest, abs(gradient[place]))
    assert largest > 1e-3


@pytest.mark.parametrize("name", ["plain", "batch norm", "stream", "layer flip", "own"])
def test_networks_do_not_depend_on_how_many_are_drawn(name):
    first, again, other = (draw_network(network(name), POINTS, seed=1, number=number) for number in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not np.array_equal(first.weights[0], other.weights[0])
    assert not np.array_equal(first.readout, other.readout)


def test_flips_keep_the_features_of_flipped_layers():
    plain, flipped = Network([3] * 8), Network([3] * 8, sign_flip="layer")
    points = np.random.default_rng(3).standard_normal((20, 3))
    shares = []
    for law in (plain, flipped):
        drawn = [draw_network(law, points, seed=0, number=number).features(points) for number in range(200)]
        shares.append(np.mean([(features != 0).any(axis=1).mean() for features in drawn]))
    assert shares[0] == pytest.approx((1 - 0.5**3) ** 8, abs=0.1)  # the exact mean living ratio
    assert shares[1] > shares[0] + 0.2


def test_measurements_by_hand():
    drawn = draw_network(Network([6] * 3, input_dim=4), POINTS, seed=5, number=0)
    features, rate = drawn.features(POINTS), 1e-3
    classes = np.random.default_rng(9).integers(10, size=12)
    logits = drawn.logits(POINTS)
    before = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(12), classes])
    of_logits = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    of_logits[np.arange(12), classes] -= 1
    gradients = drawn.gradients(of_logits / 12, features)
    found = measure_network(drawn, POINTS, rate, np.random.default_rng(9))  # moves the parameters
    logits = drawn.logits(POINTS)
    after = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(12), classes])
    promise = rate * sum(np.abs(gradient).sum() for gradient in gradients)
    assert found["gain"] == pytest.approx((before - after) / promise, rel=1e-6)
    living = features[features.any(axis=1)]
    unit = living / np.linalg.norm(living, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    assert found["correlation"] == pytest.approx(cosines.mean(), rel=1e-9)
    assert found["log_size"] == pytest.approx(np.log((living**2).mean(axis=1)).mean(), rel=1e-9)
    assert (found["rank"], found["entropy"]) == (root_rank(features), entropy_rank(features))
    assert found["score"] == pytest.approx(found["rank"] * math.sqrt(found["gain"]))


def test_gains_and_ranks_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    from neurondeath_torch.auditing.forecast import forecast
    from neurondeath_torch.initialising.initialisation import he_

    points = np.random.default_rng(2).standard_normal((64, 8))
    law = trainability(Network(width=8, depth=12), points, networks=64, remedies=False)
    found = []
    for seed in range(40):
        layers = [part for _ in range(12) for part in (torch.nn.Linear(8, 8), torch.nn.ReLU())]
        model = torch.nn.Sequential(*layers, torch.nn.Linear(8, 10))
        he_(model, generator=seed)
        found.append(forecast(model, torch.tensor(points, dtype=torch.float32), remedies=False, seed=seed))
    ranks = np.array([one.root_rank for one in found])
    error = math.hypot(law.root_rank_stderr, ranks.std(ddof=1) / math.sqrt(40))
    assert abs(law.root_rank - ranks.mean()) < 5 * error < 0.5 * law.root_rank
    assert law.step_gain == pytest.approx(np.median([one.step_gain for one in found]), abs=0.15)


def test_verdicts_of_laws():
    collapsed = trainability(Network(width=16, depth=60), networks=8)
    assert collapsed.verdict == "collapsed"
    assert collapsed.alive_at_least > 0.9
    assert [one.verdict for one in collapsed.remedies[:3]] == ["learns"] * 3
    assert "would give" in str(collapsed)
    dead = trainability(Network(width=2, depth=40), networks=8, remedies=False)
    assert (dead.verdict, dead.log_size_mean, dead.score) == ("dead", None, 0.0)
    steep = trainability(Network(width=16, depth=60, architecture="batch_norm"), networks=8, remedies=False)
    assert (steep.verdict, steep.step_gain < 0.05, steep.root_rank > 10) == ("collapsed", True, True)
    stream = Network(width=16, depth=60, architecture="residual", effective_depth=1.0, input_mean_square=1.0)
    found = trainability(stream, networks=8)
    assert (found.verdict, found.effective_depth) == ("learns", 1.0)
    assert "critical residual, D = 1" not in [one.name for one in found.remedies]
    assert sum(found.shares.values()) == pytest.approx(1.0)
    huge = trainability(Network(width=8, depth=150, architecture="residual"), networks=4, remedies=False)
    assert "overflow single precision" in huge.reason
    assert huge.step_gain == 0.0  # no step can be taken
    assert huge.verdict == "collapsed"


def test_remedies_are_forecasts_of_their_laws_and_their_calls_make_them():
    found = trainability(Network(width=6, depth=20), networks=4)
    by_name = {one.name: one for one in found.remedies}
    for remedy in remedy_laws(Network(width=6, depth=20)):
        if remedy.law is None:
            continue
        again = trainability(remedy.law, networks=4, remedies=False)
        assert (by_name[remedy.name].score, by_name[remedy.name].verdict) == (again.score, again.verdict)
        made = eval(remedy.call, {"Network": Network})
        assert made.widths == remedy.law.widths
        assert made.weight_variance == pytest.approx(remedy.law.weight_variance, rel=1e-3)
        assert (made.architecture, made.init, made.sign_flip) == (
            *(remedy.law.architecture, remedy.law.init, remedy.law.sign_flip),
        )


def test_a_stream_behind_an_embedding_is_forecast_for_other_input_dimensions():
    found = trainability(Network(width=6, depth=20, input_dim=12), networks=4)
    stream = next(one for one in found.remedies if one.name == "critical residual, D = 1")
    assert (stream.call, stream.verdict != "refused") == ("residual_(model, 1.0)", True)
    by_name = {one.name: one for one in remedy_laws(Network(width=6, depth=20, input_dim=12))}
    law = by_name["critical residual, D = 1"].law
    assert (law.depth, law.input_dim) == (19, 6)  # the first of the 20 layers embeds the inputs
    uneven = trainability(Network([5, 7, 5], input_dim=5), networks=2)
    refused = [one for one in uneven.remedies if one.verdict == "refused"]
    assert {one.name for one in refused} >= {"looks-linear", "critical residual, D = 1"}
    assert uneven.remedies[-len(refused) :] == tuple(refused)


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((3,), {}, "network` must be a Network"),
        ((Network([3]), np.ones((1, 3))), {}, "inputs` must hold at least 2 points"),
        ((Network([3]), "orthant"), {}, "inputs` must be points"),
        ((Network([3]), np.ones((4, 5))), {}, "input"),
        ((Network([3]),), {"networks": 1}, "networks"),
        ((Network([3]),), {"learning_rate": 0.0}, "learning_rate"),
        ((Network([3]),), {"remedies": 1}, "remedies"),
        ((Network([3]),), {"seed": -1}, "seed"),
    ],
)
def test_refusals(arguments, options, words):
    with pytest.raises(InvalidArgumentError, match=words):
        trainability(*arguments, **options)
