"""Errors of the library in the words of a command: arguments under the names of its options."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from neurondeath_theory.foundation.errors import InvalidArgumentError

__all__ = ["option_names"]


@contextmanager
def option_names(options: Mapping[str, str]) -> Iterator[None]:
    """Name options in errors about arguments.

    Parameters
    ----------
    options : mapping of str to str
        Argument of the library -> option of the command.
    """
    try:
        yield
    except InvalidArgumentError as error:
        text = str(error)
        for argument, option in options.items():
            if text.startswith((f"`{argument}`", f"`{argument}[")):
                text = f"`{option}" + text[len(argument) + 1 :]
                break
        raise type(error)(text) from None
