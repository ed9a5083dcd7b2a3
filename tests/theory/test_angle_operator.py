import math

import mpmath
import numpy as np
import pytest

from neurondeath_theory.survival import angle_operator as chain

KAPPA = np.array([1.0, 0.999999, 0.9, 0.3, -0.4, -1.0])


def closed_form(z):
    return 0.5 * np.arcsin(z) * (math.pi + np.arcsin(z))


@pytest.mark.parametrize("z", [0.97, 0.5, -0.3, -1.0])
def test_probe_is_the_logarithmic_integral(z):
    integral = mpmath.quad(
        lambda u: -mpmath.log1p(-z * mpmath.sin(2 * u)) / mpmath.sin(2 * u), [0, mpmath.pi / 4, mpmath.pi / 2]
    )
    assert float(integral) == pytest.approx(closed_form(z), rel=1e-12)


@pytest.mark.parametrize("angle", [1e-5, 0.03, 0.9, 1.5, 2.5, 3.1])
def test_moments_of_a_single_unit_are_known(angle):
    # both survive when the unit is on for both, and the new angle is 0
    exact = (math.pi - angle) / (2 * math.pi) * closed_form(KAPPA)
    assert chain._moments(angle, [1], KAPPA)[0] == pytest.approx(exact, abs=1e-10)


@pytest.mark.parametrize("kappa", [0.999, 0.6, -0.8])
def test_moments_of_two_units_from_a_right_angle_are_known(kappa):
    def probe(t):
        z = kappa * mpmath.cos(t)
        return mpmath.asin(z) * (mpmath.pi + mpmath.asin(z)) / 2

    quarter = mpmath.pi / 2
    gap = mpmath.quad(lambda t: probe(t) * 2 * (quarter - t) / quarter**2, [0, 0.1, quarter])
    uniform = mpmath.quad(lambda t: probe(t) / quarter, [0, 0.1, quarter])
    exact = (gap + 4 * uniform + 2 * probe(mpmath.mpf(0))) / 16
    assert chain._moments(math.pi / 2, [2], np.array([kappa]))[0, 0] == pytest.approx(float(exact), abs=1e-10)


@pytest.mark.parametrize("width", [2, 9, 40])
def test_moments_near_angle_zero_are_those_of_parallel_points(width):
    exact = (1 - 2.0**-width) * closed_form(KAPPA)
    values = chain._moments(1e-6, [width], KAPPA)[0]
    assert values == pytest.approx(exact, abs=1e-5)
    assert chain._moments(0.0, [width], KAPPA)[0] == pytest.approx(exact, rel=1e-14)


@pytest.mark.parametrize("width", [2, 5, 20, 64, 127, 128])
def test_moments_do_not_depend_on_the_step(width):
    for angle in (1e-3, 0.5, 1.4):
        used = chain._moments(angle, [width], KAPPA)
        finer = chain._moments(angle, [width], KAPPA, 0.7)
        assert used == pytest.approx(finer, abs=1e-9)


def test_functions_resolve_what_the_operator_makes():
    angles = np.concatenate([np.geomspace(1e-6, 0.1, 300), np.linspace(0.1, math.pi / 2, 300)])
    nodes = chain.nodes(False)
    assert nodes[0] == 0
    assert nodes[-1] == math.pi / 2
    for function, error in [
        (lambda t: t**1.7, 1e-8),
        (lambda t: t * t * np.log(np.maximum(t, 1e-300)), 1e-7),
        (lambda t: (1 - t / math.pi) ** 10, 1e-8),
        (lambda t: (1 - t / math.pi) ** 64, 1e-6),
        (lambda t: 1 / (1 + 30 * t), 1e-5),
    ]:
        interpolated = chain.evaluate(angles, chain.coefficients(function(nodes), False))
        assert np.abs(interpolated - function(angles)).max() < error


@pytest.mark.parametrize("width", [2, 3, 20])
def test_operator_keeps_mass_and_parallel_points(width):
    operator = chain.angle_operators([width])[width]
    assert operator.quadrature_error < 1e-9
    for coarse in (False, True):
        matrix, nodes = operator.matrix(coarse), chain.nodes(coarse)
        both = 1 - 2.0 ** (1 - width) + 2.0**-width * (1 - nodes / math.pi) ** width
        assert matrix.sum(1) == pytest.approx(both, abs=1e-12)
        parallel = np.zeros(nodes.size)
        parallel[0] = 1 - 2.0**-width
        assert matrix[0] == pytest.approx(parallel, abs=1e-9)
        assert np.abs(np.linalg.eigvals(matrix)).max() == pytest.approx(1 - 2.0**-width, abs=1e-8)


def test_widths_together_agree_with_each_alone():
    widths = [2, 3, 4, 9, 10, 30, 64]
    for angle in (0.01, 1.2):
        together = chain._moments(angle, widths, KAPPA)
        alone = np.concatenate([chain._moments(angle, [width], KAPPA) for width in widths])
        assert together == pytest.approx(alone, abs=1e-10)  # the nodes left out below NEGLIGIBLE differ


@pytest.mark.parametrize("width", [60, 256, 5000])
def test_nodes_are_left_out_only_where_they_are_negligible(monkeypatch, width):
    def seen():
        sizes.clear()
        return [chain._moments(angle, [width], KAPPA)[0] for angle in (1e-4, 0.8, 3.0)]

    sizes, flatnonzero = [], np.flatnonzero
    monkeypatch.setattr(chain.np, "flatnonzero", lambda bound: sizes.append(bound.size) or flatnonzero(bound))
    short, of_short = seen(), sum(sizes)
    monkeypatch.setattr(chain, "_negligible_from", lambda *_: math.inf)
    full, of_full = seen(), sum(sizes)
    assert np.array_equal(short, full)
    assert of_short < (0.9 if width < 100 else 0.5) * of_full
