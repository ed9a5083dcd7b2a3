r"""Turn a trained model into a network that skips the zeros of its activations, and of its weights.

What can be run: linear layers; batch norm (folded into the layer before it, with running statistics), layer norm and
RMS norm; every piecewise-linear activation of PyTorch and of this package, TopK, JumpReLU, squared ReLU; sums of
streams, products of gates, constants; dropout, which does nothing; `CriticalResidual` and models that `residual_`
rewired, with and without normalised layers. Models may be `nn.Sequential` or have a forward pass of their own that
`torch.fx` can trace. The computation is in single precision.

Convolutions are refused: an input of a 3 x 3 convolution of C channels is shared by 9 C outputs, but every position has
other zeros, so that the weights of a needed unit are read again for every position, from the cache that a library of
matrices uses as well; pass the perceptron behind them. Smooth activations have no zeros and are refused too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from neurondeath.simulations.inference.networks import MOST_THREADS, SparseNetwork
from neurondeath.simulations.inference.programs import Program
from neurondeath.simulations.inference.weight_precision import PLACES
from neurondeath.simulations.inference.zeros import zero_shares
from neurondeath_theory.foundation.validation import check_choice, check_count, invalid
from neurondeath_torch.deploying.graph_reading import read_program
from neurondeath_torch.networks.data_passes import device_of, evaluating
from neurondeath_torch.networks.input_data import InputData, joined_inputs
from neurondeath_torch.networks.model_checks import plain_model

__all__ = ["LARGEST_ERROR", "sparse_inference"]

LARGEST_ERROR = 1e-5  # of outputs, relative to the largest
MOST_POINTS = 1024  # of the example that are run
TRACED_POINTS = 2
BATCHES = (1, 8, 64)


def sparse_inference(
    model: nn.Module,
    example: InputData,
    *,
    batches: Sequence[int] | None = None,
    precision: str = "float32",
    threads: int = 1,
) -> SparseNetwork:
    """Convert a trained model into a network that runs with NumPy alone and skips zeros.

    Parameters
    ----------
    model : torch.nn.Module
        The model, which is not changed; see the module's documentation for which models. It is run in evaluation mode.
    example : tensor or iterable of batches
        Inputs as they will come, shape (n, ...): zeros are counted and ways measured on them, and outputs compared.
        The first 1024 are used.
    batches : sequence of int, optional
        Batch sizes for which the ways are measured at once, at most the number of inputs; by default 1, 8 and 64 as far
        as there are inputs. Others are measured at their first call.
    precision : str
        Of the weights: float32; bfloat16, with 1 part in 256 of each weight, or int8, with 1 part in 254 of the largest
        outgoing weight of a unit. They take half and a quarter of the space in memory and files, and less time where
        the weights of a layer do not lie in the processor's nearest caches (from about a million of them on): 0.7 and
        0.5 of it at 4096 x 4096 (`benchmarks/sparse_inference.py`). Sums are in single precision always.
    threads : int
        Threads that share the rows of a batch.

    Returns
    -------
    SparseNetwork
        The network: called with arrays, one input per row, it returns an array. With weights in float32 its outputs
        agree with the model's to 1e-5 of the largest output on the example; in fewer bits they differ by what its
        `error` says, and `str` of it.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, the model does not take the example, a part of it cannot be run so (the
        part and the reason), or outputs differ by more.

    Notes
    -----
    Which layers run sparsely is measured, per layer and batch size, and the whole chain is compared with the dense one;
    `str` of the network reports the result.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> layers = [part for _ in range(9) for part in (nn.ReLU(), nn.Linear(64, 64))]
    >>> model, x = nn.Sequential(nn.Linear(20, 64), *layers, nn.ReLU(), nn.Linear(64, 3)), torch.randn(50, 20)
    >>> network = sparse_inference(model, x)
    >>> bool(np.allclose(network(x.numpy()), model(x).detach().numpy(), atol=1e-5)), round(network.sparse_fraction, 1)
    (True, 0.5)
    """
    model = plain_model(model)
    check_choice("precision", precision, tuple(PLACES))
    check_count("threads", threads, most=MOST_THREADS)
    points = joined_inputs("example", example)
    if not isinstance(points, torch.Tensor):
        received = sorted(points) if isinstance(points, Mapping) else type(points).__name__
        raise invalid("example", "be a tensor of inputs or batches of such", received)
    if points.ndim < 2:
        raise invalid("example", "have shape (n, ...), one input per row", tuple(points.shape))
    points = points[:MOST_POINTS].to(device_of(model))
    sizes = [size for size in BATCHES if size <= len(points)] if batches is None else list(batches)
    for size in sizes:
        check_count("batches", size, most=len(points))
    with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
        wanted = _outputs(model, points)
        program = read_program(model, _as_model(model, points[:TRACED_POINTS]))
    rows = points.detach().cpu().float().numpy()
    network = _converted(program, rows, wanted, threads)
    if not (network.error or 0.0) <= LARGEST_ERROR:
        rule = f"be computed to {LARGEST_ERROR:g} of its largest output in single precision"
        remedy = "convert a model in single precision whose outputs are finite and do not depend on chance"
        raise invalid("model", rule, network.error, remedy)
    if precision != "float32":
        network = _converted(program.with_precision(precision), rows, wanted, threads)
    network.tune(rows, sizes)
    return network


def _converted(program: Program, rows: npt.NDArray[np.float32], wanted: torch.Tensor, threads: int) -> SparseNetwork:
    """Return the network of a program, with the zeros and the error of its outputs on the example."""
    network = SparseNetwork(program, zero_shares(program, rows.reshape(-1, program.input_size)), threads=threads)
    truth = wanted.detach().cpu().double().numpy()
    found = network(rows).reshape(truth.shape).astype(np.float64)
    network.error = float(np.abs(found - truth).max()) / (float(np.abs(truth).max()) or 1.0)
    return network


def _outputs(model: nn.Module, points: torch.Tensor) -> torch.Tensor:
    try:
        output: Any = model(_as_model(model, points))
    except (RuntimeError, TypeError, ValueError, LookupError) as error:
        rule = "be inputs that the model takes"
        raise invalid("example", rule, f"shape {tuple(points.shape)}", reason=str(error)) from None
    if not isinstance(output, torch.Tensor):
        raise invalid("model", "return one tensor", type(output).__name__)
    return output


def _as_model(model: nn.Module, points: torch.Tensor) -> torch.Tensor:
    """Return points in the precision of the model's parameters."""
    parameter = next((one for one in model.parameters() if one.is_floating_point()), None)
    return points if parameter is None else points.to(parameter.dtype)
