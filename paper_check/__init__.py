"""The papers, verified by machine: claims as data, checkers by independent routes, a report with the evidence."""

from typing import TYPE_CHECKING

from neurondeath_theory._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "Evidence": "paper_check.evidence",
        "Verdict": "paper_check.evidence",
    },
)

if TYPE_CHECKING:
    from paper_check.evidence import Evidence as Evidence
    from paper_check.evidence import Verdict as Verdict
