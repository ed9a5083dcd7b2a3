"""Neuron death in PyTorch: diagnose and initialise a network, and keep its units alive in training (extra `torch`)."""

from typing import TYPE_CHECKING

from neurondeath_theory._lazy import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {},
)

if TYPE_CHECKING:
    pass
