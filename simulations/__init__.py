"""Monte Carlo of random rectifier networks: compiled samplers, estimates with errors, a store of results."""

from neurondeath_theory.foundation.lazy_imports import lazy_exports
from neurondeath_theory.foundation.short_names import stand_for

if __name__ == "simulations":  # imported from the root of a checkout
    stand_for(__name__, "neurondeath.simulations")

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
