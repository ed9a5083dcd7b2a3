"""A report as plain data for JSON, and the versions of the software that produced it."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from neurondeath.paper_check.evidence import Evidence
from neurondeath.paper_check.verification import CheckedClaim, Report
from neurondeath_theory.foundation.version import __version__

__all__ = ["report_data", "versions"]

LIBRARIES = ("numpy", "scipy", "numba", "sympy", "mpmath")


def versions() -> dict[str, str]:
    """Return the versions of the software that a result depends on.

    Examples
    --------
    >>> list(versions())
    ['neurondeath', 'Python', 'numpy', 'scipy', 'numba', 'sympy', 'mpmath']
    """
    libraries = {name: version(name) for name in LIBRARIES}
    return {"neurondeath": __version__, "Python": platform.python_version(), **libraries}


def report_data(report: Report) -> dict[str, Any]:
    """Return a report as plain data for JSON."""
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
    """Convert the numbers of sympy, mpmath and fractions to doubles."""
    return value if isinstance(value, (str, int, float, np.generic, type(None))) else float(value)
