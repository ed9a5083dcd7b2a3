"""The figures: each computes its data from theory and simulation, saves them, and draws them."""

from neurondeath_theory.foundation.lazy_imports import lazy_exports
from neurondeath_theory.foundation.short_names import stand_for

if __name__ == "figures":  # imported from the root of a checkout
    stand_for(__name__, "neurondeath.figures")

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
