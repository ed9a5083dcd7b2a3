"""Claims under another assumption or with another parameter: what a reviewer asks of a claim.

    neurondeath check --only R4 --with init=orthogonal

replaces a parameter of every check of the claims that knows it; checks of other routes, which cannot answer the
question, are left out. No verdict is expected of a changed claim.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from neurondeath.paper_check.claims import Check, Claim
from neurondeath_theory.foundation.validation import did_you_mean, invalid, listed

__all__ = ["changed_claims", "parameters_of", "read_change"]


def read_change(name: str, text: str) -> tuple[str, Any]:
    """Read "parameter=value"; the value is a TOML value, or else a text.

    Parameters
    ----------
    name : str
        Name of the argument in error messages.
    text : str
        The change.

    Returns
    -------
    tuple of str and value

    Raises
    ------
    InvalidArgumentError
        If the text has another form.

    Examples
    --------
    >>> read_change("--with", "init=orthogonal"), read_change("--with", "widths = [2, 3]")
    (('init', 'orthogonal'), ('widths', [2, 3]))
    """
    parameter, sign, value = text.partition("=")
    parameter, value = parameter.strip(), value.strip()
    if not sign or not parameter.isidentifier() or not value or "\n" in value:
        raise invalid(name, "have the form parameter=value", text, "for example init=orthogonal")
    try:
        return parameter, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return parameter, value


def parameters_of(one: Check) -> dict[str, Any]:
    """Return the parameters that a check knows, with the values it uses.

    Examples
    --------
    >>> parameters_of(Check(route="symbolic", checker="builtins:sorted"))
    {'key': None, 'reverse': False}
    """
    try:
        module, function = one.checker.split(":")
        known = signature(getattr(import_module(module), function)).parameters.values()
    except Exception:  # a checker that cannot be loaded is an error of the check, not of the question
        return dict(one.parameters)
    optional = {
        entry.name: None if entry.default is Parameter.empty else entry.default
        for entry in known
        if entry.kind is Parameter.KEYWORD_ONLY and entry.name != "setting"
    }
    return optional | dict(one.parameters)


def changed_claims(claims: Sequence[Claim], changes: Mapping[str, Any], *, name: str = "changes") -> list[Claim]:
    """Replace parameters of the checks that know them, and leave out the other checks.

    Parameters
    ----------
    claims : sequence of Claim
        The claims.
    changes : mapping of str to value
        Parameters and their values.
    name : str
        Name of the argument in error messages.

    Returns
    -------
    list of Claim

    Raises
    ------
    InvalidArgumentError
        If no check of a claim knows all of the parameters, or a parameter gets a value of another kind.
    """
    return [_changed(claim, changes, name) for claim in claims]


def _changed(claim: Claim, changes: Mapping[str, Any], name: str) -> Claim:
    known = [(one, parameters_of(one)) for one in claim.checks]
    kept = [(one, parameters) for one, parameters in known if parameters.keys() >= changes.keys()]
    if not kept:
        choices = sorted({parameter for _, parameters in known for parameter in parameters})
        wrong = next((parameter for parameter in changes if parameter not in choices), ", ".join(changes))
        rule = f"name parameters of one check of {claim.id} ({listed(choices) or 'it has none'})"
        raise invalid(name, rule, wrong, did_you_mean(wrong, choices))
    for _, parameters in kept:
        for parameter, value in changes.items():
            _check_kind(f"{name} {parameter}", parameters[parameter], value)
    checks = tuple(replace(one, parameters={**one.parameters, **changes}) for one, _ in kept)
    return replace(claim, checks=checks, mutations=())


def _check_kind(name: str, before: Any, value: Any) -> None:
    """Refuse a value of another kind, such as a text for a number."""
    kinds = (int, float) if isinstance(before, (int, float)) and not isinstance(before, bool) else type(before)
    if before is not None and not isinstance(value, kinds):
        raise invalid(name, f"be of the kind of {before!r}", value)
