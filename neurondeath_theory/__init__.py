"""Closed forms and exact results on rectifier networks: survival and the Gaussian limit; numpy and scipy only."""

from neurondeath_theory.foundation.lazy_imports import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
