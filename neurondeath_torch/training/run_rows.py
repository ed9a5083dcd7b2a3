"""The content of a row in a store of runs: strict JSON, checked when it is written and when it is read.

Measurements are one JSON object of numbers, null, true and false, and lists of them. JSON has no word for numbers that
are not finite, which a diverged run has, so these are the strings "NaN", "Infinity" and "-Infinity"; they are read back
as numbers, and no other string may occur.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Never

__all__ = [
    "check_measured",
    "read_measured",
    "read_object",
    "same_numbers",
    "write_measured",
    "write_object",
]

LONGEST_TEXT = 2**22  # characters of a JSON object; a hundred layers need some thousands
DEEPEST_LIST = 4
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
LARGEST_WHOLE = 2**63 - 1
TIMES = ("train_seconds",)  # measurements that differ whenever an epoch is trained again
COUNTS = (
    "units", "dead_units", "dormant_units", "gradient_dormant_units", "cloned_units", "parameters", "active_parameters",
    "live_parameters", "task",
)  # fmt: skip
SHARES = (
    "train_accuracy", "validation_accuracy", "test_accuracy", "activation_sparsity", "static_dnr", "dynamic_dnr",
    "weight_sparsity", "living_ratio", "leaving_ratio", "forecast_living_ratio", "forecast_leaving", "task_accuracy",
    "past_accuracy", "online_accuracy", "task_online_accuracy",
)  # fmt: skip
SHARE_EXCESS = 1e-6  # by which a share, an average of shares, may exceed 1
FLAGS = ("diverged",)


def write_object(content: Mapping[str, Any]) -> str:
    """Write a description or a provenance as strict JSON.

    Raises
    ------
    ValueError
        If JSON cannot represent it, or it is too long.
    """
    try:
        text = json.dumps(dict(content), sort_keys=True, allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"no JSON represents it: {error}") from None
    return _check_length(text)


def read_object(text: Any) -> dict[str, Any]:
    """Read a description or a provenance.

    Raises
    ------
    ValueError
        If it is not a JSON object of bounded size.
    """
    return _read(text, words=False)


def write_measured(measured: Mapping[str, Any]) -> str:
    """Write the measurements of an epoch as strict JSON.

    Raises
    ------
    ValueError
        If a measurement is not of the kinds above, or out of its domain.
    """
    check_measured(measured)
    return _check_length(json.dumps(_without_words(dict(measured)), sort_keys=True, allow_nan=False))


def read_measured(text: Any, epoch: int | None = None, *, words: bool = False) -> dict[str, Any]:
    """Read the measurements of an epoch.

    Parameters
    ----------
    text : str
        Result of `write_measured`.
    epoch : int, optional
        The epoch they must belong to.
    words : bool
        Accept NaN and Infinity without quotes, as in stores of schema 1.

    Raises
    ------
    ValueError
        If the text is not as `write_measured` writes it, or of another epoch.
    """
    measured = {name: _with_numbers(value) for name, value in _read(text, words=words).items()}
    check_measured(measured, epoch)
    return measured


def check_measured(measured: Mapping[str, Any], epoch: int | None = None) -> None:
    """Check the kinds of measurements, and the domains of those known by name.

    Raises
    ------
    ValueError
        That names the first measurement that is not as it must be.
    """
    for name, value in measured.items():
        if not isinstance(name, str) or not _is_measurement(value, DEEPEST_LIST):
            raise ValueError(f"{str(name)[:40]!r} is not made of numbers")
        if value is None:
            continue
        if name in COUNTS and not _is_count(value):
            raise ValueError(f"{name} is not a count")
        if name in SHARES and not (_is_number(value) and 0.0 <= value <= 1.0 + SHARE_EXCESS):
            raise ValueError(f"{name} is not in [0, 1]")
        if name in FLAGS and not isinstance(value, bool):
            raise ValueError(f"{name} is not true or false")
    if epoch is not None and measured.get("epoch", epoch) != epoch:
        raise ValueError("it is of another epoch")
    if (measured.get("dead_units") or 0) > (measured.get("units") or math.inf):
        raise ValueError("more units are dead than there are")


def same_numbers(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two epochs were measured alike to the last bit, times aside."""
    first, second = ({name: value for name, value in each.items() if name not in TIMES} for each in (one, other))
    return write_measured(first) == write_measured(second)


def _read(text: Any, *, words: bool) -> dict[str, Any]:
    if not isinstance(text, str):
        raise ValueError("it is not text")
    _check_length(text)
    try:
        content = json.loads(text, parse_constant=NOT_FINITE.__getitem__ if words else _refuse)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    return content


def _refuse(word: str) -> Never:
    raise ValueError(f"{word} is not JSON")


def _check_length(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"it has {len(text)} characters, more than {LONGEST_TEXT}")
    return text


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_measurement(value: Any, depth: int) -> bool:
    if isinstance(value, (list, tuple)):
        return depth > 0 and all(_is_measurement(item, depth - 1) for item in value)
    if isinstance(value, int):
        return abs(value) <= LARGEST_WHOLE
    return value is None or isinstance(value, float)


def _without_words(value: Any) -> Any:
    """Replace numbers that are not finite by their names."""
    if isinstance(value, dict):
        return {name: _without_words(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_words(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _with_numbers(value: Any) -> Any:
    """Replace the names of numbers that are not finite by the numbers."""
    if isinstance(value, list):
        return [_with_numbers(item) for item in value]
    return NOT_FINITE.get(value, value) if isinstance(value, str) else value
