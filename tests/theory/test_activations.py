import numpy as np
import pytest

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks import activations as a

x = np.linspace(-4, 4, 161)
CASES = [
    (a.relu(), np.maximum(x, 0)),
    (a.identity(), x),
    (a.leaky_relu(0.2), np.where(x > 0, x, 0.2 * x)),
    (a.absolute_value(), np.abs(x)),
    (a.hard_tanh(1.5), np.clip(x, -1.5, 1.5)),
    (a.shifted_relu(0.7), np.maximum(x - 0.7, 0)),
    (a.shifted_relu(-0.7), np.maximum(x + 0.7, 0)),
    (a.soft_threshold(0.7), np.sign(x) * np.maximum(np.abs(x) - 0.7, 0)),
    (a.soft_threshold(0), x),
    (a.clipped_shifted_relu(0.7, 1.1), np.minimum(np.maximum(x - 0.7, 0), 1.1)),
    (a.clipped_shifted_relu(-2, 1.1), np.minimum(np.maximum(x + 2, 0), 1.1)),
    (a.clipped_soft_threshold(0.7, 1.1), np.sign(x) * np.minimum(np.maximum(np.abs(x) - 0.7, 0), 1.1)),
    (a.clipped_soft_threshold(0, 1.1), np.clip(x, -1.1, 1.1)),
]


@pytest.mark.parametrize(("phi", "expected"), CASES, ids=lambda value: str(value) if callable(value) else "")
def test_values_and_slopes(phi, expected):
    np.testing.assert_allclose(phi(x), expected, atol=1e-14)
    away = np.abs(x[:, None] - np.array([*phi.kinks, np.inf])).min(axis=1) > 1e-3
    numeric = (phi(x + 1e-6) - phi(x - 1e-6)) / 2e-6
    np.testing.assert_allclose(phi.derivative(x)[away], numeric[away], atol=1e-8)


def test_what_is_zero_is_exactly_zero():
    """Rounding must not make inactive units active."""
    for tau, m in [(-0.5244, 0.001), (-2.0, 0.3), (-1e-9, 1e-12), (-7.1, 0.1)]:
        phi = a.clipped_shifted_relu(tau, m)
        assert (phi(np.linspace(tau - 3, tau, 50)) == 0).all()
        assert phi.kink_values[0] == 0
    assert a.shifted_relu(-0.1)(-0.3) == 0


def test_identity_is_what_it_computes_not_its_name():
    assert a.shifted_relu(0.0) == a.relu()
    assert hash(a.shifted_relu(0.0)) == hash(a.relu())
    assert a.shifted_relu(0.1) != a.relu()


@pytest.mark.parametrize(
    "make",
    [
        lambda: a.PiecewiseLinear([1.0, 1.0], [0, 1, 0]),
        lambda: a.PiecewiseLinear([0.0], [1.0]),
        lambda: a.PiecewiseLinear([float("nan")], [0, 1]),
        lambda: a.clipped_shifted_relu(0.5, 0.0),
        lambda: a.soft_threshold(-0.1),
        lambda: a.shifted_relu(float("inf")),
    ],
)
def test_bad_input(make):
    with pytest.raises(InvalidArgumentError):
        make()


NAMED = [
    (a.relu(), "relu", {}, "relu"),
    (a.identity(), "identity", {}, "identity"),
    (a.leaky_relu(0.2), "leaky-relu", {"negative_slope": 0.2}, "leaky_relu(0.2)"),
    (a.absolute_value(), "absolute-value", {}, "absolute_value"),
    (a.hard_tanh(1.5), "hard-tanh", {"limit": 1.5}, "hard_tanh(1.5)"),
    (a.shifted_relu(0.7), "shifted-relu", {"tau": 0.7}, "shifted_relu(tau=0.7)"),
    (a.shifted_relu(-0.7), "shifted-relu", {"tau": -0.7}, "shifted_relu(tau=-0.7)"),
    (a.soft_threshold(0.7), "soft-threshold", {"tau": 0.7}, "soft_threshold(tau=0.7)"),
    (a.clipped_shifted_relu(0.1, 0.2), "clipped-shifted-relu", {"tau": 0.1, "m": 0.2}, None),
    (a.clipped_shifted_relu(-1.0, 2.0), "clipped-shifted-relu", {"tau": -1.0, "m": 2.0}, None),
    (a.clipped_shifted_relu(-1.3, 0.4), "clipped-shifted-relu", {"tau": -1.3, "m": 0.4}, None),
    (a.clipped_soft_threshold(0.7, 1.1), "clipped-soft-threshold", {"tau": 0.7, "m": 1.1}, None),
]


@pytest.mark.parametrize(("phi", "family", "parameters", "shown"), NAMED, ids=lambda value: str(value))
def test_an_activation_knows_its_family(phi, family, parameters, shown):
    assert (phi.family, phi.parameters) == (family, parameters)
    assert shown is None or str(phi) == shown
    read = a.PiecewiseLinear(**phi.description())  # from a store, where only the numbers are
    assert (read.family, read.parameters, str(read), read) == (family, parameters, str(phi), phi)
    assert a.FAMILIES[family](**parameters) == phi
    assert a.as_activation("activation", str(phi)) == phi
    assert (phi.tau, phi.m) == (
        parameters.get("tau", 0.0 if family in ("relu", "hard-tanh") else None),
        parameters.get("m", parameters.get("limit")),
    )


def test_every_family_is_recognised_from_its_numbers():
    assert {family for _, family, *_ in NAMED} == set(a.FAMILIES)
    for tau in np.random.default_rng(0).normal(0, 2, 200):
        for m in (0.01, 0.3, 1.17037, 17.0):
            phi = a.clipped_shifted_relu(tau, m)
            read = a.PiecewiseLinear(**phi.description())
            assert read.family == "clipped-shifted-relu"
            assert a.FAMILIES[read.family](**read.parameters).kinks == phi.kinks


def test_numbers_without_a_family_have_none():
    for phi in (
        a.PiecewiseLinear([0.0], [0.0, 2.0]),
        a.PiecewiseLinear([1.0], [0.0, 1.0], 0.5),
        a.PiecewiseLinear([-1.0, 0.5], [0.0, 1.0, 0.0], 0.0),
        a.PiecewiseLinear([-1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]),
    ):
        assert (phi.family, phi.tau, phi.m) == ("", None, None)
        assert str(phi).startswith("piecewise linear")


@pytest.mark.parametrize(
    "text", ["", "tanh", "relu(", "relu(1)", "shifted-relu()", "shifted-relu(m=1)", "hard-tanh(nan)"]
)
def test_texts_that_name_no_activation(text):
    with pytest.raises(InvalidArgumentError) as caught:
        a.as_activation("activation", text)
    assert "\n" not in str(caught.value)
