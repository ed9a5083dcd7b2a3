"""The checkers of the variance map: their reference values by other routes, and refutation of wrong formulas."""

import mpmath
import numpy as np
import pytest
import sympy
from mpmath import mp, mpf

from neurondeath.paper_check.checkers.gaussian_limit import clipping, fixed_points
from neurondeath.paper_check.checkers.gaussian_limit import closed_forms as gaussian_limit
from neurondeath.paper_check.checkers.gaussian_limit.designs_by_quadrature import (
    design_numbers,
    second_moment,
    slope_gain,
)
from neurondeath.paper_check.checkers.gaussian_limit.gaussian_calculus import (
    SYMBOLS,
    identity_verdict,
    symbolic_moments,
)
from neurondeath.paper_check.checkers.gaussian_limit.gaussian_quadrature import (
    KINDS,
    activation_value,
    library_activation,
    moments,
    sides,
)
from neurondeath.paper_check.evidence import Setting, Verdict
from neurondeath_theory.gaussian_limit import variance
from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
from tests.references.gaussian_reference import expectation

QUICK = Setting()
CLIPPED = ("clipped-shifted-relu", "clipped-soft-threshold")
UNCLIPPED = ("shifted-relu", "soft-threshold")


@pytest.mark.parametrize("kind", KINDS)
def test_quadrature_agrees_with_another_one(kind):
    phi = library_activation(kind, 0.75, 1.25)
    found = moments(kind, "2.5", "0.75", "1.25")
    with mp.workdps(25):
        second = expectation(phi, "2.5", lambda value, _, __: value**2)
        gain = expectation(phi, "2.5", lambda _, slope, __: slope**2)
        # Stein twice: d/dq E phi^2 = E phi^2 (z^2 - 1)/(2q), and the next derivative by the fourth Hermite polynomial
        slope = expectation(phi, "2.5", lambda value, _, z: value**2 * (z**2 - 1)) / 5
        curvature = expectation(phi, "2.5", lambda value, _, z: value**2 * (z**4 - 6 * z**2 + 3)) / 25
        silent = expectation(phi, "2.5", lambda value, _, __: mpf(value == 0))
        for ours, theirs in zip(
            (found.moment, found.gain, found.slope, found.curvature, found.sparsity),
            (second, gain, slope, curvature, silent),
            strict=True,
        ):
            assert abs(ours - theirs) < mpf(10) ** -18


@pytest.mark.parametrize("kind", KINDS)
def test_symbolic_integrals_are_the_quadratures(kind):
    values = {SYMBOLS["q"]: 2, SYMBOLS["tau"]: sympy.Rational(1, 2), SYMBOLS["m"]: sympy.Rational(3, 4)}
    exact, found = symbolic_moments(kind), moments(kind, "2", "0.5", "0.75")
    for name in ("moment", "slope", "curvature", "gain", "sparsity"):
        digits = getattr(exact, name).evalf(30, subs=values)
        assert abs(mpf(str(digits)) - getattr(found, name)) < mpf(10) ** -15, name


@pytest.mark.parametrize("kind", KINDS)
def test_definition_is_the_librarys_activation(kind):
    x = np.linspace(-4.0, 4.0, 81)
    ours = [float(activation_value(kind, value, 0.75, 1.25)) for value in x]
    np.testing.assert_allclose(ours, library_activation(kind, 0.75, 1.25)(x), atol=1e-15)


def test_identities_differ_from_near_identities():
    q, tau = SYMBOLS["q"], SYMBOLS["tau"]
    assert identity_verdict(sympy.erfc(tau) + sympy.erf(tau) - 1) is Verdict.CONFIRMED
    assert identity_verdict((sympy.exp(q) - 1) / (sympy.exp(q) - 1) ** 2 - 1 / (sympy.exp(q) - 1)) is Verdict.CONFIRMED
    assert identity_verdict(sympy.exp(-q) * (1 + sympy.Float("1e-20", 30)) - sympy.exp(-q)) is Verdict.REFUTED
    # zero at the point where it is evaluated, not elsewhere: no proof, so no verdict
    assert identity_verdict((q - sympy.Rational(13, 10)) * sympy.exp(q)) is Verdict.INCONCLUSIVE


def test_quadrature_checker_refutes_a_formula_that_is_off_in_the_twentieth_digit():
    exact = gaussian_limit.forms_by_quadrature(setting=QUICK, kinds=CLIPPED, chi1="sigma_w2*c*(Phi(b) - Phi(a))")
    near = gaussian_limit.forms_by_quadrature(
        setting=QUICK, kinds=CLIPPED, chi1="sigma_w2*c*(Phi(b) - Phi(a))*(1 + 1e-20)"
    )
    assert (exact.verdict, near.verdict) == (Verdict.CONFIRMED, Verdict.REFUTED)
    assert exact.points == len(exact.numbers["kind"]) == 24


def test_a_formula_that_is_not_a_number_is_refuted():
    found = gaussian_limit.forms_by_quadrature(setting=QUICK, kinds=CLIPPED, sparsity="log(-m)/0")
    assert found.verdict is Verdict.REFUTED


def test_unknown_formulas_are_refused():
    with pytest.raises(TypeError, match="chi1"):
        gaussian_limit.forms_by_quadrature(setting=QUICK, kinds=CLIPPED, chi2="1")
    with pytest.raises(ValueError, match="kinds"):
        gaussian_limit.forms_by_calculus(setting=QUICK, kinds=["relu6"], chi1="1")


def test_a_library_that_disagrees_is_an_error(monkeypatch):
    monkeypatch.setattr(variance, "chi1", lambda *_: 1.0)
    found = gaussian_limit.forms_by_quadrature(setting=QUICK, kinds=UNCLIPPED, chi1="sigma_w2*c*Phi(-a)")
    assert found.verdict is Verdict.ERROR


@pytest.mark.parametrize("kind", CLIPPED)
def test_designs_found_by_bisection_are_the_librarys(kind):
    tau, m = design_numbers(kind, 0.9, 0.6)
    design = sparse_design(kind, 0.9, v_prime=0.6)
    assert (tau, m) == (pytest.approx(design.tau, rel=1e-12), pytest.approx(design.m, rel=1e-9))
    exact = moments(kind, "1.75", mp.nstr(mpf(tau), 30), mp.nstr(mpf(m), 30))
    assert float(second_moment(kind, np.array([1.75]), tau, m)[0]) == pytest.approx(float(exact.moment), rel=1e-13)
    assert float(slope_gain(kind, np.array([1.75]), tau, m)[0]) == pytest.approx(float(exact.gain), rel=1e-13)
    assert sides(kind) * mpmath.ncdf(-tau) == pytest.approx(0.1, rel=1e-13)


def test_relation_of_the_slope_is_tested_beside_its_formula():
    form = {"kinds": CLIPPED, "slope": "1 - sigma_w2*c*m/sqrt(q)*pdf(b)", "setting": QUICK}
    assert fixed_points.slope_by_quadrature(**form, relation="<", bound="1").verdict is Verdict.CONFIRMED
    assert fixed_points.slope_by_quadrature(**form, relation="<", bound="9/10").verdict is Verdict.REFUTED


def test_fixed_points_are_claimed_to_their_last_decimal():
    def verdict(*points: str, chi1: tuple[str, ...] = ("1", "1.346", "1.891")) -> Verdict:
        return fixed_points.fixed_points_by_quadrature(
            setting=QUICK,
            kind="clipped-shifted-relu",
            sparsity=0.9,
            v_prime=0.9,
            fixed_points=points,
            chi1=chi1,
        ).verdict

    assert verdict("1.00", "1.399", "3.4745") is Verdict.CONFIRMED
    assert verdict("1.00", "1.399", "3.475") is Verdict.REFUTED  # it is 3.47447
    assert verdict("1.00", "1.40", "3.5", chi1=("1", "1.35", "1.9")) is Verdict.CONFIRMED
    assert verdict("1.00", "1.399") is Verdict.REFUTED


def test_number_of_fixed_points_is_the_largest_found():
    family = {"kinds": CLIPPED[:1], "sparsities": [0.55, 0.9], "v_primes": [0.9], "setting": QUICK}
    assert fixed_points.most_fixed_points(**family, relation="==", count=3).numbers["fixed_points"] == [1, 3]
    assert fixed_points.most_fixed_points(**family, relation="<=", count=2).verdict is Verdict.REFUTED


def test_slope_dips_below_zero_where_tau_is_negative():
    form = {"slope": "1 - h*pdf(b)/(Phi(b) - Phi(a))", "limit_small": "0", "limit_large": "1", "setting": QUICK}
    found = clipping.slope_against_clip(**form, kinds=CLIPPED[:1], sparsities=["0.3"], direction="increasing")
    assert found.verdict is Verdict.REFUTED
    assert min(found.numbers["v_prime"]) < -0.04
    np.testing.assert_allclose(found.numbers["v_prime"], found.numbers["claimed"], rtol=0, atol=1e-15)


def test_direction_names_movements():
    steps = {"increasing": [1, 2, 3], "decreasing": [3, 2, 1], "constant": [2, 2, 2], "mixed": [1, 3, 2]}
    for name, path in steps.items():
        assert clipping._direction([mpf(x) for x in path]) == name
    assert clipping._direction([mpf(1), mpf(2), mpf(2)]) == "mixed"  # strictly


def test_scaling_leaves_the_slope_alone_and_a_fixed_clip_does_not():
    family = {"kinds": CLIPPED[:1], "sparsities": ["0.85"], "clips": ["1.17"], "setting": QUICK}
    assert clipping.slope_against_variance(**family, hold="ratio", direction="constant").verdict is Verdict.CONFIRMED
    found = clipping.slope_against_variance(**family, hold="m", direction="constant")
    assert found.verdict is Verdict.REFUTED
    lower = [
        sparse_design("clipped-shifted-relu", 0.85, m=1.17 / np.sqrt(float(q))).v_prime for q in found.numbers["q"]
    ]
    np.testing.assert_allclose(found.numbers["v_prime"], lower, rtol=1e-12)


def test_a_quantity_that_vanishes_is_compared_absolutely(monkeypatch):
    monkeypatch.setattr(gaussian_limit, "grid", lambda _: [("0.5", "0", "1")])
    form = {"setting": QUICK, "kinds": UNCLIPPED}
    right = gaussian_limit.forms_by_quadrature(**form, curvature="sigma_w2*c*tau*pdf(a)/(2*q**(3/2))")
    wrong = gaussian_limit.forms_by_quadrature(**form, curvature="sigma_w2*c*(tau + 1e-20)*pdf(a)/(2*q**(3/2))")
    assert (right.verdict, wrong.verdict) == (Verdict.CONFIRMED, Verdict.REFUTED)
