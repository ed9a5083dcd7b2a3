"""The claims as data: what a claims file may contain, and completeness of the packaged ones."""

import inspect
from importlib import import_module

import pytest

from neurondeath.figures.registry import FIGURES
from neurondeath.paper_check.checker_names import MOVED, RENAMED, current_name
from neurondeath.paper_check.claim_keys import CHECK_KEYS, CLAIM_KEYS, MUTATION_KEYS, claim_template
from neurondeath.paper_check.claims import packaged_claims, read_claims, select_claims
from neurondeath.paper_check.evidence import Verdict
from neurondeath.paper_check.formula_markup import formula_markup
from neurondeath.paper_check.papers import PAPERS
from neurondeath.paper_check.verification import check as check_claims
from neurondeath_theory.foundation.errors import InvalidArgumentError

CLAIMS = packaged_claims()
BY_ID = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)

GOOD = """
[[claim]]
id = "M1"
paper = "mine"
statement = "A survival probability is below its exponential."
formula = 'p \\le e^{-k 2^{-n}}'

[[claim.check]]
route = "high precision"
checker = "neurondeath.paper_check.checkers.identities:holds_at_random_points"
[claim.check.parameters]
left = "(1 - 2**(-n))**k"
relation = "<="
right = "exp(-k*2**(-n))"
names = { n = [1, 30, "integer"], k = [1, 100, "integer"] }

[[claim.mutation]]
description = "the direction reversed"
changes = { relation = ">=" }
"""


def write(folder, text):
    path = folder / "claims.toml"
    path.write_text(text)
    return path


def test_every_paper_has_claims():
    assert list(dict.fromkeys(claim.paper for claim in CLAIMS)) == list(PAPERS)


@BY_ID
def test_every_packaged_claim_is_whole(claim):
    assert claim.statement.endswith(".")
    if claim.expected is Verdict.NOT_TESTED:
        assert claim.reason
        return
    assert claim.mutations, "a tested claim shows by a mutation that it could fail"
    assert claim.domain
    assert claim.formula or claim.id  # a formula where there is one
    for check in (*claim.checks, *(check for one in claim.mutations for check in claim.mutated(one))):
        module, function = check.checker.split(":")
        signature = inspect.signature(getattr(import_module(module), function))
        signature.bind(setting=None, **check.parameters)
    for mutation in claim.mutations:
        assert claim.mutated(mutation) != claim.checks


@BY_ID
def test_every_formula_is_typeset(claim):
    if claim.formula:
        assert formula_markup(claim.formula).startswith("<math")
    assert not claim.figure or claim.figure in FIGURES


def test_claims_of_training_are_not_passed_off_as_tested():
    untested = {claim.id for claim in CLAIMS if claim.expected is Verdict.NOT_TESTED}
    tested = {claim.id for claim in CLAIMS if any(one.route == "training" for one in claim.checks)}
    assert untested == {claim.id for claim in CLAIMS if not claim.checks}
    assert {"L7", "P9", "P10", "P11t", "S2", "S3", "S4", "S5", "D2", "D2-batch", "D3"} <= tested
    assert {"D4", "D4-noise", "D6", "A1", "A2", "A3"} <= tested


def test_a_file_of_ones_own(tmp_path):
    (claim,) = read_claims(write(tmp_path, GOOD))
    assert (claim.id, claim.paper, claim.where, claim.expected) == ("M1", "mine", "abstract", Verdict.CONFIRMED)
    (mutated,) = claim.mutated(claim.mutations[0])
    assert mutated.parameters["relation"] == ">="
    assert mutated.parameters["left"] == claim.checks[0].parameters["left"]
    assert claim.checks[0].parameters["relation"] == "<="


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[[claim]]", "[[claims]]", "claims"),
        ('id = "M1"', "", "claim number 1, id"),
        ('id = "M1"', "id = 7", "id` must be a text"),
        ('paper = "mine"', "", "claim M1, paper` must be given"),
        ('statement = "A', 'sentence = "A', "claim M1, sentence"),
        ('paper = "mine"', 'paper = "mine"\nassumptions = "none"', "assumptions` must be a list"),
        ('paper = "mine"', 'paper = "mine"\nassumptions = [1]', "assumptions[0]"),
        ('paper = "mine"', 'paper = "mine"\nexpected = "TRUE"', "expected` must be one of CONFIRMED"),
        ('paper = "mine"', 'paper = "mine"\nexpected = "REFUTED"', "erratum"),
        ('paper = "mine"', 'paper = "mine"\nexpected = "NOT TESTED"\nreason = "why"', "reason"),
        ('paper = "mine"', 'paper = "mine"\nfigure = "nonsense"', "figure` must be one of"),
        ('route = "high precision"', 'route = "guess"', "check 1, route"),
        ('route = "high precision"', "", "check 1, route` must be given"),
        (":holds_at_random_points", "", "module:function"),
        ("changes = { relation", "changes = { direction", "mutation 1, changes` must replace parameters that a check"),
        ('changes = { relation = ">=" }', "changes = {}", "mutation 1, changes"),
        ("[[claim.check]]", "[claim.check]", "check` must be a list"),
        ("[[claim]]", "[[claim", "valid TOML file"),
    ],
)
def test_errors_name_the_file_the_claim_and_the_field(tmp_path, old, new, words):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InvalidArgumentError) as refusal:
        read_claims(path)
    assert words in str(refusal.value)
    assert path.name in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_claim_without_checks_must_say_so(tmp_path):
    text = '[[claim]]\nid = "M1"\npaper = "p"\nstatement = "s."\n'
    with pytest.raises(InvalidArgumentError, match="NOT TESTED"):
        read_claims(write(tmp_path, text))
    (claim,) = read_claims(write(tmp_path, text + 'expected = "NOT TESTED"\nreason = "needs a GPU"\n'))
    assert claim.expected is Verdict.NOT_TESTED


def test_ids_are_unique(tmp_path):
    with pytest.raises(InvalidArgumentError, match="unique"):
        read_claims(write(tmp_path, GOOD + GOOD.replace("M1", "m1")))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"claim = []", b"claim = [1]", b"x = 1"])
def test_files_that_are_no_claims(tmp_path, content):
    path = tmp_path / "claims.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidArgumentError):
        read_claims(path)


def test_missing_files_and_folders(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(InvalidArgumentError, match="TOML file"):
            read_claims(path)


def test_selection():
    assert [claim.id for claim in select_claims(CLAIMS, only=["b1", "L5"])] == ["L5", "B1"]
    assert {claim.paper for claim in select_claims(CLAIMS, paper="lu2019")} == {"lu2019"}
    for wrong in ({"only": ["R99"]}, {"only": []}, {"paper": "nobody"}, {"only": ["B1"], "paper": "lu2019"}):
        with pytest.raises(InvalidArgumentError):
            select_claims(CLAIMS, **wrong)


def test_the_template_is_a_claims_file_that_is_confirmed_and_whose_mutation_is_refuted(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(claim_template())
    (claim,) = read_claims(path)
    assert (claim.id, claim.paper, claim.where) == ("M1", "mypaper", "abstract")
    assert check_claims(claims=path).passed
    assert check_claims(claims=path, self_test=True).passed
    for name in (*CLAIM_KEYS, *CHECK_KEYS, *MUTATION_KEYS):
        assert name in claim_template()


def test_checkers_of_earlier_versions_are_found():
    for room in ("survival", "gaussian_limit", "training"):
        for name in MOVED[room]:
            module, _, function = current_name(f"paper_check.checkers.{name}:check").partition(":")
            assert function == "check"
            assert import_module(module).__name__.endswith(f"{room}.{name}")
    for old, new in RENAMED.items():
        assert import_module(current_name(f"paper_check.checkers.{old}:f").partition(":")[0]).__name__ == (
            f"neurondeath.paper_check.checkers.{new}"
        )
    assert current_name("neurondeath.paper_check.checkers.identities:f").endswith("identities:f")
    assert current_name("paper_check.checkers.my_own:f") == "paper_check.checkers.my_own:f"


def test_a_claims_file_of_an_earlier_version_still_works(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(claim_template().replace("neurondeath.paper_check.checkers", "paper_check.checkers"))
    assert check_claims(claims=path).passed
