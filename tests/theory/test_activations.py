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
