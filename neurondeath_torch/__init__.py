"""Neuron death in PyTorch: diagnose networks, initialise them and keep units alive in training (extra `torch`)."""

from neurondeath_theory.foundation.lazy_imports import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(__name__, __file__)
