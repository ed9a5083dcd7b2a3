"""What the controls of the explorer say: a design, read from text and checked by the library's own rules.

Limits keep every request short; what is larger belongs to the commands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from neurondeath.simulations.inputs.input_sets import InputSet, check_fit, input_set
from neurondeath_theory.foundation.number_text import read_real, read_whole, whole_number
from neurondeath_theory.foundation.validation import check_choice, check_count, did_you_mean, invalid
from neurondeath_theory.gaussian_limit.edge_of_chaos import CLIPPED, KINDS, EdgeOfChaos, sparse_design
from neurondeath_theory.networks.network import Network

__all__ = ["ARCHITECTURES", "NAMES", "Choice", "design_of", "network_of", "points_of", "read_choice"]

ARCHITECTURES = ("plain", "residual")
NAMES = (
    *("width", "depth", "architecture", "effective_depth", "inputs", "input_dim", "activation", "sparsity", "v_prime"),
)
MOST = {"width": 1024, "depth": 1000, "input_dim": 1024}
MOST_POINTS = 1024  # of gaussian:M
DIGITS_DIM = 64
INPUTS_RULE = f"be gaussian:M with M from 1 to {MOST_POINTS}, digits or digits:M"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A design as the controls name it; what is None is left to the library.

    Attributes
    ----------
    width, depth : int
        Of all hidden layers.
    architecture : str
        "plain" or "residual".
    effective_depth : float or None
        D of a critical residual stream.
    inputs : str
        Specification of the input set.
    input_dim : int or None
        Input dimension; by default that of the digits, otherwise the width.
    activation : str
        Kind of the activation.
    sparsity, v_prime : float or None
        Of the design at the edge of chaos.
    """

    width: int = 8
    depth: int = 20
    architecture: str = "plain"
    effective_depth: float | None = None
    inputs: str = "gaussian:64"
    input_dim: int | None = None
    activation: str = "relu"
    sparsity: float | None = None
    v_prime: float | None = None


def read_choice(values: Mapping[str, str]) -> Choice:
    """Read a design from the values of the controls.

    Parameters
    ----------
    values : mapping of str to str
        Name of a control -> its text; what is missing has the value of `Choice`, or is left out.

    Returns
    -------
    Choice
        The design, of which every part is in its domain; whether the parts fit together is decided by `network_of`.

    Raises
    ------
    InvalidArgumentError
        If a control is unknown or its value leaves its domain.

    Examples
    --------
    >>> read_choice({"width": "3", "depth": "20"}).width
    3
    >>> read_choice({"width": "0"})
    Traceback (most recent call last):
        ...
    neurondeath_theory.foundation.errors.InvalidArgumentError: `width` must be a whole number of at least 1; got 0
    """
    for name in values:
        if name not in NAMES:
            raise invalid("controls", f"be among {', '.join(NAMES)}", name, did_you_mean(name, NAMES))
    counts = {name: _read_count(name, values[name]) for name in MOST if name in values}
    reals = {
        name: read_real(name, values[name]) for name in ("effective_depth", "sparsity", "v_prime") if name in values
    }
    words = {name: values[name] for name in ("architecture", "activation", "inputs") if name in values}
    choice = Choice(**counts, **reals, **words)  # type: ignore[arg-type]
    check_choice("architecture", choice.architecture, ARCHITECTURES)
    check_choice("activation", choice.activation, KINDS)
    _check_inputs(choice.inputs)
    return choice


def _read_count(name: str, text: str) -> int:
    return check_count(name, read_whole(name, text), most=MOST[name])


def _check_inputs(spec: str) -> None:
    """Accept random points and the digits only: no request reads a file that it names."""
    kind, colon, count = spec.partition(":")
    number = whole_number(count)
    if kind == "digits" and (not colon or number is not None):
        return
    if kind != "gaussian" or number is None or not 1 <= number <= MOST_POINTS:
        raise invalid("inputs", INPUTS_RULE, spec)


@lru_cache(maxsize=128)
def _design(activation: str, sparsity: float, v_prime: float | None) -> EdgeOfChaos:
    return sparse_design(activation, sparsity, v_prime=v_prime)


def design_of(choice: Choice) -> EdgeOfChaos:
    """Return the design at the edge of chaos, with q* = 1.

    Raises
    ------
    InvalidArgumentError
        If sparsity or V' is missing, leaves its domain, or does not belong to the activation.
    """
    if choice.sparsity is None and choice.activation != "relu":
        raise invalid("sparsity", f"be given for {choice.activation}", None, "give a share in (0, 1), as 0.85")
    if choice.v_prime is None and choice.activation in CLIPPED:
        raise invalid("v_prime", f"be given for {choice.activation}", None, "give a slope in (0, 1), as 0.7")
    return _design(choice.activation, 0.5 if choice.sparsity is None else choice.sparsity, choice.v_prime)


@lru_cache(maxsize=8)
def _points(inputs: str, dimension: int) -> InputSet:
    return input_set(inputs, dimension=dimension)


def points_of(choice: Choice) -> InputSet:
    """Return the input set.

    Raises
    ------
    InvalidArgumentError
        If it does not have the input dimension, or there are not so many digits.
    """
    own = DIGITS_DIM if choice.inputs.startswith("digits") else choice.width
    return _points(choice.inputs, own if choice.input_dim is None else choice.input_dim)


def network_of(choice: Choice) -> Network:
    """Return the law of the networks: weights and biases at the edge of chaos, for ReLU those of He.

    Raises
    ------
    InvalidArgumentError
        If the parts of the design do not fit together.
    """
    points, design = points_of(choice), design_of(choice)
    law: dict[str, object] = {}
    if choice.activation != "relu":
        law = {
            "activation": design.activation,
            "init": "gaussian",
            "weight_variance": design.sigma_w2,
            "bias_variance": design.sigma_b2,
        }
    network = Network(
        width=choice.width,
        depth=choice.depth,
        input_dim=points.dimension,
        architecture=choice.architecture,
        effective_depth=choice.effective_depth,
        input_mean_square=None if choice.effective_depth is None else design.q,
        **law,  # type: ignore[arg-type]
    )
    check_fit(network, points)
    return network
