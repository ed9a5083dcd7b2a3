"""Laws of the user's own: what is drawn, recorded and refused, and which bounds a declaration buys."""

import json

import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.activations import leaky_relu
from neurondeath_theory.networks.law import Law
from neurondeath_theory.networks.network import Network
from neurondeath_theory.networks.network_bounds import bounds_that_hold


def normal(rng, fan_in, fan_out):
    return rng.standard_normal((fan_out, fan_in)) * (2 / fan_in) ** 0.5


def with_biases(rng, fan_in, fan_out):
    return normal(rng, fan_in, fan_out), rng.standard_normal(fan_out)


def test_a_law_is_its_name_and_what_it_draws():
    law = Law("mine", normal)
    assert law == Law("mine", lambda *shape: normal(*shape))  # another function that draws the same
    assert law.digest == Law("other", normal).digest
    assert law != Law("other", normal)
    assert not law.biases
    assert Law("mine", with_biases).biases
    digests = {
        Law("mine", sampler).digest
        for sampler in (
            normal,
            with_biases,
            lambda rng, fan_in, fan_out: 1.0001 * normal(rng, fan_in, fan_out),
            lambda rng, fan_in, fan_out: rng.standard_normal((fan_out, fan_in)) * (4 / fan_in**2) ** 0.5,
            lambda rng, fan_in, fan_out: np.abs(normal(rng, fan_in, fan_out)),
        )
    }
    assert len(digests) == 5
    # the last bits of a number do not count
    assert Law("mine", lambda *shape: normal(*shape) * (1 + 2**-50)).digest == law.digest


def test_draws_are_checked():
    law = Law("mine", with_biases)
    weights, biases = law.draw(np.random.default_rng(3), 5, 2)
    rng = np.random.default_rng(3)
    assert weights.tolist() == normal(rng, 5, 2).tolist()
    assert biases.tolist() == rng.standard_normal(2).tolist()


@pytest.mark.parametrize(
    ("sampler", "words"),
    [
        (7, "function of (rng"),
        (lambda rng, fan_in: 0, "raised TypeError"),
        (lambda rng, fan_in, fan_out: rng.standard_normal((fan_in, fan_out)), "of shape (4, 2)"),
        (lambda rng, fan_in, fan_out: np.full((fan_out, fan_in), np.nan), "finite numbers"),
        (lambda rng, fan_in, fan_out: np.full((fan_out, fan_in), 1e40), "at most 1e+15"),
        (lambda rng, fan_in, fan_out: "weights", "return weights"),
        (lambda rng, fan_in, fan_out: [[1.0], [1.0, 2.0]], "return weights"),
        (lambda rng, fan_in, fan_out: (1, 2, 3), "3 values"),
        (lambda rng, fan_in, fan_out: (normal(rng, fan_in, fan_out), np.zeros(fan_in)), "biases of shape"),
        (lambda rng, fan_in, fan_out: np.random.random_sample((fan_out, fan_in)), "nothing else"),  # noqa: NPY002
        (
            lambda rng, fan_in, fan_out: with_biases(rng, fan_in, fan_out) if fan_in < 8 else normal(rng, 8, fan_out),
            "always or never",
        ),
    ],
)
def test_samplers_that_are_refused(sampler, words):
    with pytest.raises(InvalidArgumentError) as caught:
        Law("mine", sampler)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names():
    for name in ("", "my law", "1st", "a" * 61, "line\nbreak", 3):
        with pytest.raises(InvalidArgumentError, match="at most 59"):
            Law(name, normal)
    with pytest.raises(InvalidArgumentError, match="name of its own"):
        Network([3], init=Law("laplace", normal))


def orthonormal(rng, fan_in, fan_out, signs):
    q, r = np.linalg.qr(rng.standard_normal((fan_in + fan_out, fan_in)))
    return (q * np.sign(np.diag(r)) if signs else q)[:fan_out]


def random_sign_per_layer(rng, fan_in, fan_out):
    return np.abs(normal(rng, fan_in, fan_out)) * rng.choice([-1.0, 1.0])


@pytest.mark.parametrize(
    ("sampler", "words"),
    [
        (lambda rng, fan_in, fan_out: np.abs(normal(rng, fan_in, fan_out)), "signs of two units"),
        (lambda rng, i, o: orthonormal(rng, i, o, signs=False), "signs of two units"),  # not uniformly distributed
        (random_sign_per_layer, "signs of two units"),  # fair, but not independent
        (lambda rng, fan_in, fan_out: rng.choice([-1.0, 1.0], (fan_out, fan_in)), "pre-activation of 0"),
        (lambda rng, i, o: normal(rng, i, o) * (rng.random((o, i)) < 0.5), "pre-activation of 0"),
        (lambda rng, i, o: (normal(rng, i, o), np.zeros(o)), "pre-activation of 0"),  # dead at the origin
        (lambda rng, i, o: (normal(rng, i, o), np.full(o, 0.3)), "signs of two units"),
    ],
)
def test_false_declarations_of_symmetry_are_refused(sampler, words):
    Law("mine", sampler)
    with pytest.raises(InvalidArgumentError, match=words):
        Law("mine", sampler, symmetric=True)


def test_true_declarations_are_accepted():
    for sampler in (normal, with_biases, lambda rng, i, o: normal(rng, i, o) * rng.standard_exponential((o, 1))):
        assert Law("mine", sampler, symmetric=True).symmetric
    # rows of a random orthogonal matrix: dependent, yet symmetric once the signs of LAPACK's factor are undone
    assert Law("haar", lambda rng, i, o: orthonormal(rng, i, o, signs=True), symmetric=True)


def test_bounds_of_laws():
    unknown = bounds_that_hold(Network([3], init=Law("mine", normal)))
    assert "mine" in unknown.lower
    assert unknown.lower == unknown.upper == unknown.living_ratio
    assert bounds_that_hold(Network([3], init=Law("mine", normal), activation=leaky_relu())).lower == unknown.lower
    declared = bounds_that_hold(Network([3], init=Law("mine", normal, symmetric=True)))
    assert (declared.lower, declared.living_ratio) == ("", "")
    assert "single entries" in declared.upper
    assert bounds_that_hold(Network([3], init=Law("mine", normal, symmetric=True), activation=leaky_relu())).upper == ""


def test_descriptions_keep_the_law_but_not_its_sampler():
    for law in (Law("mine", normal), Law("mine", with_biases, symmetric=True)):
        network = Network([3, 4], init=law)
        plain = json.loads(json.dumps(network.description()))
        again = Network.from_description(plain)
        assert again == network
        assert hash(again) == hash(network)
        assert again.description() == plain
        assert again.has_bias == law.biases
        assert str(again) == str(network) == "plain relu network 3 -> 3 -> 4, mine law"
        with pytest.raises(InvalidArgumentError, match=f"passed again.*{law.digest}"):
            again.law.draw(np.random.default_rng(0), 3, 3)
    assert plain["law"] == {"digest": law.digest, "biases": True, "symmetric": True}
    for wrong in ({"digest": "xyz"}, {"digest": law.digest, "biases": 1}, {"digest": 3}):
        with pytest.raises(InvalidArgumentError):
            Law.recorded("mine", **wrong)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weight_variance": 1.0}, "sets its own"),
        ({"bias_variance": 1.0}, "draws the biases"),
        ({"bias_law": "weights"}, "draws the biases"),
        ({"degrees_of_freedom": 3}, "only the student-t"),
        ({"architecture": "batch_norm"}, "no biases"),
    ],
)
def test_options_that_do_not_fit_a_law(options, words):
    with pytest.raises(InvalidArgumentError, match=words):
        Network([3], init=Law("mine", with_biases), **options)
