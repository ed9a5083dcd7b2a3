"""Probabilities near 0 and 1 as text: on the side where they are rare, and from their logarithms.

"1 <= P(alive) <= 1" says nothing: where a network is almost surely alive the text states how rare death is, and the
reverse. A number beyond the range of floating point is written from its logarithm, never as 0.
"""

import math

from neurondeath_theory.foundation.number_format import format_number

__all__ = ["NEAR_ONE", "number_from_log", "probability_range", "probability_value"]

NEAR_ONE = 5e-6  # P above 1 - NEAR_ONE would be written as 1
LN10 = math.log(10.0)
SMALLEST_LOG = math.log(1e-300)


def number_from_log(log_value: float, digits: int = 5) -> str:
    """Write a number given by its natural logarithm, also beyond the range of floating point.

    Examples
    --------
    >>> number_from_log(-2831.5), number_from_log(math.log(0.25)), number_from_log(-math.inf)
    ('1.973e-1230', '0.25', '0')
    """
    if log_value == -math.inf:
        return "0"
    if SMALLEST_LOG < log_value < -SMALLEST_LOG:
        return format_number(math.exp(log_value), digits)
    exponent = math.floor(log_value / LN10)
    kept = max(1, digits - max(0, len(str(abs(exponent))) - 3))  # the exponent has used up digits of the logarithm
    mantissa = f"{math.exp(log_value - exponent * LN10):.{kept}g}"
    if float(mantissa) >= 10.0:
        mantissa, exponent = f"{float(mantissa) / 10.0:.{kept}g}", exponent + 1
    return f"{mantissa}e{exponent}"


def probability_range(
    subject: str, *, log_lower: float, log_upper: float, log_death_at_most: float, log_death_at_least: float
) -> str:
    """Write the bounds on P(alive subject), or on P(dead subject) where that is rare.

    Parameters
    ----------
    subject : str
        What follows the word, such as "through 10 layers"; may be empty.
    log_lower, log_upper : float
        Natural logarithms of the bounds on P(alive).
    log_death_at_most, log_death_at_least : float
        Natural logarithms of the bounds on P(dead); -inf for a lower bound that says nothing.

    Examples
    --------
    >>> def show(lower, upper):
    ...     logs = dict(log_lower=math.log(lower), log_upper=math.log(upper))
    ...     deaths = dict(log_death_at_most=math.log1p(-lower), log_death_at_least=math.log1p(-upper))
    ...     print(probability_range("through 3 layers", **logs, **deaths))
    >>> show(0.25, 0.5)
    0.25 <= P(alive through 3 layers) <= 0.5
    >>> show(1 - 2.0**-30, 1 - 2.0**-40)
    9.0949e-13 <= P(dead through 3 layers) <= 9.3132e-10
    >>> show(0.25, 1 - 2.0**-40)
    P(alive through 3 layers) >= 0.25, P(dead through 3 layers) >= 9.0949e-13
    """
    alive, dead = _events(subject)
    rare_death = log_death_at_most < math.log(NEAR_ONE)
    most, least = number_from_log(log_death_at_most), number_from_log(log_death_at_least)
    lower, upper = number_from_log(log_lower), number_from_log(log_upper)
    says_nothing = log_death_at_least == -math.inf  # the upper bound is 1
    if log_death_at_most == -math.inf:
        return f"{alive} = 1"
    if rare_death:
        return f"{dead} <= {most}" if says_nothing else f"{least} <= {dead} <= {most}"
    if says_nothing:
        return f"{alive} >= {lower}"
    if log_death_at_least < math.log(NEAR_ONE):
        return f"{alive} >= {lower}, {dead} >= {least}"
    return f"{alive} <= {upper}" if lower == "0" else f"{lower} <= {alive} <= {upper}"


def probability_value(
    subject: str, *, log_alive: float, alive_error: float, log_dead: float, dead_relative_error: float
) -> str:
    """Write P(alive subject) with its error, or P(dead subject) where that is rare.

    Parameters
    ----------
    subject : str
        What follows the word, such as "through 10 layers"; may be empty.
    log_alive, log_dead : float
        Natural logarithms of P(alive) and P(dead).
    alive_error : float
        Absolute error of P(alive).
    dead_relative_error : float
        Relative error of P(dead).

    Examples
    --------
    >>> probability_value("at last", log_alive=-1.0, alive_error=1e-9, log_dead=-0.5, dead_relative_error=1e-9)
    'P(alive at last) = 0.3678794 ± 1e-09'
    >>> probability_value("at last", log_alive=-0.0, alive_error=0.0, log_dead=-52.0, dead_relative_error=0.01)
    'P(dead at last) = 2.61e-23 ± 2.6e-25'
    """
    alive, dead = _events(subject)
    if log_dead == -math.inf:
        return f"{alive} = 1"
    if log_dead < math.log(NEAR_ONE):
        if dead_relative_error >= 1.0:
            return f"{dead} <= {number_from_log(log_dead + math.log1p(dead_relative_error), 2)}"
        digits = _digits(dead_relative_error)
        error = "0" if dead_relative_error <= 0.0 else number_from_log(log_dead + math.log(dead_relative_error), 2)
        return f"{dead} = {number_from_log(log_dead, digits)} ± {error}"
    if log_alive < SMALLEST_LOG:
        return f"{alive} = {number_from_log(log_alive, 3)}"
    return f"{alive} = {number_from_log(log_alive, 7)} ± {format_number(alive_error, 2)}"


def _events(subject: str) -> tuple[str, str]:
    rest = f" {subject}" if subject else ""
    return f"P(alive{rest})", f"P(dead{rest})"


def _digits(relative_error: float) -> int:
    """Return how many digits a relative error leaves, at most 7."""
    return 7 if relative_error <= 1e-7 else max(1, math.ceil(-math.log10(relative_error)) + 1)
