"""The judge of the fuzzing suite finds each kind of violation, and none where there is none."""

from dataclasses import replace

import pytest

from tests.faults.fuzz.cases import FAMILIES, Case, draw
from tests.faults.fuzz.contract import Outcome, judge
from tests.faults.fuzz.invocations import BASES, CONTRADICTIONS
from tests.faults.fuzz.parameters import parameters
from tests.faults.fuzz.refusals import names, shows

FILE = (0o100000, 3, "digest")
CASE = Case("size", "numbers", 0, 1, ("--depth", "x"), "", bad=("--depth", "x"), refused=True)
LINE = b"neurondeath: `--depth` must be a whole number; got 'x'\n"
ANSWER = {
    "code": 2,
    "seconds": 0.1,
    "cpu": 0.1,
    "memory": 1 << 20,
    "interrupted": False,
    "killed": False,
    "orphans": False,
}
GOOD = Outcome(ANSWER, b"", LINE, {"a": FILE}, {"a": FILE}, {}, CASE.arguments)


def test_a_right_refusal_is_no_violation():
    assert judge(CASE, GOOD) == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("accepted", {"answer": {**ANSWER, "code": 0}}),
        ("exit code", {"answer": {**ANSWER, "code": 1}}),
        ("fault", {"answer": {**ANSWER, "code": 70}}),
        ("hang", {"answer": {**ANSWER, "killed": True}}),
        ("silent work", {"answer": {**ANSWER, "code": 130, "interrupted": True}, "stderr": b""}),
        ("orphans", {"answer": {**ANSWER, "orphans": True}}),
        ("memory", {"answer": {**ANSWER, "memory": 1 << 33}}),
        ("traceback", {"stderr": b"Traceback (most recent call last):\n" + LINE}),
        ("warning", {"stderr": b"x.py:3: UserWarning: no\n" + LINE}),
        ("lines", {"stderr": LINE + LINE}),
        ("lines", {"stderr": b""}),
        ("form", {"stderr": b"`--depth` got 'x'\n"}),
        ("controls", {"stderr": b"neurondeath: \x1b[31m`--depth` 'x'\n"}),
        ("stdout of a refusal", {"stdout": b"a table\n"}),
        ("option not named", {"stderr": b"neurondeath: `--depths` 'x'\n"}),
        ("value not shown", {"stderr": b"neurondeath: `--depth`\n"}),
        ("left behind", {"after": {"a": FILE, "b": FILE}}),
        ("changed by a refusal", {"after": {"a": (0o100000, 4, "other")}}),
        ("changed by a refusal", {"after": {}}),
        ("temporary file", {"after": {"a": FILE, ".a.123": FILE}}),
        ("file in TMPDIR", {"temporary": {"x": FILE}}),
    ],
)
def test_violations(kind, change):
    assert kind in [one.kind for one in judge(CASE, replace(GOOD, **change))]


def test_violations_of_an_answer():
    case = replace(CASE, arguments=("--format", "json"), refused=False, bad=None)
    outcome = replace(GOOD, answer={**ANSWER, "code": 0}, stderr=b"", words=case.arguments)
    assert judge(case, replace(outcome, stdout=b'{"a": 1}')) == []
    assert [one.kind for one in judge(case, replace(outcome, stdout=b'{"a": NaN}'))] == ["json", "nan"]
    assert [one.kind for one in judge(replace(case, valid=True), GOOD)] == ["refused"]
    assert [one.kind for one in judge(case, replace(outcome, after={"a": FILE, "b": FILE}))] == ["stray file"]
    assert [one.kind for one in judge(case, replace(outcome, after={"a": (0, 0, "")}))] == ["input changed"]


def test_a_signal_before_the_program_began_is_nobodys_fault():
    trace = b"Traceback (most recent call last):\n  File x, line 1, in _get_module_details\nKeyboardInterrupt\n"
    early = replace(GOOD, answer={**ANSWER, "code": -2}, stderr=trace)
    case = replace(CASE, family="streams", signal=(2, 0.1), real=True, refused=False, bad=None)
    assert judge(case, early) == []
    assert [one.kind for one in judge(replace(case, real=False), early)] == ["traceback"]
    late = replace(early, stderr=trace.replace(b"_get_module_details", b"main"))
    assert [one.kind for one in judge(case, late)] == ["traceback"]


def test_names_and_values():
    assert names("`--m` must", "--m")
    assert not names("`--max-trials` must", "--m")
    assert shows("got '\\x1b[31mRED'", "\x1b[31mRED")
    assert shows("got inf", "1e400")
    assert shows("got 'x'", "2,x")
    assert not shows("got something", "\x1b[31mRED")


def test_cases_are_drawn_from_their_four_values():
    for subcommand in ("size", "merge"):
        for family in FAMILIES:
            assert draw(subcommand, family, 3, 1) == draw(subcommand, family, 3, 1)
            assert len({draw(subcommand, family, index, 1).arguments for index in range(10)}) > 1


def test_tables_name_options_that_there_are():
    for subcommand in ("bounds", "size", "simulate", "merge"):
        known = {word for one in parameters(subcommand) for word in (one.option, one.off)} | {"--help"}
        lines = [*BASES[subcommand], *(line for pair in CONTRADICTIONS[subcommand] for line in pair)]
        assert {word for line in lines for word in line.split() if word.startswith("--")} <= known
