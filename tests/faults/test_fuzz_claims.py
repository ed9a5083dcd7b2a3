"""Random claims files, formulas and pages: a value or one line, in bounded time, and nothing that acts in a page."""

import random
import resource
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurondeath.paper_check.claims import read_claims
from neurondeath.paper_check.formulas import evaluate, parse_formula
from neurondeath.paper_check.time_limit import time_limit
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.visible_text import visible
from tests.paper_check.hostile_claims import (
    BOMBS,
    CONTROLS,
    HOSTILE,
    LATEX,
    TEXT_FIELDS,
    claim_file,
    formulas,
    what_acts,
)
from tests.paper_check.test_broken_claim_files import BROKEN
from tests.paper_check.test_hostile_pages import item_of, page_of

pytestmark = pytest.mark.faults

MANY = settings(deadline=None, max_examples=3000, suppress_health_check=list(HealthCheck), database=None)
NAMES = {"x": 1.5, "y": 0.25, "k": 7, "n": [1, 2, 3]}
SECONDS = 20  # of one formula, on a busy machine
MEMORY = 2**30  # that a thousand formulas may leave behind
VALUES = st.one_of(
    st.sampled_from([*HOSTILE, *CONTROLS, *list(BOMBS)[:60]]),
    st.text(max_size=40),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.lists(st.one_of(st.text(max_size=5), st.integers(), st.floats(allow_nan=False))),
    st.dictionaries(st.text(max_size=5), st.integers(-9, 9), max_size=3),
)


def tried(function):
    """Call a function within the limit of time; return its value or None, and check its refusal."""
    with time_limit(SECONDS):
        try:
            return function()
        except InvalidArgumentError as error:
            line = str(error)
    assert visible(line) == line
    assert len(line) < 1000
    return None


@MANY
@given(formulas(16))
def test_formulas_in_numbers(text):
    tried(lambda: evaluate(text, NAMES))
    tried(lambda: evaluate(text, NAMES, digits=40))


@settings(MANY, max_examples=1000)
@given(formulas(10))
def test_formulas_in_computer_algebra(text):
    tried(lambda: parse_formula(text, ["x", "y", "k"]))


@MANY
@given(st.text(alphabet="0123456789.eE+-*/()[],_ xyjn\n#'\"\\expSumPi", max_size=80))
def test_texts_that_are_hardly_formulas(text):
    tried(lambda: evaluate(text, NAMES, digits=40))
    tried(lambda: parse_formula(text, ["x", "y"]))


@settings(MANY, max_examples=2000)
@given(data=st.data())
def test_claims_with_any_value_in_any_field(tmp_path_factory, data):
    keys = [*TEXT_FIELDS, "assumptions", "expected", "figure", "check", "mutation", "parameters", "unknown"]
    fields = {}
    for key in data.draw(st.lists(st.sampled_from(keys), max_size=3, unique=True)):
        if key in ("check", "mutation", "parameters"):
            inner = st.sampled_from(
                ["route", "checker", "description", "changes", "left", "right", "names", "relation"]
            )
            fields[key] = data.draw(st.dictionaries(inner, VALUES, max_size=2))
        else:
            fields[key] = data.draw(VALUES)
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(claim_file(**fields).replace("NaN", "nan").replace("Infinity", "inf").encode(errors="replace"))
    for claim in tried(lambda: read_claims(path)) or ():
        texts = {field: getattr(claim, field) for field in TEXT_FIELDS if field != "id"}
        assert not what_acts(page_of(item_of(claim.id, **texts)))


def test_thousands_of_damaged_files(tmp_path):
    choose = random.Random(3)
    whole = [claim_file(formula=r"\frac{a}{b}", domain="all").encode(), *BROKEN.values()]
    path = tmp_path / "claims.toml"
    outcomes = {"read": 0, "refused": 0}
    for _ in range(4000):
        content = bytearray(choose.choice(whole)[:5000])
        for _ in range(choose.choice((1, 2, 10, 100))):
            if content:
                content[choose.randrange(len(content))] = choose.choice(
                    b'"[]{}=\n\\\x1b.,#' + bytes([choose.randrange(256)])
                )
        path.write_bytes(content)
        outcomes["read" if tried(lambda: read_claims(path)) else "refused"] += 1
    print(outcomes)
    assert outcomes["refused"] > 1000


@MANY
@given(
    st.lists(st.sampled_from([*LATEX, *HOSTILE, *CONTROLS, "{", "}", "^", "_", "&", "%", "$", "\\frac", "\\left("])),
    st.text(max_size=200),
)
def test_pages(parts, text):
    formula = "".join(parts)
    claim = item_of("M1", formula=formula, statement=text + formula, domain=text, summary=formula)
    assert not what_acts(page_of(claim))


def test_bombs_leave_no_memory_behind():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    for text in BOMBS:
        tried(lambda: evaluate(text, NAMES, digits=40))  # noqa: B023 - called at once
        tried(lambda: parse_formula(text, ["x", "y", "k"]))  # noqa: B023
    assert time.monotonic() - started < 5 * len(BOMBS)
    assert 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < MEMORY
