r"""A law of weights and biases of the user's own, as a function that draws one layer.

A law is known by its name and by a digest of `PROBES` layers drawn with fixed random numbers: whoever changes the
function changes the digest, so that no results of different laws are added up. Mantissas enter the digest rounded to
20 bits, since the last bits of a matrix factorisation differ between processors.

`symmetric` declares what the lower survival bound and the mean living ratio need (`network_bounds`): negating any rows
of (W, b) does not change the law, and at a nonzero input (with biases at every input) no pre-activation takes a single
value, such as 0, with positive probability. Then the signs of a layer's units are independent fair coins given
everything else. The probes check it for two units: none is 0 at inputs in general position, of equal entries or along
an axis (with biases at 0), and the four patterns of their signs at the first are equally frequent within `SIGMAS`
standard errors, which a true declaration misses with a probability below 1e-9. A check finds plain mistakes; it is no
proof.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.validation import check_flag, invalid

__all__ = ["Law"]

PROBES = 4096
PROBE_KEY = (0x6E6575726F6E6465, 0x61746800)  # of the Philox generator; another key would change every digest
PROBE_SHAPES = ((2, 4), (4, 4), (8, 2), (4, 8))  # (fan_in, fan_out) in turn; powers of two, for structured matrices
MANTISSA = 2.0**20
SIGMAS = 6.5  # two-sided 8e-11, times four patterns
LARGEST_ENTRY = 1e15  # the simulations compute in single precision
DIGEST_LENGTH = 16  # hexadecimal digits
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}")

Floats = npt.NDArray[np.float64]
Sampler = Callable[[np.random.Generator, int, int], Any]


@dataclass(frozen=True)
class Law:
    """A law of weights and biases, for `Network(init=Law(...))`.

    Parameters
    ----------
    name : str
        Its name in tables and stores: a letter, then at most 59 letters, digits, `_`, `.` and `-`.
    sampler : callable
        `sampler(rng, fan_in, fan_out)` draws one layer from the `numpy.random.Generator` and returns the weights, shape
        (fan_out, fan_in), or the pair of weights and biases, shape (fan_out,). It must use no other randomness, and
        accept the shapes 2 -> 4, 4 -> 4, 8 -> 2 and 4 -> 8, on which it is probed.
    symmetric : bool
        Whether negating any rows of (W, b) leaves the law unchanged and no pre-activation takes a single value with
        positive probability; then the lower survival bound and the mean living ratio hold. Checked on the probes.

    Attributes
    ----------
    biases : bool
        Whether the sampler returns biases.
    digest : str
        Hash of the probes, 16 hexadecimal digits.

    Raises
    ------
    InvalidArgumentError
        If the name is not valid, the sampler fails, its layers are not finite or of other shapes, it draws other
        numbers from the same generator, or the probes contradict `symmetric`.

    Examples
    --------
    >>> def two_values(rng, fan_in, fan_out):
    ...     return rng.choice([-1.0, 1.0], size=(fan_out, fan_in)) / fan_in**0.5
    >>> law = Law("two-values", two_values)
    >>> law.biases, len(law.digest)
    (False, 16)
    >>> weights, biases = law.draw(np.random.default_rng(0), 3, 2)
    >>> weights.shape, biases.tolist()
    ((2, 3), [0.0, 0.0])
    """

    name: str
    sampler: Sampler | None = field(compare=False, repr=False)
    symmetric: bool = False
    biases: bool = field(init=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        check_flag("symmetric", self.symmetric)
        if not callable(self.sampler):
            raise invalid("sampler", "be a function of (rng, fan_in, fan_out)", self.sampler)
        first = _call(self.name, self.sampler, _probe_generator(), *PROBE_SHAPES[0])
        object.__setattr__(self, "biases", isinstance(first, tuple))
        digest, signs = _probe(self)
        object.__setattr__(self, "digest", digest)
        if self.symmetric:
            _check_signs(signs)

    @classmethod
    def recorded(cls, name: str, *, digest: str, biases: bool = False, symmetric: bool = False) -> "Law":
        """Return a law as a store describes it: everything but its sampler, so that it draws nothing.

        Raises
        ------
        InvalidArgumentError
            If a value is not one that a law can have.
        """
        _check_name(name)
        if not (isinstance(digest, str) and re.fullmatch(f"[0-9a-f]{{{DIGEST_LENGTH}}}", digest)):
            raise invalid("digest", f"be {DIGEST_LENGTH} hexadecimal digits", digest)
        law = object.__new__(cls)
        for attribute, value in (
            ("name", name),
            ("sampler", None),
            ("symmetric", check_flag("symmetric", symmetric)),
            ("biases", check_flag("biases", biases)),
            ("digest", digest),
        ):
            object.__setattr__(law, attribute, value)
        return law

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> tuple[Floats, Floats]:
        """Draw a layer: weights of shape (fan_out, fan_in), and biases of shape (fan_out,), 0 without biases.

        Raises
        ------
        InvalidArgumentError
            If the sampler fails or returns something else, or the law was read from a store and has no sampler.
        """
        if self.sampler is None:
            rule = f"be passed again to sample more of it: a store keeps its name and digest, {self.digest}, only"
            raise invalid("init", rule, self.name, f'pass init=Law("{self.name}", sampler)')
        drawn = _call(self.name, self.sampler, rng, fan_in, fan_out)
        if isinstance(drawn, tuple) != self.biases:
            raise invalid("sampler", "return biases always or never", self.name)
        if not isinstance(drawn, tuple):
            return _checked(self.name, "weights", drawn, (fan_out, fan_in)), np.zeros(fan_out)
        weights = _checked(self.name, "weights", drawn[0], (fan_out, fan_in))
        return weights, _checked(self.name, "biases", drawn[1], (fan_out,))


def _check_name(name: Any) -> None:
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        raise invalid(
            "name", "be a letter and at most 59 letters, digits, _, . and -", name, "it names the law in stores"
        )


def _call(name: str, sampler: Sampler, rng: np.random.Generator, fan_in: int, fan_out: int) -> Any:
    try:
        drawn = sampler(rng, fan_in, fan_out)
    except InvalidArgumentError:
        raise
    except Exception as error:
        rule = f"draw one layer of {fan_out} units with {fan_in} inputs"
        raise invalid("sampler", rule, name, reason=f"it raised {type(error).__name__}: {error}") from error
    if isinstance(drawn, tuple) and len(drawn) != 2:
        raise invalid("sampler", "return the weights, or the pair of weights and biases", f"{len(drawn)} values")
    return drawn


def _checked(name: str, what: str, values: Any, shape: tuple[int, ...]) -> Floats:
    rule = f"return {what} of shape {shape}, finite numbers of at most {LARGEST_ENTRY:g}"
    try:
        array = np.asarray(values)
    except ValueError:
        raise invalid("sampler", rule, name) from None
    if array.dtype.kind not in "biuf" or array.shape != shape:
        raise invalid("sampler", rule, f"{array.dtype} of shape {array.shape}", reason=name)
    array = np.ascontiguousarray(array, dtype=np.float64)
    # NaN fails too; the sum of squares is a faster test that passes nearly always
    if not np.vdot(array, array) <= LARGEST_ENTRY**2 and not (np.abs(array) <= LARGEST_ENTRY).all():
        raise invalid("sampler", rule, "an entry that is not", reason=name)
    return array


def _probe_generator() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=PROBE_KEY))


def _probe(law: Law) -> tuple[str, npt.NDArray[np.int64]]:
    """Draw the probes; return their digest, and the signs of two units at some inputs, (PROBES, 2, n_inputs)."""
    rng, again = _probe_generator(), _probe_generator()
    drawn = [law.draw(rng, *PROBE_SHAPES[probe % len(PROBE_SHAPES)]) for probe in range(PROBES)]
    for shape, (weights, biases) in zip(PROBE_SHAPES, drawn, strict=False):
        repeated = law.draw(again, *shape)
        if not (np.array_equal(weights, repeated[0]) and np.array_equal(biases, repeated[1])):
            raise invalid("sampler", "draw from the generator it is given, and from nothing else", law.name)
    digest, signs = hashlib.sha256(), []
    for kind, (fan_in, _) in enumerate(PROBE_SHAPES):
        alike = drawn[kind :: len(PROBE_SHAPES)]
        weights, biases = np.array([layer[0] for layer in alike]), np.array([layer[1] for layer in alike])
        signs.append(np.sign(weights[:, :2] @ _probe_inputs(fan_in, law.biases) + biases[:, :2, None]))
        for values in (weights, biases):
            mantissas, exponents = np.frexp(values)
            digest.update(np.rint(mantissas * MANTISSA).astype("<i4").tobytes())
            digest.update(np.where(mantissas == 0.0, 0, exponents).astype("<i4").tobytes())
    return digest.hexdigest()[:DIGEST_LENGTH], np.concatenate(signs).astype(np.int64)


def _probe_inputs(fan_in: int, biases: bool) -> Floats:
    """Return inputs as columns: in general position, of equal entries, along an axis, and with biases zero."""
    general = np.random.Generator(np.random.Philox(key=PROBE_KEY[::-1])).standard_normal(fan_in)
    columns = [general, np.ones(fan_in), np.eye(fan_in)[0]] + ([np.zeros(fan_in)] if biases else [])
    return np.column_stack(columns)


def _check_signs(signs: npt.NDArray[np.int64]) -> None:
    """Refuse the declaration of a symmetric law that the signs of the probes contradict."""
    rule, remedy = "be False for this sampler", "leave it out: the bounds are then withheld"
    zeros = int((signs == 0).any(axis=(1, 2)).sum())
    if zeros:
        raise invalid("symmetric", rule, True, remedy, reason=f"{zeros} of {PROBES} probes have a pre-activation of 0")
    patterns = np.bincount((signs[:, 0, 0] > 0) * 2 + (signs[:, 1, 0] > 0), minlength=4)
    error = np.sqrt(PROBES * 0.25 * 0.75)
    if (np.abs(patterns - PROBES / 4) > SIGMAS * error).any():
        reason = f"signs of two units: {', '.join(map(str, patterns))} of {PROBES} probes, not a quarter each"
        raise invalid("symmetric", rule, True, remedy, reason=reason)
