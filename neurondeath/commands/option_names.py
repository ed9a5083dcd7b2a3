"""Errors of the library in the words of a command: arguments under the names of its options."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from neurondeath_theory.foundation.errors import AssumptionError, InvalidArgumentError, NeuronDeathError
from neurondeath_theory.foundation.interruption import Interrupted

__all__ = ["option_names", "option_values"]


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
    except (AssumptionError, InvalidArgumentError) as error:
        text = str(error)
        for argument, option in options.items():
            if text.startswith((f"`{argument}`", f"`{argument}[")):
                text = f"`{option}" + text[len(argument) + 1 :]
                break
        raise type(error)(text) from None


@contextmanager
def option_values(options: Mapping[str, str]) -> Iterator[None]:
    """Name options in errors about files, which name the file alone.

    Parameters
    ----------
    options : mapping of str to str
        Option -> the value that was given.
    """
    try:
        yield
    except (InvalidArgumentError, Interrupted):
        raise
    except NeuronDeathError as error:
        text = str(error)
        for option, value in options.items():
            if value and repr(value) in text and option not in text:
                named = NeuronDeathError(f"`{option}`: {text}")
                named.exit_code = error.exit_code
                raise named from None
        raise
