"""The generic checkers: true statements are confirmed, false ones refuted, undecided ones left INCONCLUSIVE."""

import pytest

from neurondeath.paper_check.checkers.identities import holds_at_random_points, holds_symbolically, tends_to
from neurondeath.paper_check.evidence import Setting
from neurondeath_theory.foundation.errors import InvalidArgumentError

QUICK = Setting()


@pytest.mark.parametrize(
    ("left", "relation", "right", "verdict"),
    [
        ("(x + y)**2", "==", "x**2 + 2*x*y + y**2", "CONFIRMED"),
        ("(x + y)**2", "==", "x**2 + 2*x*y + y**2 + 1e-20*x", "REFUTED"),
        ("(x + y)**2", ">=", "4*x*y", "CONFIRMED"),
        ("(x + y)**2", ">", "4*x*y", "REFUTED"),  # equal at the corners
        ("x", "<", "x + 1", "CONFIRMED"),
        ("x", "<=", "x - 1", "REFUTED"),
        ("x", "<=", "2.9", "REFUTED"),  # in a tenth of the domain
    ],
)
def test_random_points(left, relation, right, verdict):
    names = {"x": [1, 3], "y": [1, 3]}
    found = holds_at_random_points(setting=QUICK, left=left, relation=relation, right=right, names=names)
    assert found.verdict.value == verdict
    assert found.points == 202
    assert len(found.numbers["difference"]) == 202


def test_points_stay_in_their_domain():
    names = {"a": [2, 5, "integer"], "b": [1e-3, 1e3, "log"], "c": {"values": [1, 4, 9]}, "d": [-1.0, 1.0]}
    text = {"left": "a + b + c + d", "relation": ">", "right": "0"}
    numbers = holds_at_random_points(setting=QUICK, **text, names=names).numbers
    assert set(numbers["a"]) == {2, 3, 4, 5}
    assert set(numbers["c"]) == {1, 4, 9}
    assert min(numbers["b"]) == 1e-3
    assert max(numbers["b"]) == 1e3
    assert sum(value < 1 for value in numbers["b"]) > 60  # even in the logarithm
    assert -1 <= min(numbers["d"]) < -0.9
    full = holds_at_random_points(setting=Setting(full=True, seed=1), **text, names=names).numbers
    assert len(full["a"]) == 2002
    assert full["d"][5] != numbers["d"][5]


@pytest.mark.parametrize("domain", [[1], [2, 1], [1, 2, "whole"], [0, 1, "log"], [0.5, 2, "integer"], "12", 7, {}])
def test_bad_domains_are_refused(domain):
    with pytest.raises(InvalidArgumentError, match=r"names\.x"):
        holds_at_random_points(setting=QUICK, left="x", relation="==", right="x", names={"x": domain})


def test_what_is_no_number_is_an_error_and_no_evidence():
    with pytest.raises(ValueError, match="no real number"):
        holds_at_random_points(setting=QUICK, left="log(-x)", relation="<", right="1", names={"x": [1, 2]})


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [
        ("(x + 1)**3", "x**3 + 3*x**2 + 3*x + 1", "CONFIRMED"),
        ("Phi(x)", "1 - Phi(-x)", "CONFIRMED"),
        ("log2(x)", "log(x)/log(2)", "CONFIRMED"),
        ("(x + 1)**3", "x**3 + 3*x**2 + 3*x", "REFUTED"),
        ("Phi(x)", "Phi(-x)", "REFUTED"),
        ("max(x, y)", "(x + y + abs(x - y))/2", "INCONCLUSIVE"),  # true, but beyond simplification
    ],
)
def test_algebra(left, right, verdict):
    assert holds_symbolically(setting=QUICK, left=left, right=right, names=["x", "y"]).verdict.value == verdict


@pytest.mark.parametrize(
    ("term", "limit", "verdict"),
    [
        ("(1 - 1/k)**k", "exp(-1)", "CONFIRMED"),
        ("(1 - c/k)**k", "exp(-c)", "CONFIRMED"),
        ("c", "c", "CONFIRMED"),
        ("(1 - c/k)**k", "exp(-2*c)", "REFUTED"),
        ("(1 - c/k)**k", "exp(-c) + 1e-4", "REFUTED"),
        ("c", "c + 1", "REFUTED"),
        ("1/log(log(k))", "0", "INCONCLUSIVE"),  # converges too slowly to decide
        ("sin(k)", "0", "INCONCLUSIVE"),
    ],
)
def test_limits(term, limit, verdict):
    found = tends_to(setting=QUICK, term=term, limit=limit, name="k", names={"c": [0.5, 2.0]})
    assert found.verdict.value == verdict
