r"""How much faster zeros make a random network of a design, predicted and measured on this machine.

The network is a critical residual stream (or, with an effective depth equal to its depth, plain) of one width with
weights drawn at the edge of chaos; inputs are independent and normal. Prediction, per layer, for a batch of B inputs:

    dense(B) = m + c B,    sparse(B) = o + a B + m' P(B) + c' (1 - s) B

with P(B) the share of units that the batch needs (`neurondeath_theory.trainability.needed_units`), s the sparsity, and
six times of this machine: m and c to read a layer's weights and to compute with them for one input, by the library of
matrices; m' and c' the same for the kernels of this package; o and a what the kernels take where every unit is zero,
for calls, activations and the search for zeros. They are measured at two batch sizes with no unit at zero and with all
of them, so that what a share of zeros brings is predicted, not fitted. The crossover is the smallest batch for which
sparse is not faster than dense. All on one thread.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from neurondeath.simulations.inference.activation_steps import activation_steps
from neurondeath.simulations.inference.chain_runs import ChainRunner
from neurondeath.simulations.inference.packing import pack
from neurondeath.simulations.inference.plan_choice import seconds_of
from neurondeath.simulations.inference.programs import LayerWeights, Program, Step
from neurondeath.simulations.inference.weight_precision import PLACES
from neurondeath.simulations.inference.zeros import product_inputs
from neurondeath.simulations.kernels import sparse_chain as codes
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_choice, check_count, check_widths, invalid
from neurondeath_theory.gaussian_limit.edge_of_chaos import EdgeOfChaos, check_design
from neurondeath_theory.networks.activations import hard_tanh, shifted_relu
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_theory.trainability.critical_residual import check_effective_depth
from neurondeath_theory.trainability.needed_units import needed_share, needed_units

__all__ = ["MOST_BATCH", "MOST_WEIGHTS", "InferenceSpeed", "inference_speed"]

Floats = npt.NDArray[np.float32]

MOST_WEIGHTS = 2**27  # of the network: 512 MiB, and as much again laid out
LAW_WEIGHTS = 2**24  # of the layers on which the times of this machine are measured: 64 MiB, beyond its caches
MOST_BATCH = 4096
MOST_LAYERS = 10_000
MOST_PRODUCTS = 2**35  # multiply-adds of one run: a second
SECOND_BATCH = 32  # of the two at which the times of this machine are measured
LARGEST_CROSSOVER = 2**20
ALL_QUIET = 1e6  # threshold that no unit reaches
FRESH = 6  # batches of different inputs: no run finds what it needs in the cache because the last one needed it


@dataclass(frozen=True, kw_only=True)
class InferenceSpeed(Result):
    """Speed of a random network of a design, one entry per batch size.

    Attributes
    ----------
    design : EdgeOfChaos
        The design.
    width, depth, effective_depth : int, int, float
        Of the network.
    precision : str
        Of the weights that the sparse network reads.
    batches : tuple of int
        Batch sizes.
    predicted_needed, needed : tuple of float
        Share of the units that a batch needs, mean over the layers: of the theory, and counted.
    predicted_ratio, ratio : tuple of float
        Time of the dense network over that of the sparse one.
    dense_seconds, sparse_seconds : tuple of float
        Seconds per batch.
    predicted_crossover, crossover : int or None
        Smallest batch for which sparse is not faster: predicted, and the first measured one; None if there is none.
    """

    design: EdgeOfChaos
    width: int
    depth: int
    effective_depth: float
    precision: str
    batches: tuple[int, ...]
    predicted_needed: tuple[float, ...]
    needed: tuple[float, ...]
    predicted_ratio: tuple[float, ...]
    ratio: tuple[float, ...]
    dense_seconds: tuple[float, ...]
    sparse_seconds: tuple[float, ...]
    predicted_crossover: int | None
    crossover: int | None

    def columns(self) -> Mapping[str, Sequence[Any]]:
        """Columns of the table, one row per batch size."""
        return {
            "batch": self.batches,
            "needed_predicted": self.predicted_needed,
            "needed": self.needed,
            "dense_us": [1e6 * seconds for seconds in self.dense_seconds],
            "sparse_us": [1e6 * seconds for seconds in self.sparse_seconds],
            "ratio_predicted": self.predicted_ratio,
            "ratio": self.ratio,
        }

    def __str__(self) -> str:
        ratios = [
            f"{format_number(ratio, 3)} at batch {batch}" for batch, ratio in zip(self.batches, self.ratio, strict=True)
        ]
        predicted = "none" if self.predicted_crossover is None else f"batch {self.predicted_crossover}"
        weights = "" if self.precision == "float32" else f"{self.precision} weights, "
        return (
            f"{self.depth} layers of width {self.width}, {format_number(100.0 * self.design.sparsity, 3)} % zeros, "
            f"{weights}one thread: sparse over dense speed {', '.join(ratios)}; predicted crossover: {predicted}"
        )


def inference_speed(
    design: EdgeOfChaos,
    width: int,
    depth: int,
    batches: int | Sequence[int] = (1, 2, 4, 8, 16, 32, 64),
    *,
    effective_depth: float | None = None,
    precision: str = "float32",
    seed: int = 0,
    progress: Callable[[float, str], None] = lambda share, how_far: None,
) -> InferenceSpeed:
    """Measure a random network of a design densely and sparsely on this machine, beside what the theory predicts.

    Parameters
    ----------
    design : EdgeOfChaos
        The design; its activation is zero on an interval.
    width, depth : int
        Size of the network, at most 2^27 weights.
    batches : int or sequence of int
        Batch sizes, each at most 4096.
    effective_depth : float, optional
        D of the critical residual stream, in (0, depth]; by default 1. D = depth is the plain network.
    precision : str
        Of the weights that the sparse network reads: float32, bfloat16 or int8. The dense one reads the same numbers as
        float32.
    seed : int
        Seed of the weights and inputs.
    progress : callable
        Called with the share that is done, and how far that is in words.

    Returns
    -------
    InferenceSpeed
        Shares of needed units, times and ratios.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain, or the network or a batch is too large.

    Examples
    --------
    >>> from neurondeath_theory.gaussian_limit.edge_of_chaos import sparse_design
    >>> speed = inference_speed(sparse_design("clipped-shifted-relu", 0.85, v_prime=0.7), 64, 3, [1, 4])
    >>> abs(speed.needed[1] - speed.predicted_needed[1]) < 0.1
    True
    """
    check_design(design)
    n_units, layers = check_count("width", width), check_count("depth", depth)
    sizes = check_widths("batches", [batches] if isinstance(batches, (int, np.integer)) else batches).tolist()
    check_choice("precision", precision, tuple(PLACES))
    _, length = check_effective_depth(layers, min(1.0, layers) if effective_depth is None else effective_depth)
    rng = np.random.default_rng(check_count("seed", seed, least=0))
    n_weights = n_units * n_units * layers
    if n_weights > MOST_WEIGHTS or layers > MOST_LAYERS:
        rule = f"give at most {MOST_WEIGHTS} weights in at most {MOST_LAYERS} layers"
        raise invalid("width", rule, f"{n_units}^2 x {layers}")
    most = min(MOST_BATCH, max(1, MOST_PRODUCTS // max(n_weights, n_units * 2**10)))
    if max(sizes) > most:
        raise invalid("batches", f"be at most {most} for this network", max(sizes))
    theory = needed_units(design, sizes, depth=layers, effective_depth=length)
    progress(0.0, "drawing the network")
    with threadpool_limits(1):
        drawn = [_drawn(f"layer {number + 1}", design, n_units, rng) for number in range(layers)]
        program = _stream(drawn, design.activation, design.q, length / layers).with_precision(precision)
        runner = ChainRunner(program, pack(program))
        progress(0.1, "measuring this machine")
        law = _SpeedLaw.measured(program, rng)
        rows = []
        for number, size in enumerate(sizes):
            progress(0.2 + 0.8 * number / len(sizes), f"batch {size}")
            rows.append(_measured(runner, [rng.standard_normal((size, n_units), np.float32) for _ in range(FRESH)]))
    dense, sparse, needed = zip(*rows, strict=True)
    ratio = tuple(a / b for a, b in zip(dense, sparse, strict=True))
    predicted = [law.ratio(design, size, share) for size, share in zip(sizes, theory.mean_shares, strict=True)]
    return InferenceSpeed(
        design=design,
        width=n_units,
        depth=layers,
        effective_depth=length,
        precision=precision,
        batches=tuple(sizes),
        predicted_needed=theory.mean_shares,
        needed=needed,
        predicted_ratio=tuple(predicted),
        ratio=ratio,
        dense_seconds=dense,
        sparse_seconds=sparse,
        predicted_crossover=law.crossover(design, theory.correlations),
        crossover=min((size for size, value in zip(sizes, ratio, strict=True) if value <= 1.0), default=None),
    )


def _stream(layers: Sequence[LayerWeights], phi: PiecewiseLinear, q: float, share: float) -> Program:
    """Return a critical residual stream; inputs are brought to q*, the output is the stream."""
    steps = [Step("rescale", (0,), numbers=(math.sqrt(q), 1e-20))]
    for number in range(len(layers)):
        h = len(steps)
        steps += activation_steps(phi, h)
        steps.append(Step("product", (len(steps),), number))
        if share < 1.0:
            steps.append(Step("sum", (h, len(steps)), numbers=(math.sqrt(1.0 - share), math.sqrt(share))))
    return Program(layers[0].weight.shape[1], tuple(layers), tuple(steps))


def _drawn(name: str, design: EdgeOfChaos, width: int, rng: np.random.Generator) -> LayerWeights:
    weight = rng.standard_normal((width, width), dtype=np.float32) * np.float32(math.sqrt(design.sigma_w2 / width))
    bias = rng.standard_normal(width, dtype=np.float32) * np.float32(math.sqrt(design.sigma_b2))
    return LayerWeights(name, weight, bias)


def _measured(runner: ChainRunner, batches: Sequence[Floats]) -> tuple[float, float, float]:
    """Return the seconds of a batch, densely and sparsely, and the share of units that it needs."""
    products = runner.program.products
    plans = [runner.plan(dict.fromkeys(products, way)) for way in (codes.BY_LIBRARY, codes.BY_UNITS)]
    dense, sparse = seconds_of([[partial(runner.run, x, plan) for x in batches] for plan in plans])
    needed = [(read != 0.0).any(0).mean() for x in batches for read in product_inputs(runner.program, x)]
    return dense, sparse, float(np.mean(needed))


@dataclass(frozen=True)
class _SpeedLaw:
    """Seconds of one layer on this machine, whatever the batch, and per input.

    By the library; by the kernels, where every unit is zero; and what the kernels take on top where no unit is.
    """

    dense: tuple[float, float]
    idle: tuple[float, float]
    sparse: tuple[float, float]

    @classmethod
    def measured(cls, program: Program, rng: np.random.Generator) -> "_SpeedLaw":
        """Measure layers of a network with activations that are never and always 0, at two batch sizes."""
        width = program.input_size
        layers = program.layers[: -(-LAW_WEIGHTS // width**2)]
        x = rng.standard_normal((SECOND_BATCH, width), np.float32)
        never, always = hard_tanh(1.0), shifted_relu(ALL_QUIET)
        dense = _line(layers, never, codes.BY_LIBRARY, x)
        full, idle = (_line(layers, phi, codes.BY_UNITS, x) for phi in (never, always))
        return cls(dense, idle, (max(full[0] - idle[0], 0.0), max(full[1] - idle[1], 0.0)))

    def ratio(self, design: EdgeOfChaos, batch: int, needed: float) -> float:
        """Return dense over sparse seconds for a batch that needs a share of the units."""
        (once, each), (read, compute) = self.idle, self.sparse
        spent = once + each * batch + read * needed + compute * (1.0 - design.sparsity) * batch
        return (self.dense[0] + self.dense[1] * batch) / spent

    def crossover(self, design: EdgeOfChaos, correlations: Sequence[float]) -> int | None:
        """Return the smallest batch for which sparse is not faster."""

        def pays(batch: int) -> bool:
            return self.ratio(design, batch, float(needed_share(design, batch, np.array(correlations)).mean())) > 1.0

        high = 1
        while pays(high):
            if high >= LARGEST_CROSSOVER:
                return None
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if pays(middle) else (low, middle)
        return high


def _line(layers: Sequence[LayerWeights], phi: PiecewiseLinear, way: int, x: Floats) -> tuple[float, float]:
    """Return the seconds of a layer, whatever the batch, and per input, from batches of one and of all inputs."""
    stream = _stream(layers, phi, 1.0, 0.5)
    runner = ChainRunner(stream, pack(stream))
    plan = runner.plan(dict.fromkeys(stream.products, way))
    one, many = (seconds_of([[partial(runner.run, x[:n], plan)]])[0] / len(layers) for n in (1, len(x)))
    each = max((many - one) / (len(x) - 1), 1e-3 * one)
    return max(one - each, 0.0), each
