"""A report of `neurondeath check` as a table on the terminal."""

from collections.abc import Sequence

from neurondeath.commands.console import print_table
from neurondeath.paper_check.evidence import Verdict
from neurondeath.paper_check.verification import Report

__all__ = ["print_report"]


def print_report(report: Report) -> None:
    """Write a report as a table: a claim, then its evidence line by line."""
    rows: list[tuple[str, str, str, str]] = []
    for item in report.claims:
        claim = item.claim
        if report.self_test:
            rows += [(claim.id, one.verdict.value, "", one.mutation.description) for one in item.mutations]
            if not item.mutations:
                rows.append((claim.id, "-", "", claim.reason or "no mutation"))
            continue
        rows.append((claim.id, item.verdict.value, claim.paper, claim.statement))
        rows += [("", "", one.route, f"{one.verdict.value}: {one.summary}") for one in item.evidence]
        if claim.erratum:
            rows.append(("", "", "erratum", claim.erratum))
        if claim.reason:
            rows.append(("", "", "reason", claim.reason))
    head = ("id", "verdict", "" if report.self_test else "paper, route", "mutation" if report.self_test else "evidence")
    columns = {name: [row[index] for row in rows] for index, name in enumerate(head) if name}
    print_table(columns, title=_title(report), notes=_odd(report))


def _title(report: Report) -> str:
    kind = "full" if report.setting.full else "quick"
    return f"{'self-test' if report.self_test else 'check'}, {kind}, seed {report.setting.seed}"


def _odd(report: Report) -> Sequence[str]:
    """Say what is not as it should be."""
    if report.self_test:
        return [
            f"{item.claim.id}: a wrong version is not refuted ({one.mutation.description}): "
            + "; ".join(f"{found.verdict.value} by {found.route}: {found.summary}" for found in one.evidence)
            for item in report.claims
            for one in item.mutations
            if one.verdict != Verdict.REFUTED
        ]
    return [
        f"{item.claim.id}: {item.verdict.value}, but {item.claim.expected.value} is expected" for item in report.odd
    ]
