"""The public names by room, as the docstring of `neurondeath` lists them."""

import inspect
import re
from importlib import import_module

import neurondeath

__all__ = ["PACKAGES", "OwnMeanings", "names_by_room", "names_with_a_meaning_of_their_own"]

PACKAGES = ("neurondeath_theory", "neurondeath.simulations", "neurondeath_torch")
OwnMeanings = dict[str, str]


def names_by_room() -> dict[str, list[str]]:
    """Return the rooms in order, each with its public names."""
    text = inspect.getdoc(neurondeath) or ""
    found: dict[str, list[str]] = {}
    for title, body in re.findall(r"^(\S[^\n]*)\n((?:    [^\n]*\n?)+)", text, flags=re.MULTILINE):
        names = [name for name in re.split(r"[\s,]+", body) if name]
        if set(names) <= set(neurondeath.__all__):
            found[title] = names
    found[title] += ["__version__"]  # the last room is that of errors and the version
    return found


def names_with_a_meaning_of_their_own() -> OwnMeanings:
    """Return the names that mean something else in a package than in `neurondeath`: name -> package."""
    return {
        name: package
        for package in PACKAGES
        for name in import_module(package).__all__
        if getattr(import_module(package), name) is not getattr(neurondeath, name, None)
    }
