"""The claims of price2024 and dent2026: each check confirms the claim and, by itself, refutes its mutations."""

from dataclasses import replace
from importlib import import_module

import pytest

from neurondeath.paper_check.checkers.gaussian_limit import convolution, correlation, escapes, sparse_survival
from neurondeath.paper_check.claims import Check, Claim, Mutation, packaged_claims
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict

CLAIMS = [claim for claim in packaged_claims() if claim.paper in ("price2024", "dent2026")]
MUTATIONS = [(claim, mutation) for claim in CLAIMS for mutation in claim.mutations]
FEW = {"chain": 250, "dense": 500}  # paths that are enough to refute, and not always enough to confirm


def named(value: object) -> str:
    """Format the name of a parameter in the list of tests."""
    return getattr(value, "id", None) or getattr(value, "description", None) or str(value)


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    for (sampler, full), paths in list(escapes.PATHS.items()):
        if not full:
            monkeypatch.setitem(escapes.PATHS, (sampler, full), min(paths, FEW[sampler]))
    monkeypatch.setitem(sparse_survival.PATHS, False, 4_000)
    monkeypatch.setitem(sparse_survival.NETWORKS, False, 50_000)
    monkeypatch.setitem(convolution.NETWORKS, False, 6_000)
    monkeypatch.setitem(correlation.NETWORKS, False, 10_000)


def run(check: Check) -> Evidence:
    module, function = check.checker.split(":")
    evidence = getattr(import_module(module), function)(setting=Setting(workers=2), **check.parameters)
    assert evidence.route == check.route
    assert evidence.points > 0
    assert len({len(column) for column in evidence.numbers.values()}) == 1
    return evidence


def changed(claim: Claim, mutation: Mutation) -> list[Check]:
    pairs = zip(claim.checks, claim.mutated(mutation), strict=True)
    return [wrong for right, wrong in pairs if wrong.parameters != right.parameters]


def test_every_claim_of_the_two_papers_is_there():
    ids = {claim.id for claim in CLAIMS}
    assert ids >= {f"P{number}" for number in range(1, 13)}
    assert all(claim.checks and claim.mutations for claim in CLAIMS)


@pytest.mark.parametrize(("claim", "number"), [(c, i) for c in CLAIMS for i in range(len(c.checks))], ids=named)
def test_checks_do_not_refute_the_claim(claim, number):
    check = claim.checks[number]
    evidence = run(check)
    if check.route == "Monte Carlo":
        assert evidence.verdict in (Verdict.CONFIRMED, Verdict.INCONCLUSIVE), evidence.summary
    else:
        assert evidence.verdict is claim.expected, evidence.summary


@pytest.mark.parametrize(("claim", "mutation"), MUTATIONS, ids=named)
def test_every_changed_check_refutes_the_mutation(claim, mutation):
    wrong = changed(claim, mutation)
    assert wrong
    for check in wrong:
        assert run(check).verdict is Verdict.REFUTED, (check.checker, mutation.description)


def test_one_wrong_case_among_right_ones_refutes():
    (claim,) = [claim for claim in CLAIMS if claim.id == "P6"]
    check = next(check for check in claim.checks if check.checker.endswith("escapes:escapes"))
    cases = [dict(case) for case in check.parameters["cases"]]
    cases[1]["relation"] = ">"
    found = run(replace(check, parameters={**check.parameters, "cases": cases}))
    assert found.verdict is Verdict.REFUTED
