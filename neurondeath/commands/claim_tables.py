"""Claims of the papers as text, before they are checked: the list, and one claim with all that its checks know."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from neurondeath.commands.output_options import Format
from neurondeath.commands.show import show
from neurondeath.commands.tables import Layout, Table
from neurondeath.paper_check.changed_claims import parameters_of
from neurondeath.paper_check.claims import Claim, bounds_of
from neurondeath.paper_check.papers import PAPERS

__all__ = ["show_list", "show_one"]

LIST = Layout(
    keys=("id",), priority=("expected", "statement", "paper", "routes", "figure", "bound"), prose=("statement",)
)
ONE = Layout(keys=("what",), priority=("text",), prose=("text",))
CHECKS = Layout(
    keys=("route",), priority=("parameter", "value"), prose=("value",), shown=("route", "parameter", "value")
)


def show_list(claims: Sequence[Claim], output: Format, columns: str | None) -> None:
    """Write a row for each claim."""
    listed = {
        "id": [claim.id for claim in claims],
        "paper": [claim.paper for claim in claims],
        "expected": [claim.expected.value for claim in claims],
        "bound": [", ".join(f"{bound:g}" for bound in bounds_of(claim)) for claim in claims],
        "routes": [", ".join(dict.fromkeys(one.route for one in claim.checks)) for claim in claims],
        "figure": [claim.figure for claim in claims],
        "statement": [claim.statement for claim in claims],
    }
    counts = Counter(listed["expected"])
    expected = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    notes = ["neurondeath check --show ID: assumptions, routes and parameters of a claim"]
    show(listed, output, chosen=columns, title=f"{len(claims)} claims, expected: {expected}", notes=notes, layout=LIST)


def show_one(claim: Claim, output: Format, columns: str | None) -> None:
    """Write a claim, and a row for each parameter of its checks, which `--with` changes."""
    rows = [
        (one.route, parameter, value, one.checker)
        for one in claim.checks
        for parameter, value in (parameters_of(one) or {"": ""}).items()
    ]
    parameters = {
        name: [row[index] for row in rows] for index, name in enumerate(("route", "parameter", "value", "checker"))
    }
    texts = _texts(claim)
    described = {"what": [what for what, _ in texts], "text": [text for _, text in texts]}
    notes = [f"neurondeath check --only {claim.id} --with PARAMETER=VALUE: the verdict with another value"]
    show(
        parameters,
        output,
        chosen=columns,
        notes=notes if rows else [],
        layout=CHECKS,
        tables=[
            Table(columns=described, title=f"claim {claim.id}", layout=ONE),
            Table(columns=parameters, title="checks", layout=CHECKS),
        ],
        json=lambda: _data(claim),
    )


def _texts(claim: Claim) -> list[tuple[str, str]]:
    paper = PAPERS.get(claim.paper)
    texts = [
        ("statement", claim.statement),
        ("paper", f"{claim.paper}, {claim.where}"),
        ("link", paper.url if paper else ""),
    ]
    texts += [("formula", claim.formula)] + [("assumption", assumption) for assumption in claim.assumptions]
    texts += [("checked on", claim.domain), ("expected", claim.expected.value)]
    texts += [("bound", ", ".join(f"{bound:g}" for bound in bounds_of(claim))), ("erratum", claim.erratum)]
    texts += [("reason", claim.reason), ("figure", claim.figure)]
    texts += [("wrong version", mutation.description) for mutation in claim.mutations]
    return [(what, text) for what, text in texts if text]


def _data(claim: Claim) -> dict[str, Any]:
    paper = PAPERS.get(claim.paper)
    return {
        "id": claim.id,
        "paper": claim.paper,
        "link": paper.url if paper else None,
        "where": claim.where,
        "statement": claim.statement,
        "formula": claim.formula,
        "assumptions": list(claim.assumptions),
        "domain": claim.domain,
        "expected": claim.expected.value,
        "bound": claim.bound,
        "erratum": claim.erratum,
        "reason": claim.reason,
        "figure": claim.figure,
        "checks": [
            {"route": one.route, "checker": one.checker, "bound": one.bound, "parameters": parameters_of(one)}
            for one in claim.checks
        ],
        "mutations": [{"description": one.description, "changes": dict(one.changes)} for one in claim.mutations],
    }
