"""Networks of a law of the user's own: its sampler draws the layers in Python, the compiled kernel does the rest.

Layer l of trial t is drawn from a generator of its own, NumPy's Philox 4x64 with the key of the task's stream and the
counter (0, 0, l, t): no draw depends on workers, shards or where a run was resumed, and tasks on a common stream draw
the same layers.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.kernels.packed_arguments import GeneralLaw, Parameters, PassedParameters, Stream
from neurondeath_theory.networks.law import Law

__all__ = ["layers_of_law", "no_passed_layers", "with_passed_layers"]


def no_passed_layers(dtype: np.dtype[Any]) -> PassedParameters:
    """Return the empty arrays of a law that a kernel draws itself."""
    nowhere = np.zeros(0, dtype=np.int64)
    return PassedParameters(Parameters(np.zeros(0, dtype), np.zeros(0, dtype)), nowhere, nowhere)


def with_passed_layers(sampled: Law, law: GeneralLaw, stream: Stream) -> Iterator[tuple[GeneralLaw, Stream]]:
    """Generate the trials of a stream one by one, each with its parameters in the precision of the kernel's law."""
    weights_at, biases_at = (
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64) for sizes in (law.widths * law.fan_ins, law.widths)
    )
    dtype = law.passed.parameters.weights.dtype
    parameters = Parameters(np.zeros(weights_at[-1], dtype), np.zeros(biases_at[-1], dtype))
    passed = law._replace(passed=PassedParameters(parameters, weights_at[:-1], biases_at[:-1]))
    shapes = list(zip(law.fan_ins.tolist(), law.widths.tolist(), strict=True))
    place = _StreamPlace(stream.key)
    for trial in range(stream.first_trial, stream.first_trial + stream.n_trials):
        for layer, (fan_in, width) in enumerate(shapes):
            weights, biases = sampled.draw(place.generator(layer, trial), fan_in, width)
            _put(parameters.weights, weights_at[layer], weights)
            _put(parameters.biases, biases_at[layer], biases)
        yield passed, Stream(stream.key, trial, 1)


def layers_of_law(
    sampled: Law, fan_ins: Sequence[int], widths: Sequence[int], key: tuple[np.uint64, np.uint64], trial: int
) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Draw weights and biases of all layers of one trial, in double precision."""
    place = _StreamPlace(key)
    shapes = enumerate(zip(fan_ins, widths, strict=True))
    return [sampled.draw(place.generator(layer, trial), fan_in, width) for layer, (fan_in, width) in shapes]


class _StreamPlace:
    """A generator that is moved to the first number of a layer; to make a new one takes several times as long."""

    def __init__(self, key: tuple[np.uint64, np.uint64]) -> None:
        self._bits = np.random.Philox(key=int(key[0]) | int(key[1]) << 32)
        self._start = self._bits.state
        self._generator = np.random.Generator(self._bits)

    def generator(self, layer: int, trial: int) -> np.random.Generator:
        """Return the generator at the beginning of a layer of a trial."""
        self._start["state"]["counter"][2:] = layer, trial
        self._bits.state = self._start
        return self._generator


def _put(flat: npt.NDArray[Any], start: int, values: npt.NDArray[np.float64]) -> None:
    flat[start : start + values.size] = values.ravel()
