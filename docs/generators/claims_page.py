"""The list of claims: what `neurondeath check` verifies, with the verdict expected of each and the routes."""

from itertools import groupby

from generators.markdown import escaped
from neurondeath.paper_check.claims import Claim, packaged_claims
from neurondeath.paper_check.papers import PAPERS

__all__ = ["claims_page"]

INTRODUCTION = """# All claims

What `neurondeath check` verifies: {number} claims of {papers} papers, each by independent routes. The verdict is the
one expected of the claim, which the check must reach; a claim that fails is listed with the reason.
`neurondeath check --only {first}` runs one of them, `--self-test` shows that wrong versions of it are refuted.
"""


def claims_page() -> dict[str, str]:
    """Return the page: path below `docs/generated` -> text."""
    claims = packaged_claims()
    papers = [list(group) for _, group in groupby(claims, key=lambda claim: claim.paper)]
    parts = [INTRODUCTION.format(number=len(claims), papers=len(papers), first=claims[0].id)]
    for group in papers:
        key = group[0].paper
        parts += [f"## {key}\n", f"{escaped(PAPERS[key].title.replace('{', '').replace('}', ''))}, [{key}](#{key}).\n"]
        parts += [_claim(claim) for claim in group]
    return {"evidence/claims.md": "\n".join(parts)}


def _claim(claim: Claim) -> str:
    routes = ", ".join(dict.fromkeys(check.route for check in claim.checks))
    lines = [f"(claim-{claim.id.lower()})=", f"### {claim.id}", "", escaped(claim.statement), ""]
    if claim.formula:
        lines += ["$$", claim.formula, "$$", ""]
    lines += [f"Expected: **{claim.expected.value}**, by {escaped(routes)}.", ""]
    if claim.assumptions:
        lines += [f"Assumptions: {escaped('; '.join(claim.assumptions))}.", ""]
    lines += [f"{name}: {escaped(text)}" + "\n" for name, text in _notes(claim) if text]
    return "\n".join(lines)


def _notes(claim: Claim) -> list[tuple[str, str]]:
    return [("Checked on", claim.domain), ("Erratum", claim.erratum), ("Reason", claim.reason)]
