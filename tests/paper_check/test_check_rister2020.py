"""The claims of rister2020: confirmed, refuted when mutated, and refuted when the checkers find other values."""

import dataclasses
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from neurondeath.paper_check.checkers import findings
from neurondeath.paper_check.checkers.findings import (
    Counted,
    Sampled,
    claimed_exactly,
    counted_evidence,
    sampled_evidence,
)
from neurondeath.paper_check.checkers.survival import bounds as survival
from neurondeath.paper_check.checkers.survival import depth_limits, gap, sign_flips, tightness
from neurondeath.paper_check.checkers.survival.sign_patterns import every_sign
from neurondeath.paper_check.checkers.survival.width_two import survival_over_single_point
from neurondeath.paper_check.claims import packaged_claims, select_claims
from neurondeath.paper_check.evidence import Setting, Verdict
from neurondeath.paper_check.verification import check_claim, check_mutation
from neurondeath.simulations.monte_carlo import simulate
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks.network import Network
from neurondeath_theory.survival.born_dead import one_dimensional_survival
from neurondeath_theory.survival.two_point import two_point_survival
from tests.references.statistical import assert_agrees, assert_refutes, seeds

LOWER = "Product(1 - 2**(-n[j]), j, 1, k)"
CLAIMS = {
    claim.id: claim
    for claim in select_claims(packaged_claims(), paper="rister2020")
    if claim.id.startswith("R")  # the others are ours, on training
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return one store, so that a claim and its mutations share their simulations."""
    return tmp_path_factory.mktemp("claims") / "simulations.sqlite"


def test_all_claims_are_there():
    assert list(CLAIMS) == [f"R{i}" for i in range(1, 13)] + ["R12b"] + [f"R{i}" for i in range(13, 18)]
    assert all(claim.mutations and claim.formula and claim.domain for claim in CLAIMS.values())
    routes = {name: {check.route for check in claim.checks} for name, claim in CLAIMS.items()}
    assert all(len(found) > 1 for found in routes.values())


@seeds
@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_confirmed_by_every_route_and_refuted_when_made_wrong(name, seed, store):
    setting = Setting(seed=seed, store=store)
    checked = check_claim(CLAIMS[name], setting)
    assert [found.verdict for found in checked.evidence] == [Verdict.CONFIRMED] * len(checked.evidence), (
        checked.evidence
    )
    for mutation in CLAIMS[name].mutations:
        found = check_mutation(CLAIMS[name], mutation, setting)
        assert found.verdict == Verdict.REFUTED, mutation.description
        # no check with a changed parameter still confirms
        changed = [mutation.changes.keys() & check.parameters.keys() for check in CLAIMS[name].checks]
        verdicts = [one.verdict for one, names in zip(found.evidence, changed, strict=True) if names]
        assert Verdict.CONFIRMED not in verdicts, mutation.description


def test_one_dead_pattern_more_refutes(monkeypatch):
    def one_more(network, points, rng):
        found = every_sign(network, points, rng)
        alive = found.alive.copy()
        alive[np.flatnonzero(alive[:, -1].any(axis=1))[0], -1] = False
        return dataclasses.replace(found, alive=alive)

    monkeypatch.setattr(survival, "every_sign", one_more)
    survival._shares.cache_clear()
    try:
        for measure, inputs, relation in (
            ("alive", "one point", "=="),
            ("alive", "any", ">="),
            ("living ratio", "any", "=="),
            ("alive", "the orthant", "=="),
        ):
            right = LOWER if inputs != "the orthant" else "1 - 2**(-n[1]*(n[0] + b))"
            found = survival.survival_by_enumeration(
                setting=Setting(), measure=measure, inputs=inputs, relation=relation, right=right
            )
            assert found.verdict == Verdict.REFUTED
    finally:
        survival._shares.cache_clear()


def test_sampling_refutes_what_holds_for_another_width(monkeypatch):
    def narrower(setting, network, inputs, *, trials, **options):
        widths = [max(1, width - 1) for width in network.widths]
        other = Network(widths, input_dim=network.input_dim, init=network.init, bias_variance=network.bias_variance)
        return simulate(other, inputs, trials=trials // 10, seed=setting.seed, **options)

    monkeypatch.setattr(survival, "sample", narrower)
    found = survival.survival_by_sampling(
        setting=Setting(), measure="alive", inputs="one point", relation="==", right=LOWER
    )
    assert found.verdict == Verdict.REFUTED


def test_sampling_refutes_a_flip_that_does_nothing(monkeypatch):
    honest = sign_flips._living_points

    def unflipped(network, inputs, seed, trials):
        plain = Network(network.widths, input_dim=network.input_dim, bias_variance=network.bias_variance)
        return honest(plain, inputs, seed, trials)

    monkeypatch.setattr(sign_flips, "_living_points", unflipped)
    found = sign_flips.sign_flip_by_sampling(setting=Setting(), mode="layer", living="ceil(M*2**(-k))")
    assert found.verdict == Verdict.REFUTED


def test_living_points_are_the_least_of_all_draws():
    found = sign_flips.sign_flip_by_enumeration(setting=Setting(), mode="layer", living="0").numbers
    least = []
    for widths, dimension, bias_variance in sign_flips.TINY:
        network = Network(widths, input_dim=dimension, bias_variance=bias_variance, sign_flip="layer")
        for size in sign_flips.SIZES:
            draws = [sign_flips._least_and_most(network, size, 0, draw)[0].tolist() for draw in range(5)]
            least += [min(column) for column in zip(*draws, strict=True)]
            assert size > 1 or draws == [[1] * len(widths)] * 5
    assert found["least"] == least


def test_a_library_that_disagrees_with_quadrature_is_an_error_and_no_verdict(monkeypatch):
    honest = tightness.two_point_survival
    monkeypatch.setattr(tightness, "two_point_survival", lambda widths, angle: honest(widths, 0.9 * angle))
    with pytest.raises(ArithmeticError, match="disagrees with quadrature"):
        tightness.depth_ratio_by_quadrature(setting=Setting(), rays="1.60", tolerance=0.005)
    with pytest.raises(ArithmeticError, match="at angle 1 disagrees"):
        tightness.shrinking_pair_by_quadrature(setting=Setting(), limit=LOWER)
    off = SimpleNamespace(survival=np.array([0.3]))
    monkeypatch.setattr(depth_limits, "log_width_schedule", lambda depth, c: off)
    with pytest.raises(ArithmeticError, match="disagrees with 60 digits"):
        depth_limits.log_width_high_precision(setting=Setting(), width="log2(k) + c", limit="exp(-2**(-c))")


def test_a_gap_that_does_not_fall_confirms_nothing(monkeypatch):
    def constant_gap(widths):
        lower = (1 - 2.0 ** -widths[0]) ** len(widths)
        return SimpleNamespace(exact=[lower + 0.01], error=[0.0])

    assert gap.one_dimensional_survival is one_dimensional_survival
    monkeypatch.setattr(gap, "one_dimensional_survival", constant_gap)
    found = gap.gap_exactly(setting=Setting(), gap="0", bound="exp(-2**(-c))")
    assert found.verdict == Verdict.INCONCLUSIVE


@pytest.mark.parametrize("angle", [0.0, 0.1, 1.0, 2.5, np.pi])
def test_two_points_through_one_layer_of_width_two_in_closed_form(angle):
    inactive = (np.pi - angle) / (2 * np.pi)
    ratio, _ = survival_over_single_point(angle, 1)
    assert ratio[0] == pytest.approx((1 - inactive**2) / 0.75, abs=1e-12)


def test_opposite_rays_through_two_layers_of_width_two_in_closed_form():
    """The published lower bound on the born-dead probability is exact there: 5/32."""
    ratio, error = survival_over_single_point(np.pi, 2)
    assert ratio[1] == pytest.approx((1 - 5 / 32) / 0.75**2, abs=1e-12)
    assert (error < 1e-12).all()


@pytest.mark.parametrize("angle", [0.5, 1.2, np.pi])
def test_quadrature_agrees_with_the_exact_chain(angle):
    ratio, error = survival_over_single_point(angle, 10)
    exact = two_point_survival([2] * 10, angle)
    assert (np.abs(ratio - exact.alive / 0.75 ** np.arange(1, 11)) <= 10 * error + 1e-11).all()
    assert error.max() < 1e-5


@seeds
def test_two_points_through_three_layers_of_width_two_sampled(seed):
    n, angle = 400_000, 2.0
    rng = np.random.default_rng([seed, 11])
    x = np.broadcast_to(np.array([[1.0, 0.0], [np.cos(angle), np.sin(angle)]]).T, (n, 2, 2))
    alive = np.ones((n, 2), dtype=bool)
    for _ in range(3):
        x = np.maximum(rng.standard_normal((n, 2, 2)) @ x, 0.0)
        alive &= x.any(axis=1)
    some = alive.any(axis=1)
    mean, stderr = some.mean() / 0.75**3, some.std() / np.sqrt(n) / 0.75**3
    assert_agrees(mean, stderr, survival_over_single_point(angle, 3)[0][-1])
    assert_refutes(mean, stderr, survival_over_single_point(angle, 2)[0][-1])


def test_formulas_become_exact_fractions():
    assert claimed_exactly("1 - 2**(-200)", {}) == 1 - Fraction(1, 2**200)
    assert claimed_exactly(LOWER, {"n": [5, 1, 2, 3], "k": 3}) == Fraction(1, 2) * Fraction(3, 4) * Fraction(7, 8)
    assert abs(claimed_exactly("1/3", {}) - Fraction(1, 3)) < Fraction(1, 10**70)


def counted(least, most, claimed):
    low, high, stated = Fraction(least), Fraction(most), Fraction(claimed)
    return Counted(network="1 -> 1", inputs="a point", layer=1, least=low, most=high, claimed=stated)


@pytest.mark.parametrize(
    ("least", "most", "relation", "verdict"),
    [
        ("1/2", "1/2", "==", Verdict.CONFIRMED),
        ("1/2", "3/4", "==", Verdict.REFUTED),
        ("1/4", "1/2", "==", Verdict.REFUTED),
        ("1/2", "3/4", ">=", Verdict.CONFIRMED),
        ("1/4", "3/4", ">=", Verdict.REFUTED),
        ("1/4", "3/4", "<=", Verdict.REFUTED),
        ("1/2", "3/4", ">", Verdict.REFUTED),
    ],
)
def test_counting_decides_by_the_least_and_the_most(least, most, relation, verdict):
    rows = [counted("1/2", "1/2", "1/2")] if relation != ">" else []
    found = counted_evidence([*rows, counted(least, most, "1/2")], relation, "shares", 4)
    assert (found.verdict, found.points) == (verdict, len(rows) + 1)
    assert ("violate" in found.summary) == (verdict == Verdict.REFUTED)


def sampled(claimed, **found):
    return Sampled(network="1 -> 1", inputs="a point", layer=1, claimed=claimed, trials=10_000, **found)


@pytest.mark.parametrize(
    ("row", "relation", "verdict"),
    [
        (sampled(0.5, hits=5030), "==", Verdict.CONFIRMED),
        (sampled(0.5, hits=5500), "==", Verdict.REFUTED),
        (sampled(0.5, hits=5500), ">=", Verdict.CONFIRMED),
        (sampled(0.5, hits=5500), "<=", Verdict.REFUTED),
        (sampled(0.5, hits=5500, allowance=0.06), "==", Verdict.INCONCLUSIVE),
        (sampled(0.5, mean=0.52, stderr=0.001), "==", Verdict.REFUTED),
        (sampled(0.5, mean=0.502, stderr=0.001), "==", Verdict.CONFIRMED),
        (sampled(0.5, mean=0.502, stderr=0.1), "==", Verdict.INCONCLUSIVE),
    ],
)
def test_sampling_decides_by_limits(row, relation, verdict):
    found = sampled_evidence([row], relation, "shares", Setting())
    assert found.verdict == verdict
    assert ("none refutes it" in found.summary) == (verdict != Verdict.REFUTED)


def test_more_comparisons_widen_the_limits():
    row = sampled(0.5, hits=5250)  # five standard errors
    assert sampled_evidence([row], "==", "shares", Setting(false_alarm=1e-4)).verdict == Verdict.REFUTED
    many = [row] + [sampled(0.5, hits=5000)] * 999
    assert sampled_evidence(many, "==", "shares", Setting(false_alarm=1e-4)).verdict == Verdict.CONFIRMED


def test_layers_and_names():
    assert findings.layers_to_check(1) == [1]
    assert findings.layers_to_check(20) == [1, 2, 4, 8, 16, 20]
    names = findings.names_at(Network([2, 3], input_dim=5, bias_variance=0.1), 2, M=7)
    assert names == {"n": [5, 2, 3], "k": 2, "b": 1, "M": 7}


@pytest.mark.parametrize("checker", [survival.survival_by_enumeration, survival.survival_by_sampling])
def test_unknown_words_are_refused(checker):
    with pytest.raises(InvalidArgumentError, match="`measure` must be one of alive, living ratio"):
        checker(setting=Setting(), measure="lively", inputs="any", relation="==", right="1")
    with pytest.raises(InvalidArgumentError, match="`inputs` must be one of"):
        checker(setting=Setting(), measure="alive", inputs="all", relation="==", right="1")
    with pytest.raises(InvalidArgumentError, match="`mode` must be one of layer, neuron"):
        sign_flips.sign_flip_by_enumeration(setting=Setting(), mode="unit", living="1")
