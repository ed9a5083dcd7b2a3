"""Claims whose checkers return, raise or do what the claim asks of them."""

import inspect
import textwrap

import neurondeath.paper_check.claims
from neurondeath.paper_check.claims import Check, Claim, Mutation
from neurondeath.paper_check.evidence import Evidence, Verdict

__all__ = ["EXAMPLE", "FAKES", "claim", "fake"]

FAKES = "tests.references.fake_claims"
# the claims file that the documentation of the format shows
EXAMPLE = textwrap.dedent(
    inspect.getdoc(neurondeath.paper_check.claims).split("The format:")[1].split("A checker is")[0]
)


def fake(*, setting, verdict, points=1, route="symbolic"):
    """Return evidence with the verdict that the claim names."""
    if verdict == "raise":
        raise ZeroDivisionError("in\nthe checker")
    if verdict == "interrupt":
        raise KeyboardInterrupt
    numbers = {"at <b>": [1, 2.5], "name": ["<i>", "b & c"]}
    return Evidence(route=route, verdict=Verdict(verdict), summary="1 < 2 & more", points=points, numbers=numbers)


def claim(name, *verdicts, expected="CONFIRMED", mutations=(), **more):
    checks = tuple(
        Check(route="symbolic", checker=f"{FAKES}:fake", parameters={"verdict": verdict, **more})
        for verdict in verdicts
    )
    wrong = tuple(Mutation(description=f"as {verdict}", changes={"verdict": verdict}) for verdict in mutations)
    return Claim(
        id=name,
        paper="fake <paper>",
        statement="x < y & z.",
        checks=checks,
        mutations=wrong,
        expected=Verdict(expected),
    )
