"""Formulas that would fill a machine are refused in one line, on every route, before anything large is computed."""

import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings

from neurondeath.paper_check.checkers.findings import claimed_exactly
from neurondeath.paper_check.claims import read_claims
from neurondeath.paper_check.evidence import Verdict
from neurondeath.paper_check.formulas import evaluate, names_in, parse_formula, work_limit
from neurondeath.paper_check.time_limit import time_limit
from neurondeath.paper_check.verification import check
from neurondeath_theory.foundation.errors import InvalidArgumentError
from tests.paper_check.hostile_claims import BOMBS, claim_file, formulas

NAMES = {"x": 1.5, "y": 0.25, "k": 7, "n": [1, 2, 3]}
SECONDS = 10  # of one formula, on a busy machine; each of them took minutes or all memory without limits
ROUTES = {
    "p": lambda text: evaluate(text, NAMES, digits=40),
    "s": lambda text: parse_formula(text, ["x", "y", "k"]),
    "d": lambda text: evaluate(text, NAMES),
}


def outcome(route, text):
    """Return what a route makes of a formula: None for a value, or the refusal."""
    with time_limit(SECONDS):
        try:
            ROUTES[route](text)
        except InvalidArgumentError as error:
            return str(error)
    return None


@pytest.mark.parametrize("route", ROUTES)
def test_bombs(route):
    found = {text: outcome(route, text) for text in BOMBS}
    assert not [text for text, routes in BOMBS.items() if route in routes and found[text] is None]
    assert not [line for line in found.values() if line is not None and ("\n" in line or len(line) > 400)]


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(formulas(8))
def test_random_formulas(text):
    for route in ("p", "d"):
        outcome(route, text)


def test_large_values_that_are_cheap_are_computed():
    for text in (
        "2**10**9",
        "exp(-10**9)",
        "(1 - 2**(-n[0]*10**6))**(10**9)",
        "binomial(10**10, 5*10**9)",
        "sin(10**300)",
    ):
        evaluate(text, NAMES, digits=40)
    assert evaluate("max(x)", NAMES, digits=20) == evaluate("max(x)", NAMES) == 1.5


def test_numbers_that_are_not_real_are_nan_in_both_readings():
    for text in (
        "sqrt(-1)",
        "(-8)**(1/3)",
        "acos(2)",
        "log(-1)",
        "quantile(2)",
        "sqrt(-1)**2",
        "oo - oo",
        "binomial(oo, 2)",
    ):
        assert str(evaluate(text, {}, digits=20)) == "nan", text
        assert str(evaluate(text, {})) in ("nan", "inf"), text


def test_texts_of_numbers_are_read_with_the_limits_of_a_formula():
    assert evaluate("x", {"x": "-1e-9"}, digits=20) == evaluate("-1e-9", {}, digits=20)
    for value in ("1e999999999", "9**9**9**9", "nonsense", ""):
        with pytest.raises(InvalidArgumentError):
            evaluate("x", {"x": value}, digits=20)


def test_the_steps_of_a_check_are_bounded_over_all_its_formulas():
    with work_limit(95):
        for _ in range(10):
            evaluate("x + 1 + 1 + 1 + 1", NAMES)
        beyond = outcome("d", "x + 1 + 1 + 1 + 1")
    assert "steps at all points of a check" in beyond
    evaluate("x + 1 + 1 + 1 + 1", NAMES)


def test_fractions_of_claims_are_bounded():
    assert claimed_exactly("2**(-n)", {"n": 200}).denominator == 2**200
    for text in ("2**(-10**9)", "2**(10**12)", "1/0", "oo"):
        with pytest.raises(InvalidArgumentError):
            claimed_exactly(text, {})


def test_a_time_limit_ends_a_block_and_leaves_no_alarm():
    with pytest.raises(TimeoutError, match=r"0\.05 s"), time_limit(0.05):
        time.sleep(10)
    with time_limit(0.05):
        pass
    time.sleep(0.1)
    failures = []

    def elsewhere():  # no signals here: no limit, but the same result
        try:
            with time_limit(0.001):
                time.sleep(0.05)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert not failures


@pytest.mark.parametrize("field", ["left", "right"])
@pytest.mark.parametrize(
    "text", ["9**9**9**9", "Sum(Sum(1, i, 1, 10**6), j, 1, 10**6)", "sin(10**10**6)", "(x + 9)**9**9**9"]
)
def test_a_claims_file_with_a_bomb_is_refused_by_claim_and_field(tmp_path, field, text):
    path = tmp_path / "claims.toml"
    for what in ({"parameters": {field: text}}, {"mutation": {"changes": {field: text}}}):
        path.write_text(claim_file(**what))
        with pytest.raises(InvalidArgumentError) as refusal:
            read_claims(path)
        assert f"claim M1, {'check' if 'parameters' in what else 'mutation'} 1, {field}`" in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_bombs_of_other_checkers_are_found_as_well(tmp_path):
    path = tmp_path / "claims.toml"
    checker = "neurondeath.paper_check.checkers.survival.gap:gap_exactly"
    for parameters in ({"gap": "9**9**9**9", "bound": "1"}, {"gap": "1 + c*binomial(10**99, 10**98)", "bound": "1"}):
        path.write_text(claim_file(check={"checker": checker}, parameters=parameters))
        with pytest.raises(InvalidArgumentError, match="check 1, gap"):
            read_claims(path)


def test_what_only_the_points_show_is_an_error_of_that_check(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(claim_file(parameters={"left": "exp(1/(x - 0.5)**99)", "right": "oo", "names": {"x": [0.0, 1.0]}}))
    report = check(claims=path)
    assert report.claims[0].verdict in (Verdict.CONFIRMED, Verdict.ERROR)
    assert "\n" not in report.claims[0].evidence[0].summary


def test_names_are_found_in_what_can_be_read_only():
    assert names_in("Sum(x**j + y, j, 1, k)") == {"x", "y", "k"}
    for text in ("x # comment \x1b[31m", "x\x00", "'x'", "\u202ex", "x if y else z"):
        with pytest.raises(InvalidArgumentError):
            names_in(text)
