"""The activations by family: rectifiers, soft thresholds, their clipped forms, and how texts name them.

Sources: shifted ReLU, soft threshold and their clipped forms after `price2024` (arXiv 2402.16184), section 2.
"""

import inspect
import math
import re
from collections.abc import Callable

from neurondeath_theory.foundation.number_text import real_number
from neurondeath_theory.foundation.validation import check_choice, check_real, invalid
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = [
    "FAMILIES",
    "ActivationLike",
    "PiecewiseLinear",
    "absolute_value",
    "as_activation",
    "clipped_shifted_relu",
    "clipped_soft_threshold",
    "hard_tanh",
    "identity",
    "leaky_relu",
    "named_activation",
    "options_of",
    "relu",
    "shifted_relu",
    "soft_threshold",
]


def relu() -> PiecewiseLinear:
    """Rectifier max(x, 0)."""
    return PiecewiseLinear([0.0], [0.0, 1.0], family="relu")


def identity() -> PiecewiseLinear:
    """Linear unit x."""
    return PiecewiseLinear([], [1.0], family="identity")


def leaky_relu(negative_slope: float = 0.01) -> PiecewiseLinear:
    """Leaky rectifier: x for x > 0, `negative_slope` * x below."""
    slope = check_real("negative_slope", negative_slope)
    return PiecewiseLinear([0.0], [slope, 1.0], family="leaky-relu", parameters={"negative_slope": slope})


def absolute_value() -> PiecewiseLinear:
    """Absolute value |x|."""
    return PiecewiseLinear([0.0], [-1.0, 1.0], family="absolute-value")


def hard_tanh(limit: float = 1.0) -> PiecewiseLinear:
    """Identity clipped at -limit and +limit."""
    edge = check_real("limit", limit, low=0.0, low_open=True)
    return PiecewiseLinear([-edge, edge], [0.0, 1.0, 0.0], family="hard-tanh", parameters={"limit": edge})


def shifted_relu(tau: float) -> PiecewiseLinear:
    """Shifted rectifier max(x - tau, 0) [price2024]; any finite tau."""
    shift = check_real("tau", tau)
    at_zero = max(-shift, 0.0)
    return PiecewiseLinear([shift], [0.0, 1.0], at_zero, family="shifted-relu", parameters={"tau": shift})


def soft_threshold(tau: float) -> PiecewiseLinear:
    """Soft threshold sign(x) max(|x| - tau, 0) [price2024]; tau of at least 0."""
    shift = check_real("tau", tau, low=0.0)
    kinks, slopes = ([-shift, shift], [1.0, 0.0, 1.0]) if shift else ([], [1.0])
    return PiecewiseLinear(kinks, slopes, family="soft-threshold", parameters={"tau": shift})


def clipped_shifted_relu(tau: float, m: float) -> PiecewiseLinear:
    """Shifted rectifier clipped at height m, min(max(x - tau, 0), m) [price2024]; any finite tau, m above 0."""
    shift = check_real("tau", tau)
    height = _check_height(shift, m)
    return PiecewiseLinear(
        [shift, shift + height],
        [0.0, 1.0, 0.0],
        min(max(-shift, 0.0), height),
        family="clipped-shifted-relu",
        parameters={"tau": shift, "m": height},
    )


def clipped_soft_threshold(tau: float, m: float) -> PiecewiseLinear:
    """Soft threshold clipped at height m, sign(x) min(max(|x| - tau, 0), m) [price2024]; tau >= 0, m > 0."""
    shift = check_real("tau", tau, low=0.0)
    height = _check_height(shift, m)
    kinks, slopes = [-height, height], [0.0, 1.0, 0.0]
    if shift:
        kinks, slopes = [-shift - height, -shift, shift, shift + height], [0.0, 1.0, 0.0, 1.0, 0.0]
    parameters = {"tau": shift, "m": height}
    return PiecewiseLinear(kinks, slopes, family="clipped-soft-threshold", parameters=parameters)


def _check_height(tau: float, m: float) -> float:
    """Accept a clipping height that moves the second kink away from the first."""
    height = check_real("m", m, low=0.0, low_open=True)
    if not abs(tau) < abs(tau) + height < math.inf or tau + height == tau:
        raise invalid("m", f"be of such size that tau and tau + m differ and are finite, at tau = {tau:g}", height)
    return height


FAMILIES: dict[str, Callable[..., PiecewiseLinear]] = {
    "relu": relu,
    "leaky-relu": leaky_relu,
    "shifted-relu": shifted_relu,
    "soft-threshold": soft_threshold,
    "clipped-shifted-relu": clipped_shifted_relu,
    "clipped-soft-threshold": clipped_soft_threshold,
    "hard-tanh": hard_tanh,
    "absolute-value": absolute_value,
    "identity": identity,
}
# family: its arguments as options of a command or a grid, in order
OPTIONS: dict[str, tuple[str, ...]] = {
    "leaky-relu": ("slope",),
    "shifted-relu": ("tau",),
    "soft-threshold": ("tau",),
    "clipped-shifted-relu": ("tau", "m"),
    "clipped-soft-threshold": ("tau", "m"),
    "hard-tanh": ("m",),
}


ActivationLike = PiecewiseLinear | str


def as_activation(name: str, activation: ActivationLike) -> PiecewiseLinear:
    """Accept an activation, or the text that names it.

    Parameters
    ----------
    name : str
        What the argument is called in error messages.
    activation : PiecewiseLinear or str
        An activation, or its family with its parameters in parentheses, as "relu", "shifted-relu(tau=1)" or, as it is
        printed, "shifted_relu(tau=1)".

    Returns
    -------
    PiecewiseLinear
        The activation.

    Raises
    ------
    InvalidArgumentError
        If it is neither, or the family or a parameter is unknown.

    Examples
    --------
    >>> print(as_activation("activation", "clipped-shifted-relu(tau=1, m=1.2)"))
    clipped_shifted_relu(tau=1, m=1.2)
    """
    if isinstance(activation, PiecewiseLinear):
        return activation
    rule = f"be a PiecewiseLinear, such as relu(), or a text that names one of {', '.join(FAMILIES)}"
    remedy = 'with parameters as in "clipped-shifted-relu(tau=1, m=1.2)"'
    found = re.fullmatch(r"\s*([A-Za-z][\w-]*)\s*(?:\((.*)\))?\s*", activation) if isinstance(activation, str) else None
    family = "" if found is None else found[1].replace("_", "-")
    if found is None or family not in FAMILIES:
        raise invalid(name, rule, activation, remedy)
    positional: list[float] = []
    named: dict[str, float] = {}
    for part in (found[2] or "").split(",") if found[2] else ():
        key, equals, number = part.rpartition("=")
        value = real_number(number.strip())
        if value is None:
            raise invalid(name, f"have numbers as parameters of {family}", activation, remedy)
        if equals:
            named[key.strip()] = value
        else:
            positional.append(value)
    try:
        return FAMILIES[family](*positional, **named)
    except TypeError:
        takes = ", ".join(inspect.signature(FAMILIES[family]).parameters) or "no parameter"
        raise invalid(name, f"have the parameters of {family}: {takes}", activation, remedy) from None


def options_of(family: str) -> tuple[str, ...]:
    """Return the options, among tau, m and slope, that a family takes."""
    return OPTIONS.get(family, ())


def named_activation(
    family: str,
    *,
    tau: float | None = None,
    m: float | None = None,
    slope: float | None = None,
    spell: Callable[[str], str] = str,
) -> PiecewiseLinear:
    """Build an activation from the name of its family and its options.

    Parameters
    ----------
    family : str
        One of `FAMILIES`.
    tau, m, slope : float, optional
        Threshold; clipping height, or limit of hard-tanh; negative slope of leaky-relu.
    spell : callable
        Returns an option's name in error messages.

    Returns
    -------
    PiecewiseLinear
        The activation.

    Raises
    ------
    InvalidArgumentError
        If the family is unknown, an option that it takes is missing, or one that it does not take is given.

    Examples
    --------
    >>> print(named_activation("clipped-shifted-relu", tau=1.0, m=1.2))
    clipped_shifted_relu(tau=1, m=1.2)
    """
    check_choice(spell("activation"), family, tuple(FAMILIES))
    given = {"tau": tau, "m": m, "slope": slope}
    takes = options_of(family)
    for option, value in given.items():
        if option in takes and value is None:
            raise invalid(spell(option), f"be given for {family}", None)
        if option not in takes and value is not None:
            raise invalid(spell(option), f"be left out for {family}", value)
    return FAMILIES[family](*(given[option] for option in takes))
