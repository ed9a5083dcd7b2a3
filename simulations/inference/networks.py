"""A trained network that runs fast because its activations, or its weights, are zero; NumPy arrays in and out.

How every product is computed is measured, per layer and per batch size, on the machine and on the inputs that are seen
first: `tune` does so ahead, otherwise the first call of a batch size does. Batch sizes between two powers of two share
a plan.
"""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurondeath.simulations.inference.chain_runs import ChainRunner
from neurondeath.simulations.inference.network_files import read_network, write_network
from neurondeath.simulations.inference.packing import pack
from neurondeath.simulations.inference.plan_choice import MeasuredPlan, choose_plan
from neurondeath.simulations.inference.programs import Program
from neurondeath.simulations.inference.zeros import ZeroShares
from neurondeath.simulations.kernels import sparse_chain as codes
from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_count, invalid

__all__ = ["SparseNetwork", "load_sparse"]

Floats = npt.NDArray[np.float32]

FLOAT = np.dtype(np.float32)
MOST_SPACE = 2**24  # numbers of scratch; larger batches are run in parts
MOST_ROWS = 512
MOST_FRESH = 8  # different batches on which a plan is measured
MOST_THREADS = 1024
WAYS = {codes.BY_UNITS: "units", codes.BY_WEIGHTS: "weights", codes.BY_LIBRARY: "dense"}
OVER_INPUT = ("rescale", "centre")  # steps over all entries of an input, also where it has positions


class SparseNetwork(Result):
    """A network for inference: call it with inputs, one per row.

    Parameters
    ----------
    program : Program
        What it computes.
    zeros : ZeroShares
        Zeros that were counted on example inputs.
    error : float, optional
        Largest difference between its outputs and those of the model it was made from, relative to the largest output.
    threads : int
        Threads that share the rows of a batch.

    Attributes
    ----------
    program : Program
        What it computes.
    error : float or None
        As given; None where it was not made from a model.
    sparse_fraction : float
        Share of the multiply-adds of all layers that zeros make unnecessary: their unit was zero on the example inputs,
        or their weight is zero.
    plans : mapping of int to MeasuredPlan
        The plan of every batch size measured so far.

    Examples
    --------
    >>> from neurondeath.simulations.inference.programs import LayerWeights, Program, Step
    >>> from neurondeath.simulations.inference.zeros import zero_shares
    >>> layer = LayerWeights("last", np.array([[1, 2, -3]], np.float32), np.array([0.5], np.float32))
    >>> relu = Step("threshold", (0,), numbers=(0.0, np.inf, 0.0))
    >>> program = Program(3, (layer,), (relu, Step("product", (1,), 0)))
    >>> x = np.array([[1.0, -1.0, 0.0], [0.0, 2.0, -1.0]])
    >>> network = SparseNetwork(program, zero_shares(program, x))
    >>> network(x).tolist(), round(network.sparse_fraction, 3)
    ([[1.5], [4.5]], 0.667)
    """

    def __init__(self, program: Program, zeros: ZeroShares, *, error: float | None = None, threads: int = 1) -> None:
        self.program, self.zeros, self.error = program, zeros, error
        self.threads = check_count("threads", threads, most=MOST_THREADS)
        packed = pack(program)
        self._runner = ChainRunner(program, packed)
        room = packed.row_floats + packed.list_stride
        self._most_rows = max(16, min(MOST_ROWS, MOST_SPACE // room))
        self._input_size = program.input_size
        self._most_alone = self._most_rows if self.threads == 1 else min(self._most_rows, 2 * self.threads - 1)
        self._per_position = not any(step.kind in OVER_INPUT for step in program.steps)
        self.plans: dict[int, MeasuredPlan] = {}

    @property
    def sparse_fraction(self) -> float:
        """Share of all multiply-adds that zeros make unnecessary, on the example inputs."""
        return self.zeros.skipped

    def __call__(self, x: npt.ArrayLike) -> Floats:
        """Return the outputs of a batch of inputs.

        Parameters
        ----------
        x : array_like
            Inputs, shape (n, ...) with as many numbers per input as the network has inputs, n of any size; or a single
            one, shape (input_size,). Converted to single precision. Networks without a norm over whole inputs also
            take any number of axes before the last, of size input_size.

        Returns
        -------
        float32 array
            Outputs, shape (n, output_size), or (output_size,) for a single input. NaN and infinity go through as in
            PyTorch.

        Raises
        ------
        InvalidArgumentError
            If the shape does not fit, or these are no real numbers.
        """
        if type(x) is np.ndarray and x.dtype == FLOAT and x.ndim == 2 and x.shape[1] == self._input_size:
            known = self.plans.get(_size_class(len(x))) if len(x) <= self._most_alone else None
            if known is not None and x.flags.carray:  # what is below, without detours
                return self._runner.run(x, known.plan)
        rows, shape = self._rows(x)
        if self.threads > 1 and len(rows) >= 2 * self.threads:
            parts = np.array_split(rows, self.threads)
            out = np.concatenate(list(self._pool.map(self._run, parts)))
        else:
            out = self._run(rows)
        return out.reshape(shape)

    def tune(self, x: npt.ArrayLike, batches: Sequence[int] | None = None) -> None:
        """Measure the plans of some batch sizes on inputs; the longest chain takes a second or two per size.

        Parameters
        ----------
        x : array_like
            Inputs as they will come, as for a call.
        batches : sequence of int, optional
            Batch sizes, at most the number of inputs; by default all powers of two up to it.

        Raises
        ------
        InvalidArgumentError
            If an input or a size does not fit.
        """
        rows, _ = self._rows(x)
        sizes = [2**k for k in range(len(rows).bit_length())] if batches is None else batches
        for n_rows in [check_count("batches", size, most=max(1, len(rows))) for size in sizes]:
            size = min(n_rows, self._most_rows, len(rows))
            if size:
                starts = range(0, max(1, min(len(rows) - size + 1, MOST_FRESH * size)), size)
                parts = [rows[start : start + size] for start in starts]
                self.plans[_size_class(size)] = choose_plan(self._runner, parts)

    def save(self, path: str | Path) -> Path:
        """Write the network to one file, which `load_sparse` reads; raises as `write_network`."""
        return write_network(path, self.program, self.zeros, self.error)

    def columns(self) -> Mapping[str, Sequence[Any]]:
        """Columns of the table, one row per product, in the order of execution."""
        products = self.program.products
        layers = [self.program.layers[self.program.steps[number].layer] for number in products]
        return {
            "layer": [layer.name for layer in layers],
            "n_inputs": [layer.weight.shape[1] for layer in layers],
            "n_outputs": [layer.weight.shape[0] for layer in layers],
            "zero_inputs": list(self.zeros.units),
            "zero_weights": [layer.zero_share for layer in layers],
            "precision": [layer.precision for layer in layers],
            **{
                f"batch_{measured.n_rows}": [WAYS[measured.plan.choices[number]] for number in products]
                for _, measured in sorted(self.plans.items())
            },
        }

    def __str__(self) -> str:
        sizes = self.program.sizes
        n_products = len(self.program.products)
        parts = [
            f"sparse network {sizes[0]} -> {sizes[-1]}, {n_products} layer{'s' if n_products > 1 else ''}: "
            f"{100.0 * self.sparse_fraction:.1f} % of the multiply-adds meet a zero"
        ]
        rounded = sorted({layer.precision for layer in self.program.layers} - {"float32"})
        if rounded:
            off = "" if self.error is None else f": outputs differ by up to {format_number(100.0 * self.error, 2)} %"
            parts.append(f"{' and '.join(rounded)} weights{off}")
        for _, measured in sorted(self.plans.items()):
            faster = format_number(measured.dense_seconds / measured.seconds, 3)
            parts.append(
                f"batch {measured.n_rows}: {measured.n_sparse} layer{'s' if measured.n_sparse != 1 else ''} sparse, "
                f"{faster} times as fast as dense"
            )
        return "; ".join(parts)

    def _rows(self, x: npt.ArrayLike) -> tuple[Floats, tuple[int, ...]]:
        """Return inputs as rows in single precision, and the shape of the outputs."""
        size, rule = self.program.input_size, f"be numbers of shape (n, {self.program.input_size})"
        try:
            array = np.asarray(x)
        except ValueError:
            raise invalid("x", rule, x) from None
        if array.dtype != np.float32:
            if array.dtype.kind not in "biuf":
                raise invalid("x", rule, f"dtype {array.dtype}")
            with np.errstate(over="ignore"):  # beyond single precision a number is infinite, as in PyTorch
                array = array.astype(np.float32, order="C")
        elif not array.flags.carray:  # the kernels are compiled once, for arrays that are aligned and can be written to
            array = array.copy(order="C")
        shape, outputs = array.shape, self.program.output_size
        if array.ndim == 2 and shape[1] == size:
            return array, (shape[0], outputs)
        if shape == (size,):
            return array.reshape(1, size), (outputs,)
        if array.ndim > 2 and shape[-1] == size and self._per_position:
            return array.reshape(-1, size), (*shape[:-1], outputs)
        if array.ndim > 1 and math.prod(shape[1:]) == size:
            return array.reshape(len(array), size), (shape[0], outputs)
        raise invalid("x", rule, f"shape {shape}")

    def _run(self, rows: Floats) -> Floats:
        """Run a batch, in parts if it is large."""
        n_rows = len(rows)
        if n_rows == 0:
            return np.empty((0, self.program.output_size), np.float32)
        if n_rows > self._most_rows:
            parts = [rows[begin : begin + self._most_rows] for begin in range(0, n_rows, self._most_rows)]
            return np.concatenate([self._run(part) for part in parts])
        measured = self.plans.get(_size_class(n_rows))
        if measured is None:
            measured = self.plans.setdefault(_size_class(n_rows), choose_plan(self._runner, [rows]))
        return self._runner.run(rows, measured.plan)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, thread_name_prefix="sparse_network")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.program, self.zeros, self.error, self.threads)


def load_sparse(path: str | Path, *, threads: int = 1) -> SparseNetwork:
    """Read a network that `save` wrote; neither PyTorch nor the model is needed.

    Parameters
    ----------
    path : path
        The file.
    threads : int
        Threads that share the rows of a batch.

    Returns
    -------
    SparseNetwork
        The network. The way of every layer is measured again, on this machine, at the first call of a batch size.

    Raises
    ------
    InvalidArgumentError
        If there is no such file, it is torn, damaged or of another kind, or describes no network that can be run.

    Examples
    --------
    >>> import tempfile
    >>> from neurondeath.simulations.inference.programs import LayerWeights, Program, Step
    >>> layer = LayerWeights("last", np.ones((1, 3), np.float32), np.zeros(1, np.float32))
    >>> program = Program(3, (layer,), (Step("product", (0,), 0),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = SparseNetwork(program, ZeroShares((0.0,), 0.0)).save(Path(folder) / "network.sparse")
    ...     load_sparse(file)([1.0, 2.0, 3.0]).tolist()
    [6.0]
    """
    check_count("threads", threads, most=MOST_THREADS)
    program, zeros, error = read_network(path)
    return SparseNetwork(program, zeros, error=error, threads=threads)


def _rebuilt(program: Program, zeros: ZeroShares, error: float | None, threads: int) -> SparseNetwork:
    return SparseNetwork(program, zeros, error=error, threads=threads)


def _size_class(n_rows: int) -> int:
    """Return the power of two from which on batches share a plan: k for sizes above 2^(k-1) and up to 2^k."""
    return (n_rows - 1).bit_length()
