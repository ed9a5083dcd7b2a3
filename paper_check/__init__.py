"""The papers, verified by machine: claims as data, checkers by independent routes, a report with the evidence."""

from typing import TYPE_CHECKING

from neurondeath_theory._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Evidence": "paper_check.evidence",
        "Report": "paper_check.verification",
        "Verdict": "paper_check.evidence",
        "check": "paper_check.verification",
        "cite": "paper_check.citations",
    },
)

if TYPE_CHECKING:
    from paper_check.citations import cite as cite
    from paper_check.evidence import Evidence as Evidence
    from paper_check.evidence import Verdict as Verdict
    from paper_check.verification import Report as Report
    from paper_check.verification import check as check
