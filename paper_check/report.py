"""A report as plain data for JSON, and the versions of the software that produced it."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from neurondeath.paper_check.checked_claims import CheckedClaim, Report
from neurondeath.paper_check.evidence import Evidence, Verdict
from neurondeath_theory.foundation.version import __version__

__all__ = ["report_data", "tally", "versions"]

LIBRARIES = ("numpy", "scipy", "numba", "sympy", "mpmath")


def versions() -> dict[str, str]:
    """Return the versions of the software that a result depends on.

    Examples
    --------
    >>> list(versions())
    ['neurondeath', 'Python', 'numpy', 'scipy', 'numba', 'sympy', 'mpmath']
    """
    return {"neurondeath": __version__, "Python": platform.python_version(), **_library_versions()}


@lru_cache(maxsize=1)
def _library_versions() -> Mapping[str, str]:
    return {name: version(name) for name in LIBRARIES}


def tally(report: Report) -> dict[str, dict[Verdict, int]]:
    """Count the verdicts of each paper: of its claims, in a self-test of their mutations."""
    counts: dict[str, dict[Verdict, int]] = {}
    for item in report.claims:
        verdicts = [one.verdict for one in item.mutations] if report.self_test else [item.verdict]
        of_paper = counts.setdefault(item.claim.paper, {})
        for verdict in verdicts:
            of_paper[verdict] = of_paper.get(verdict, 0) + 1
    return counts


def report_data(report: Report) -> dict[str, Any]:
    """Return a report as plain data for JSON."""
    return {
        "passed": report.passed,
        "finished": report.finished,
        "full": report.setting.full,
        "self_test": report.self_test,
        "changes": dict(report.changes),
        "seed": report.setting.seed,
        "false_alarm": report.setting.false_alarm,
        "seconds": report.seconds,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "papers": {
            paper: {verdict.value: count for verdict, count in counts.items()}
            for paper, counts in tally(report).items()
        },
        "claims": [_claim_data(item, self_test=report.self_test) for item in report.claims],
    }


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
        "bound": claim.bound,
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
        "effects": [list(limits) for limits in found.effects],
        "numbers": {name: list(values) for name, values in found.numbers.items()},
    }
