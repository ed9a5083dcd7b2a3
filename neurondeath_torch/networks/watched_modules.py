"""Modules of a model that a user names as activations, by name or by class."""

from collections.abc import Sequence

from torch import nn

from neurondeath_theory.foundation.validation import invalid

__all__ = ["Watch", "watched_modules"]

Watch = Sequence[str | type[nn.Module]]


def watched_modules(model: nn.Module, watch: Watch) -> list[nn.Module]:
    """Return the modules of a model that have one of these names or classes.

    Raises
    ------
    InvalidArgumentError
        If there is no such module.

    Examples
    --------
    >>> watched_modules(nn.Sequential(nn.Linear(2, 3), nn.GELU()), ["1"])
    [GELU(approximate='none')]
    """
    if isinstance(watch, (str, bytes)):
        raise invalid("watch", "be a sequence of module names or classes", watch, f"write [{watch!r}]")
    named = dict(model.named_modules())
    found: list[nn.Module] = []
    for entry in watch:
        if isinstance(entry, str):
            matching = [named[entry]] if entry in named else []
        elif isinstance(entry, type) and issubclass(entry, nn.Module):
            matching = [module for module in named.values() if isinstance(module, entry)]
        else:
            raise invalid("watch", "hold module names or classes", entry)
        if not matching:
            raise invalid("watch", "name modules of the model", entry, "see model.named_modules()")
        found += matching
    return found
