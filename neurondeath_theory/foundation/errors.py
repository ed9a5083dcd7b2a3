"""The errors a user can cause, each a single line: the argument, the rule, the value received, the remedy."""

__all__ = ["AssumptionError", "InvalidArgumentError", "MissingExtraError", "NeuronDeathError"]


class NeuronDeathError(Exception):
    """Base of every error a user can cause; the command line prints it as one line.

    Attributes
    ----------
    exit_code : int
        Exit code of the command line, 2 by default.
    """

    exit_code: int = 2


class InvalidArgumentError(NeuronDeathError, ValueError):
    """An argument breaks a rule of its domain."""


class AssumptionError(NeuronDeathError, ValueError):
    """A theorem was applied to a case that its assumptions do not cover."""


class MissingExtraError(NeuronDeathError, ImportError):
    """An optional dependency is not installed."""
