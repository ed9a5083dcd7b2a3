"""Errors of a store of training runs and of checkpoints."""

from neurondeath.simulations.stores.errors import StoreError

__all__ = ["RunBusyError", "RunContradictionError", "RunStoreError"]


class RunStoreError(StoreError):
    """A store of training runs or a checkpoint cannot be opened, read or written."""


class RunContradictionError(RunStoreError):
    """An epoch is already stored with different numbers."""


class RunBusyError(RunStoreError):
    """Another process is training the same run."""
