"""The options of a task grid and how their values are read, from a command line or from a file.

Numbers are lists and ranges as in `2,4` and `2:64:2`, words are lists as in `he,orthogonal`; a file may also give a
list of its own. Ranges of reals are decimal, ends included: 0:0.3:0.1 is 0, 0.1, 0.2, 0.3, to the last digit.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from neurondeath.simulations.outputs import check_outputs
from neurondeath_theory.foundation.validation import check_count, check_flag, check_widths, invalid
from neurondeath_theory.foundation.widths import parse_counts

__all__ = ["OPTIONS", "parse_reals", "read_values"]

MOST_VALUES = 100_000  # of a range


def read_values(name: str, option: str, raw: Any) -> list[Any]:
    """Read the values of an option: one setting of the grid each.

    Parameters
    ----------
    name : str
        What the option is called in error messages.
    option : str
        One of OPTIONS.
    raw : str, number, bool or list of them
        As it was given.

    Raises
    ------
    InvalidArgumentError
        If it cannot be read, or says nothing.

    Examples
    --------
    >>> read_values("--width", "width", "2,4:8:2"), read_values("init", "init", ["he", "rai"])
    ([2, 4, 6, 8], ['he', 'rai'])
    """
    values = OPTIONS[option](name, raw)
    if not values:
        raise invalid(name, "hold at least one value", raw)
    return values


def parse_reals(name: str, text: str) -> list[float]:
    """Read numbers from a list of numbers and ranges `first:last[:step]`, ends included.

    Examples
    --------
    >>> parse_reals("--tau", "0:0.3:0.1,1")
    [0.0, 0.1, 0.2, 0.3, 1.0]
    """
    rule = "be numbers or ranges first:last[:step], separated by commas"
    numbers: list[float] = []
    for part in text.split(","):
        try:
            ends = [Decimal(piece.strip()) for piece in part.split(":")]
        except InvalidOperation:
            raise invalid(name, rule, text) from None
        if len(ends) == 1:
            numbers.append(float(ends[0]))
            continue
        step = ends[2] if len(ends) == 3 else Decimal(1)
        if len(ends) > 3 or not all(end.is_finite() for end in ends) or step <= 0 or ends[1] < ends[0]:
            raise invalid(name, rule, text)
        if ends[1] - ends[0] >= MOST_VALUES * step:
            raise invalid(name, f"name at most {MOST_VALUES} numbers", part)
        numbers.extend(float(ends[0] + i * step) for i in range(int((ends[1] - ends[0]) / step) + 1))
    return numbers


def _counts(name: str, raw: Any) -> list[Any]:
    return [
        count
        for value in _listed(raw)
        for count in (parse_counts(name, value) if isinstance(value, str) else [check_count(name, value)])
    ]


def _seeds(name: str, raw: Any) -> list[Any]:
    numbers = [n for value in _listed(raw) for n in (parse_reals(name, value) if isinstance(value, str) else [value])]
    return [check_count(name, number, least=0) for number in numbers]


def _reals(name: str, raw: Any) -> list[Any]:
    numbers: list[Any] = []
    for value in _listed(raw):
        if isinstance(value, str):
            numbers.extend(parse_reals(name, value))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            numbers.append(float(value))
        else:
            raise invalid(name, "be a number or a list of numbers", value)
    return numbers


def _words(name: str, raw: Any) -> list[Any]:
    return [word.strip() for value in _texts(name, raw) for word in value.split(",")]


def _texts(name: str, raw: Any) -> list[Any]:
    for value in _listed(raw):
        if not isinstance(value, str):
            raise invalid(name, "be text or a list of texts", value)
    return _listed(raw)


def _text(name: str, raw: Any) -> list[Any]:
    if not isinstance(raw, str):
        raise invalid(name, "be text", raw)
    return [raw]


def _flags(name: str, raw: Any) -> list[Any]:
    return [check_flag(name, value) for value in _listed(raw)]


def _layers(name: str, raw: Any) -> list[Any]:
    """Read the widths of one network, layer by layer, or a list of several networks."""
    if isinstance(raw, str):
        return [tuple(parse_counts(name, raw))]
    several = isinstance(raw, list) and all(isinstance(value, (list, str)) for value in raw) and raw
    return [
        tuple(parse_counts(name, value)) if isinstance(value, str) else tuple(check_widths(name, value).tolist())
        for value in (raw if several else [raw])
    ]


def _outputs(name: str, raw: Any) -> list[Any]:
    """Read what to measure: a list is one setting."""
    return [check_outputs(name, raw.split(",") if isinstance(raw, str) and raw else raw or ())]


def _listed(raw: Any) -> list[Any]:
    return list(raw) if isinstance(raw, Sequence) and not isinstance(raw, str) else [raw]


# in the order in which a grid varies them, the first the slowest
OPTIONS: dict[str, Callable[[str, Any], list[Any]]] = {
    "width": _counts,
    "depth": _counts,
    "widths": _layers,
    "inputs": _texts,
    "input_dim": _counts,
    "input_seed": _seeds,
    "resample_inputs": _flags,
    "data_dir": _text,
    "architecture": _words,
    "block_depth": _counts,
    "activation": _words,
    "tau": _reals,
    "m": _reals,
    "slope": _reals,
    "init": _words,
    "weight_variance": _reals,
    "bias_variance": _reals,
    "sign_flip": _words,
    "estimator": _words,
    "engine": _words,
    "outputs": _outputs,
    "stream": _text,
    "dtype": _words,
}
