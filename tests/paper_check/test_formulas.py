import math

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from neurondeath.paper_check.formula_text import FUNCTIONS
from neurondeath.paper_check.formulas import evaluate, names_in, parse_formula
from neurondeath_theory.foundation.errors import InvalidArgumentError

REFUSED = [
    "__import__('os').system('true')",
    "().__class__",
    "x.real",
    "[x, 1]",
    "x if x else 1",
    "x < 1",
    "lambda: 1",
    "'text'",
    "True",
    "1j",
    "None",
    "x @ x",
    "x // 2",
    "not x",
    "f(x)",
    "exp",
    "exp()",
    "exp(1, 2)",
    "exp(*x)",
    "binomial(1)",
    "Sum(j, j, 1)",
    "Sum(1, 2, 3, 4)",
    "Sum(j, j, 1, 1.5)",
    "Sum(j, j, 1, 10**9)",
    "n[7]",
    "n[-1]",
    "n[0.5]",
    "y",
    "(",
    "",
    "1" * 3000,
    "-" * 1900 + "1",
]


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("digits", [None, 30])
def test_what_is_no_formula_is_refused_in_one_line(text, digits):
    with pytest.raises(InvalidArgumentError) as refusal:
        evaluate(text, {"x": 1.0, "n": [1, 2]}, digits=digits)
    assert "\n" not in str(refusal.value)
    assert "`formula`" in str(refusal.value)


@pytest.mark.parametrize("text", [text for text in REFUSED if "Sum(j, j, 1, 1" not in text and text != "n[7]"])
def test_the_symbolic_reading_refuses_the_same(text):
    with pytest.raises(InvalidArgumentError):
        parse_formula(text, ["x", "n"])


@pytest.mark.parametrize("text", [7, None, b"x", ["x"]])
def test_a_formula_is_text(text):
    with pytest.raises((InvalidArgumentError, TypeError)):
        evaluate(text, {})


def test_a_huge_exact_power_is_refused_and_not_computed():
    with pytest.raises(InvalidArgumentError, match="bits"):
        parse_formula("9**9**9", [])


@settings(deadline=None, max_examples=60)
@given(
    x=st.floats(0.01, 5.0),
    y=st.floats(0.01, 5.0),
    text=st.recursive(
        st.sampled_from(["x", "y", "2", "0.5", "pi"]),
        lambda part: st.one_of(
            st.tuples(st.sampled_from(["({} + {})", "({} - {})", "({} * {})", "max({}, {})"]), part, part).map(
                lambda t: t[0].format(t[1], t[2])
            ),
            st.tuples(st.sampled_from(["Phi({})", "erf({})", "cos({})", "abs({})", "(-{})", "pdf({})"]), part).map(
                lambda t: t[0].format(t[1])
            ),
        ),
        max_leaves=6,
    ),
)
def test_the_three_readings_agree(x, y, text):
    double = float(evaluate(text, {"x": x, "y": y}))
    many = float(evaluate(text, {"x": x, "y": y}, digits=30))
    assert double == pytest.approx(many, rel=1e-9, abs=1e-9)
    x_, y_ = sympy.symbols("x y", positive=True)
    exact = parse_formula(text, {"x": x_, "y": y_}).subs({x_: sympy.Float(x, 30), y_: sympy.Float(y, 30)})
    assert many == pytest.approx(float(sympy.N(exact, 20)), rel=1e-9, abs=1e-9)


FUNCTION_VALUES = {
    "exp": ([1.5], math.exp(1.5)),
    "log": ([1.5], math.log(1.5)),
    "log2": ([8.0], 3.0),
    "log10": ([1000.0], 3.0),
    "sqrt": ([2.0], math.sqrt(2.0)),
    "abs": ([-2.0], 2.0),
    "sign": ([-2.0], -1.0),
    "floor": ([-1.5], -2.0),
    "ceil": ([-1.5], -1.0),
    "sin": ([0.7], math.sin(0.7)),
    "cos": ([0.7], math.cos(0.7)),
    "acos": ([0.7], math.acos(0.7)),
    "erf": ([0.7], math.erf(0.7)),
    "erfc": ([0.7], math.erfc(0.7)),
    "Phi": ([1.959963984540054], 0.975),
    "pdf": ([1.0], math.exp(-0.5) / math.sqrt(2.0 * math.pi)),
    "quantile": ([0.975], 1.959963984540054),
    "binomial": ([5.0, 2.0], 10.0),
    "min": ([3.0, 1.0, 2.0], 1.0),
    "max": ([3.0, 1.0, 2.0], 3.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_has_its_value_in_each_reading(name):
    arguments, value = FUNCTION_VALUES[name]
    text = f"{name}({', '.join(map(str, arguments))})"
    assert float(evaluate(text, {})) == pytest.approx(value, rel=1e-12)
    assert float(evaluate(text, {}, digits=30)) == pytest.approx(value, rel=1e-12)
    assert float(sympy.N(parse_formula(text, []))) == pytest.approx(value, rel=1e-12)


def test_sums_products_and_subscripts():
    widths = [2, 3, 5]
    text = "Product(1 - 2**(-n[j]*(n[j-1] + 1)), j, 1, k)"
    value = (1 - 2**-9) * (1 - 2**-20)
    assert float(evaluate(text, {"n": widths, "k": 2})) == pytest.approx(value, rel=1e-15)
    assert float(evaluate(text, {"n": widths, "k": 2}, digits=30)) == pytest.approx(value, rel=1e-15)
    assert float(evaluate("Sum(j**2, j, 1, 4)", {})) == 30
    assert float(evaluate("Sum(j, j, 3, 2)", {})) == 0
    assert float(evaluate("Product(j, j, 3, 2)", {})) == 1
    assert parse_formula("Sum(2**(-j), j, 1, oo)", []).doit() == 1
    n = sympy.IndexedBase("n")
    assert parse_formula(text, {"n": n, "k": 2}).doit().subs({n[0]: 2, n[1]: 3, n[2]: 5}) == sympy.Rational(value)


def test_arrays_broadcast_and_poles_are_not_numbers():
    assert evaluate("(1 - 2**(-n))**k", {"n": [1, 2], "k": 2}).tolist() == [0.25, 0.5625]
    assert math.isinf(evaluate("1/0", {}))
    assert math.isnan(evaluate("log(-1)", {}))
    assert mpmath.isnan(evaluate("1/0", {}, digits=20))
    with pytest.raises(InvalidArgumentError, match="broadcast"):
        evaluate("x + y", {"x": np.ones(2), "y": np.ones(3)})


def test_written_decimals_are_exact_beyond_doubles():
    assert parse_formula("0.1", []) == sympy.Rational(1, 10)
    assert mpmath.nstr(evaluate("0.1", {}, digits=40), 38) == "0.1"
    assert mpmath.nstr(evaluate("exp(1)", {}, digits=40), 38) == "2.7182818284590452353602874713526624978"


def test_names():
    assert names_in("Sum(x**j + y, j, 1, k) + pi") == {"x", "y", "k"}
    assert names_in("Sum(j, j, 1, 2) + j") == {"j"}
