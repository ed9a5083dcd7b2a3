"""The options of a task grid: what each means, its default, and how its values are read.

Values come from a command line or from a file. Numbers are lists and ranges as in `2,4` and `2:64:2`, words are lists
as in `he,orthogonal`; a file may also contain a TOML list. Ranges of real numbers are decimal and include both ends:
0:0.3:0.1 is 0, 0.1, 0.2, 0.3, exact in the last digit.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from neurondeath.simulations.engines import ENGINES, ESTIMATORS
from neurondeath.simulations.outputs import OUTPUTS, check_outputs
from neurondeath.simulations.task import DTYPES
from neurondeath_theory.foundation.configuration import Key
from neurondeath_theory.foundation.number_text import real_number
from neurondeath_theory.foundation.validation import check_count, check_flag, check_widths, invalid
from neurondeath_theory.foundation.widths import parse_counts
from neurondeath_theory.networks.activations import FAMILIES
from neurondeath_theory.networks.law import Law
from neurondeath_theory.networks.network import ARCHITECTURES, BIAS_LAWS, INITS, SIGN_FLIPS

__all__ = ["OPTIONS", "TAILORED", "parse_reals", "read_values"]

TAILORED = "tailored-leaky-relu"  # leaky ReLU whose slope follows from the number of layers

LARGEST_REAL = 1e30  # the kernels compute in single precision
MOST_VALUES = 100_000  # in a range
LONGEST_TEXT = 4096  # characters of a name, which may be a path
COUNTS = "whole numbers, ranges first:last[:step]"
REALS = "numbers, ranges first:last[:step]"
INPUT_SETS = (
    *("gaussian:M", "sphere:M", "cube:M", "orthant:M", "orthant", "rays", "interval:M"),
    *("digits[:M]", "mnist[:M]", "cifar10[:M]", "FILE.npy", "FILE.npz"),
)


def read_values(name: str, option: str, raw: Any) -> list[Any]:
    """Read the values of an option; each is one setting of the grid.

    Parameters
    ----------
    name : str
        Name of the option in error messages.
    option : str
        One of OPTIONS.
    raw : str, number, bool or list of them
        The value on the command line or in the file.

    Raises
    ------
    InvalidArgumentError
        If it cannot be read, or contains no value.

    Examples
    --------
    >>> read_values("--width", "width", "2,4:8:2"), read_values("init", "init", ["he", "rai"])
    ([2, 4, 6, 8], ['he', 'rai'])
    """
    values: list[Any] = OPTIONS[option].check(name, raw)
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
        pieces = part.split(":")
        if len(pieces) > 3 or any(real_number(piece) is None for piece in pieces):
            raise invalid(name, rule, text)
        ends = [Decimal(piece) for piece in pieces]
        if len(ends) == 1:
            numbers.append(float(ends[0]))
            continue
        step = ends[2] if len(ends) == 3 else Decimal(1)
        if step <= 0 or ends[1] < ends[0]:
            raise invalid(name, rule, text)
        if len(numbers) + (ends[1] - ends[0]) / step >= MOST_VALUES:
            raise invalid(name, f"name at most {MOST_VALUES} numbers", text)
        numbers.extend(float(ends[0] + i * step) for i in range(int((ends[1] - ends[0]) / step) + 1))
    return numbers


def _counts(name: str, raw: Any) -> list[Any]:
    return [
        count
        for value in _listed(raw)
        for count in (parse_counts(name, value) if isinstance(value, str) else [check_count(name, value)])
    ]


def _seeds(name: str, raw: Any) -> list[Any]:
    return [
        count
        for value in _listed(raw)
        for count in (
            parse_counts(name, value, least=0) if isinstance(value, str) else [check_count(name, value, least=0)]
        )
    ]


def _reals(name: str, raw: Any) -> list[Any]:
    numbers: list[Any] = []
    for value in _listed(raw):
        if isinstance(value, str):
            numbers.extend(parse_reals(name, value))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            numbers.append(float(value))
        else:
            raise invalid(name, "be a number or a list of numbers", value)
    for number in numbers:
        if not abs(number) <= LARGEST_REAL:
            raise invalid(name, f"lie in [-{LARGEST_REAL:g}, {LARGEST_REAL:g}]", number)
    return numbers


def _words(name: str, raw: Any) -> list[Any]:
    return [word.strip() for value in _texts(name, raw) for word in value.split(",")]


def _inits(name: str, raw: Any) -> list[Any]:
    """Read names of inits; from Python also laws."""
    return [one for value in _listed(raw) for one in ([value] if isinstance(value, Law) else _words(name, value))]


def _texts(name: str, raw: Any) -> list[Any]:
    for value in _listed(raw):
        if not isinstance(value, str):
            raise invalid(name, "be text or a list of texts", value)
        _check_printable(name, value)
    return _listed(raw)


def _text(name: str, raw: Any) -> list[Any]:
    if not isinstance(raw, str):
        raise invalid(name, "be text", raw)
    _check_printable(name, raw)
    return [raw]


def _check_printable(name: str, value: str) -> None:
    """Refuse what a store does not accept as a name."""
    if not value.isprintable() or len(value) > LONGEST_TEXT:
        raise invalid(name, f"be printable text of at most {LONGEST_TEXT} characters", value)


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
    """Read names of outputs; a list is one setting."""
    return [check_outputs(name, raw.split(",") if isinstance(raw, str) and raw else raw or ())]


def _listed(raw: Any) -> list[Any]:
    return list(raw) if isinstance(raw, Sequence) and not isinstance(raw, str) else [raw]


def _choice(choices: Sequence[str], meaning: str, default: str) -> Key:
    return Key(kind=" | ".join(choices), meaning=meaning, check=_words, default=default)


# Order of the loops over the grid: the first option varies slowest.
OPTIONS: dict[str, Key] = {
    "width": Key(
        kind=COUNTS, meaning="Widths, e.g. 2,4,8 or 2:16:2.", check=_counts, default=None, example=[4, "8:16:4"]
    ),
    "depth": Key(
        kind=COUNTS,
        meaning="Numbers of hidden layers, e.g. 50 or 10,100.",
        check=_counts,
        default=None,
        example=[10, 50],
    ),
    "widths": Key(
        kind="whole numbers",
        meaning="Widths of one network, layer by layer, e.g. 8,8,16; replaces width and depth.",
        check=_layers,
        default=None,
        example=[8, 8, 16],
    ),
    "inputs": Key(kind=" | ".join(INPUT_SETS), meaning="Input sets.", check=_texts, default="gaussian:64"),
    "input_dim": Key(
        kind=COUNTS,
        meaning="Input dimension; by default that of the data, for random input sets the first width.",
        check=_counts,
        default=None,
        example=64,
    ),
    "input_seed": Key(kind=f"{COUNTS}, at least 0", meaning="Seeds of random input sets.", check=_seeds, default=0),
    "resample_inputs": Key(
        kind="true | false",
        meaning="Draw a fresh random input set for every network.",
        check=_flags,
        default=False,
    ),
    "data_dir": Key(
        kind="text",
        meaning="Folder of the MNIST and CIFAR-10 files; by default $NEURONDEATH_DATA.",
        check=_text,
        default=None,
        example="data",
    ),
    "architecture": _choice(ARCHITECTURES, "How layers are connected.", "plain"),
    "block_depth": Key(
        kind=COUNTS,
        meaning="Layers per block of the skip architecture.",
        check=_counts,
        default=None,
        example=2,
    ),
    "effective_depth": Key(
        kind=REALS,
        meaning="Effective depth of the critical residual stream, at most the depth; of the residual architecture.",
        check=_reals,
        default=None,
        example=1.0,
    ),
    "input_mean_square": Key(
        kind=REALS,
        meaning="Mean square to which every input is scaled first, with an effective depth; by default none.",
        check=_reals,
        default=None,
        example=1.0,
    ),
    "activation": _choice(
        (*FAMILIES, TAILORED),
        "Activation; the slope of tailored-leaky-relu follows from the depth, its weight variance, unless given, from "
        "the slope.",
        "relu",
    ),
    "tau": Key(
        kind=REALS,
        meaning="Threshold of shifted and soft-threshold activations.",
        check=_reals,
        default=None,
        example=1.0,
    ),
    "m": Key(kind=REALS, meaning="Clipping height, or limit of hard-tanh.", check=_reals, default=None, example=1.2),
    "slope": Key(kind=REALS, meaning="Negative slope of leaky-relu.", check=_reals, default=None, example=0.1),
    "init": replace(_choice(INITS, "Initialisation of the weights.", "he"), check=_inits),
    "weight_variance": Key(
        kind=REALS,
        meaning="Variance sigma_w^2 of the weights, over the fan-in; required by init gaussian.",
        check=_reals,
        default=None,
        example=2.0,
    ),
    "degrees_of_freedom": Key(
        kind=REALS,
        meaning="Degrees of freedom of init student-t, above 2.",
        check=_reals,
        default=None,
        example=4.0,
    ),
    "zero_share": Key(
        kind=REALS,
        meaning="Share of zeros among the weights of init sparse, in (0, 1).",
        check=_reals,
        default=None,
        example=0.5,
    ),
    "bias_variance": Key(
        kind=REALS,
        meaning="Variance sigma_b^2 of Gaussian biases, e.g. 0,0.1 or 0:0.5:0.1; 0 means no biases.",
        check=_reals,
        default=0.0,
    ),
    "bias_law": _choice(
        BIAS_LAWS, "Biases are normal of variance bias_variance, or drawn from the law of the weights.", "normal"
    ),
    "sign_flip": _choice(SIGN_FLIPS, "Correction of signs at initialisation by the input set.", "none"),
    "estimator": _choice(ESTIMATORS, "How P(alive) is estimated.", "crude"),
    "engine": _choice(
        ("auto", *ENGINES["crude"]), "How networks are sampled; auto picks the fastest for each task.", "auto"
    ),
    "outputs": Key(
        kind=f"list of {' | '.join(OUTPUTS)}",
        meaning="Extra quantities to measure in every layer.",
        check=_outputs,
        default=[],
    ),
    "stream": Key(
        kind="text",
        meaning="Name of a random stream; tasks with the same name use common random numbers.",
        check=_text,
        default=None,
        example="common",
    ),
    "dtype": _choice(
        DTYPES, "Arithmetic of the forward pass; float64 checks float32, and effective_rank sets it.", "float32"
    ),
}
