"""What may stand in a claims file at all: printable texts of bounded length, finite numbers, formulas of bounded cost.

These rules hold for every table of the file, whatever its keys mean, and are applied before any of it is used: no text
of a claim can move the cursor of a terminal or hide in a report, and no formula fills the memory.
"""

import ast
import math
from collections.abc import Iterator, Mapping
from typing import Any

from neurondeath.paper_check.formula_text import RefusedError, TooLargeError, read_formula, refusal
from neurondeath.paper_check.formulas import evaluate, names_in, parse_formula
from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.foundation.visible_text import visible

__all__ = ["LONGEST_KEY", "check_contents", "check_formulas", "place_of"]

LONGEST_TEXT = 10_000  # characters
LONGEST_KEY = 80
LARGEST_NUMBER = 2**53  # beyond it, a double no longer holds every whole number
DIGITS = 40
IDENTITIES = "neurondeath.paper_check.checkers.identities:"
FORMULAS = ("left", "right", "term", "limit")  # parameters of the generic checkers that are formulas
BLANKS = str.maketrans("\n\r\t", "   ")


def place_of(file: str, number: int, entry: Mapping[str, Any]) -> str:
    """Return how error messages name a claim: its file, and its id or its number."""
    name = entry.get("id")
    known = isinstance(name, str) and name and name.isprintable() and len(name) <= LONGEST_KEY
    return f"{file}, claim {name if known else f'number {number}'}"


def check_contents(place: str, value: Any) -> None:
    """Refuse what no field of a claim may hold: control characters, long texts, huge numbers, NaN, dates.

    Raises
    ------
    InvalidArgumentError
        Naming the field.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not key.isprintable() or len(key) > LONGEST_KEY:
                raise invalid(place, f"have keys of at most {LONGEST_KEY} printable characters", key)
            check_contents(f"{place}, {key}", item)
    elif isinstance(value, list):
        for number, item in enumerate(value, start=1):
            check_contents(place if isinstance(item, Mapping) else f"{place}, entry {number}", item)
    elif isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise invalid(place, f"hold at most {LONGEST_TEXT} characters", value, reason=f"{len(value)} characters")
        plain = value.translate(BLANKS)
        if visible(plain) != plain:
            raise invalid(place, "hold no control or invisible characters", value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise invalid(place, "be a finite number", value)
    elif isinstance(value, int):
        if abs(value) > LARGEST_NUMBER:
            raise invalid(place, f"be a whole number from -{LARGEST_NUMBER} to {LARGEST_NUMBER}", value)
    else:
        raise invalid(place, "be a text, a number, true or false, a list or a table", str(value))


def check_formulas(place: str, checker: str, parameters: Mapping[str, Any]) -> None:
    """Refuse parameters whose formulas would take too much time or memory.

    The formulas of the generic checkers are evaluated at both corners of their domain; in those of other checkers the
    parts without names are.

    Raises
    ------
    InvalidArgumentError
        Naming the parameter.
    """
    generic = checker.startswith(IDENTITIES)
    for field, text in _texts("", parameters):
        name = f"{place}, {field}"
        if generic and field in FORMULAS:
            _rehearse(name, text, parameters, symbolic=checker.endswith(":holds_symbolically"))
            continue
        try:
            read_formula(text)
        except TooLargeError as error:
            raise refusal(error, name, text) from None
        except RefusedError:
            continue  # not every text is a formula; a checker that needs one reports it
        _check_constants(name, text)


def _rehearse(name: str, text: str, parameters: Mapping[str, Any], *, symbolic: bool) -> None:
    """Evaluate a formula of a generic checker at the corners of its domain."""
    needed = names_in(text, name=name)
    domain = parameters.get("names", {})
    if symbolic:
        known = [each for each in domain if isinstance(each, str)] if isinstance(domain, list) else []
        parse_formula(text, known, name=name)
        return
    corners = {key: _ends(value) for key, value in domain.items()} if isinstance(domain, Mapping) else {}
    growing = parameters.get("name")
    if isinstance(growing, str):
        corners.setdefault(growing, (parameters.get("first", 16),) * 2)
    if needed <= corners.keys() and all(None not in corners[each] for each in needed):
        for corner in (0, 1):
            evaluate(text, {each: corners[each][corner] for each in needed}, digits=DIGITS, name=name)
    else:
        _check_constants(name, text)


def _ends(domain: Any) -> tuple[Any, Any]:
    """Return the first and the last number of a name's domain; None for what the checker will refuse."""
    values = domain.get("values") if isinstance(domain, Mapping) else domain[:2] if isinstance(domain, list) else None
    if not isinstance(values, list) or len(values) < 1:
        return None, None
    ends = values[0], values[-1]
    return ends if all(isinstance(end, (int, float)) for end in ends) else (None, None)


def _check_constants(name: str, text: str) -> None:
    """Evaluate the parts of a formula that have no free names."""
    parts = [read_formula(text)]
    while parts:
        node = parts.pop()
        part = ast.get_source_segment(text.strip(), node)
        if part and not names_in(part):
            evaluate(part, {}, digits=DIGITS, name=name)
        else:
            parts += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield every text in a value, with the path to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(f"{path}.{key}" if path else key, item)
    elif isinstance(value, list):
        for number, item in enumerate(value, start=1):
            yield from _texts(f"{path}[{number}]", item)
