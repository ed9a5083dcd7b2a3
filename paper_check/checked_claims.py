"""What comes of checking claims: verdicts with their evidence, and a report that tells which were not expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurondeath.paper_check.claims import Claim, Mutation
from neurondeath.paper_check.evidence import Evidence, Setting, Verdict
from neurondeath_theory.foundation.results import Result

__all__ = ["CheckedClaim", "CheckedMutation", "Report"]


@dataclass(frozen=True, kw_only=True)
class CheckedMutation:
    """Result of checking a mutation."""

    mutation: Mutation
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class CheckedClaim:
    """Result of checking a claim.

    Attributes
    ----------
    claim : Claim
        The claim.
    verdict : Verdict
        Of all its evidence together.
    evidence : tuple of Evidence
        One entry per check.
    mutations : tuple of CheckedMutation
        Of a self-test; else empty.
    seconds : float
        Time the checks took.
    """

    claim: Claim
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    mutations: tuple[CheckedMutation, ...] = ()
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether the claim has the verdict expected of it."""
        return self.verdict == self.claim.expected

    @property
    def mutations_refuted(self) -> bool:
        """Whether every mutation is refuted, and a tested claim has at least one."""
        return all(mutation.verdict == Verdict.REFUTED for mutation in self.mutations) and (
            bool(self.mutations) or self.claim.expected == Verdict.NOT_TESTED
        )


@dataclass(frozen=True, kw_only=True)
class Report(Result):
    """Result of a run of checks.

    Attributes
    ----------
    claims : tuple of CheckedClaim
        In the order they were checked.
    setting : Setting
        Seed, quick or full, false-alarm probability of each check.
    self_test : bool
        Whether the mutations were checked in place of the claims.
    n_wanted : int
        Number of claims to be checked; an interrupted run has fewer results.
    seconds : float
        Time of the whole run.
    stopped_by : int, optional
        The signal that interrupted the run.
    changes : mapping of str to value
        Parameters of the checks that were changed; no verdict is then expected.
    """

    claims: tuple[CheckedClaim, ...]
    setting: Setting
    self_test: bool
    n_wanted: int
    seconds: float
    stopped_by: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether every claim was checked."""
        return len(self.claims) == self.n_wanted

    @property
    def passed(self) -> bool:
        """Whether all was checked, and every claim (in a self-test, every mutation) has the expected verdict."""
        return self.finished and not self.unexpected

    @property
    def unexpected(self) -> tuple[CheckedClaim, ...]:
        """The claims without the expected verdict; in a self-test, those with a mutation that is not refuted.

        A user's studies may be too small to decide: a claim on training that they leave INCONCLUSIVE is not listed.
        """
        return tuple(item for item in self.claims if not self._is_good(item))

    def _is_good(self, item: CheckedClaim) -> bool:
        if self.self_test:
            return item.mutations_refuted
        if self.changes:  # nothing is expected but an answer
            return item.verdict != Verdict.ERROR
        left_open = item.verdict == Verdict.INCONCLUSIVE and any(one.route == "training" for one in item.evidence)
        return item.as_expected or (self.setting.studies is not None and left_open)

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Return the columns of a table, one row per claim; in a self-test one row per mutation."""
        if self.self_test:
            rows = [(item.claim, mutation) for item in self.claims for mutation in item.mutations]
            return {
                "id": [claim.id for claim, _ in rows],
                "paper": [claim.paper for claim, _ in rows],
                "mutation": [row.mutation.description for _, row in rows],
                "verdict": [row.verdict.value for _, row in rows],
                "checks": [", ".join(item.verdict.value for item in row.evidence) for _, row in rows],
                "seconds": [row.seconds for _, row in rows],
            }
        return {
            "id": [item.claim.id for item in self.claims],
            "paper": [item.claim.paper for item in self.claims],
            "statement": [item.claim.statement for item in self.claims],
            "verdict": [item.verdict.value for item in self.claims],
            "expected": [item.claim.expected.value for item in self.claims],
            "routes": [", ".join(dict.fromkeys(one.route for one in item.evidence)) for item in self.claims],
            "points": [sum(one.points for one in item.evidence) for item in self.claims],
            "seconds": [item.seconds for item in self.claims],
        }

    def __str__(self) -> str:
        if self.self_test:
            verdicts = [mutation.verdict for item in self.claims for mutation in item.mutations]
            what = f"{verdicts.count(Verdict.REFUTED)} of {len(verdicts)} mutations refuted"
        else:
            verdicts = [item.verdict for item in self.claims]
            counts = [(verdict.value, verdicts.count(verdict)) for verdict in Verdict]
            what = f"{len(verdicts)} claim{'s' if len(verdicts) != 1 else ''}: "
            what += ", ".join(f"{count} {name}" for name, count in counts if count)
        ids = ", ".join(item.claim.id for item in self.unexpected)
        text = what + (f"; not as expected: {ids}" if ids else "")
        return text + ("" if self.finished else f"; interrupted after {len(self.claims)} of {self.n_wanted} claims")
