"""A report as text and as plain data: the table on a terminal, the JSON document, and what ran it."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from neurondeath_theory._console import print_table
from neurondeath_theory._version import __version__
from paper_check.evidence import Evidence, Verdict
from paper_check.verification import CheckedClaim, Report

__all__ = ["print_report", "report_data", "versions"]

LIBRARIES = ("numpy", "scipy", "numba", "sympy", "mpmath")


def versions() -> dict[str, str]:
    """Name the versions a result depends on.

    Examples
    --------
    >>> list(versions())
    ['neurondeath', 'Python', 'numpy', 'scipy', 'numba', 'sympy', 'mpmath']
    """
    libraries = {name: version(name) for name in LIBRARIES}
    return {"neurondeath": __version__, "Python": platform.python_version(), **libraries}


def report_data(report: Report) -> dict[str, Any]:
    """Give a report as plain data, for JSON."""
    return {
        "passed": report.passed,
        "finished": report.finished,
        "full": report.setting.full,
        "self_test": report.self_test,
        "seed": report.setting.seed,
        "false_alarm": report.setting.false_alarm,
        "seconds": report.seconds,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "claims": [_claim_data(item, self_test=report.self_test) for item in report.claims],
    }


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


def _claim_data(item: CheckedClaim, *, self_test: bool) -> dict[str, Any]:
    claim = item.claim
    data: dict[str, Any] = {"id": claim.id, "paper": claim.paper, "where": claim.where, "statement": claim.statement}
    if self_test:
        mutations = [
            {
                "description": one.mutation.description,
                "verdict": one.verdict.value,
                "evidence": [_evidence_data(found) for found in one.evidence],
                "seconds": one.seconds,
            }
            for one in item.mutations
        ]
        return {**data, "refuted": item.mutations_refuted, "mutations": mutations, "seconds": item.seconds}
    return {
        **data,
        "verdict": item.verdict.value,
        "expected": claim.expected.value,
        "formula": claim.formula,
        "assumptions": list(claim.assumptions),
        "domain": claim.domain,
        "erratum": claim.erratum,
        "reason": claim.reason,
        "evidence": [_evidence_data(found) for found in item.evidence],
        "seconds": item.seconds,
    }


def _evidence_data(found: Evidence) -> dict[str, Any]:
    return {
        "route": found.route,
        "verdict": found.verdict.value,
        "summary": found.summary,
        "points": found.points,
        "numbers": {name: [_plain(value) for value in values] for name, values in found.numbers.items()},
    }


def _plain(value: Any) -> Any:
    """Turn the numbers of sympy, mpmath and fractions into doubles."""
    return value if isinstance(value, (str, int, float, np.generic, type(None))) else float(value)
