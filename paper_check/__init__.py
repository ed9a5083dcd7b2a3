"""The papers, verified by machine: claims as data, checkers by independent routes, a report with the evidence."""

from neurondeath_theory.foundation.lazy_imports import lazy_exports
from neurondeath_theory.foundation.short_names import stand_for

if __name__ == "paper_check":  # imported from the root of a checkout
    stand_for(__name__, "neurondeath.paper_check")

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
