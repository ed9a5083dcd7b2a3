"""The steps that stand for a module: linear layers, activations, norms, critical residual streams.

Activations of other packages are known by the name of their class: TopK (with `k`), JumpReLU (with a threshold) and
squared ReLUs. What one of that name computes exactly, before or after a ReLU, is found by a trial on random numbers.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from neurondeath.simulations.inference.chain_runs import ChainRunner
from neurondeath.simulations.inference.packing import pack
from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.networks import activations as theory
from neurondeath_torch.deploying.chain_builder import ChainBuilder, row_of
from neurondeath_torch.deploying.stream_steps import critical_residual_steps
from neurondeath_torch.networks.activation_calls import OWN
from neurondeath_torch.networks.activations import to_theory
from neurondeath_torch.networks.critical_residual import CriticalResidual, CriticalResidualConv2d
from neurondeath_torch.networks.data_passes import evaluating
from neurondeath_torch.networks.weight_layers import WEIGHT_LAYERS

__all__ = ["NOTHING_TO_DO", "WHOLE", "RefusalError", "is_whole", "module_steps"]

NOTHING_TO_DO = (nn.Identity, nn.Dropout, nn.AlphaDropout, nn.FeatureAlphaDropout)  # in evaluation mode
WHOLE = (*OWN, CriticalResidual, CriticalResidualConv2d)  # modules of the package that are read as one
SQUARES = ("ReLUSquared", "ReLU2", "ReluSquared", "SquaredReLU")
NAMED = (*SQUARES, "TopK", "JumpReLU")
THRESHOLDS = ("threshold", "thresholds", "theta", "tau", "log_threshold")
TRIAL_ROWS = 32


class RefusalError(Exception):
    """Why a part of a model cannot be run sparsely."""


def is_whole(module: nn.Module) -> bool:
    """Return whether a module that is not one of PyTorch's is read as one, not operation by operation."""
    return isinstance(module, WHOLE) or type(module).__name__ in NAMED


def module_steps(chain: ChainBuilder, source: int, name: str, module: nn.Module, size: int, foldable: bool) -> int:
    """Add the steps of a module that reads a value of a size; return its value.

    Raises
    ------
    RefusalError
        If it cannot be run so.
    """
    if isinstance(module, NOTHING_TO_DO):
        return source
    if isinstance(module, nn.Linear):
        return chain.product(source, name or "layer", module.weight, module.bias)
    if isinstance(module, CriticalResidual):
        return critical_residual_steps(chain, source, name, module, lambda h, phi: _activation(chain, h, phi, size))
    if isinstance(module, nn.BatchNorm1d):
        return _batch_norm(chain, source, module, foldable)
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        return _norm(chain, source, module, size)
    if isinstance(module, (CriticalResidualConv2d, *WEIGHT_LAYERS)):
        raise RefusalError(
            f"a {type(module).__name__}, whose inputs are shared by too few outputs for zeros to pay; pass the part "
            "of the model behind it"
        )
    return _activation(chain, source, module, size)


def _activation(chain: ChainBuilder, source: int, module: nn.Module, size: int) -> int:
    """Add the steps of an activation."""
    if type(module).__name__ in NAMED and not isinstance(module, OWN):
        return _named(chain, source, module, size)
    if isinstance(module, nn.Threshold):
        if module.value != 0.0:
            raise RefusalError(f"a Threshold with the value {module.value:g} below it, not 0")
        return chain.add("jump", source, vector=np.full(size, module.threshold, np.float32))
    if isinstance(module, nn.PReLU) and module.num_parameters > 1:
        positive = chain.activation(source, theory.relu())
        negative = chain.add("sum", source, positive, numbers=(1.0, -1.0))
        slope = row_of(module.weight)
        if len(slope) != size:
            raise RefusalError(f"a PReLU of {len(slope)} slopes on {size} units")
        scaled = chain.affine(negative, slope, np.zeros(size, np.float32), foldable=False)
        return chain.add("sum", positive, scaled, numbers=(1.0, 1.0))
    try:
        return chain.activation(source, to_theory(module))
    except InvalidArgumentError:
        kind = type(module).__name__
        raise RefusalError(f"a {kind}, neither a linear layer nor a norm nor piecewise linear") from None


def _batch_norm(chain: ChainBuilder, source: int, module: nn.BatchNorm1d, foldable: bool) -> int:
    if module.running_mean is None or module.running_var is None:
        raise RefusalError("a BatchNorm1d without running statistics")
    mean, variance = (tensor.detach().double().cpu().numpy() for tensor in (module.running_mean, module.running_var))
    scale = 1.0 / np.sqrt(variance + module.eps)
    if module.affine:
        scale = scale * row_of(module.weight)
    shift = (row_of(module.bias) if module.affine else 0.0) - mean * scale
    return chain.affine(source, scale, shift, foldable=foldable)


def _norm(chain: ChainBuilder, source: int, module: nn.LayerNorm | nn.RMSNorm, size: int) -> int:
    if math.prod(module.normalized_shape) != size:
        raise RefusalError(f"a norm over {tuple(module.normalized_shape)} of {size} entries")
    if isinstance(module, nn.LayerNorm):
        value = chain.add("standardise", source, numbers=(module.eps,))
    else:
        least = torch.finfo(torch.float32).eps if module.eps is None else module.eps
        value = chain.add("root_mean_square", source, numbers=(1.0, least))
    weight: Any = module.weight
    bias: Any = getattr(module, "bias", None)
    if weight is None:
        return value
    shift = np.zeros(size, np.float32) if bias is None else row_of(bias)
    return chain.affine(value, row_of(weight), shift, foldable=False)


def _named(chain: ChainBuilder, source: int, module: nn.Module, size: int) -> int:
    """Add what an activation known by its name computes, by a trial."""
    kind = type(module).__name__
    if kind in SQUARES:
        own: Callable[[ChainBuilder, int], int] = lambda c, h: c.add("square", h)  # noqa: E731
    elif kind == "TopK":
        count = getattr(module, "k", None)
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise RefusalError(f"a TopK whose k is {count!r} for {size} units")
        own = lambda c, h: c.add("largest", h, numbers=(min(count, size),))  # noqa: E731
    else:
        threshold = _threshold(module, size)
        own = lambda c, h: c.add("jump", h, vector=threshold)  # noqa: E731

    def rectified(c: ChainBuilder, h: int) -> int:
        return c.activation(h, theory.relu())

    for parts in ([own], [rectified, own], [own, rectified]):
        if _agrees(parts, module, size):
            for part in parts:
                source = part(chain, source)
            return source
    raise RefusalError(f"a {kind} that computes something else than its name says")


def _threshold(module: nn.Module, size: int) -> Any:
    """Return the thresholds of a JumpReLU, one per unit."""
    for name in THRESHOLDS:
        value = getattr(module, name, None)
        if isinstance(value, (int, float, torch.Tensor)):
            row = row_of(torch.as_tensor(value))
            row = np.exp(row) if name.startswith("log") else row
            if len(row) in (1, size):
                return np.broadcast_to(row, size).astype(np.float32)
    raise RefusalError(f"a JumpReLU without a threshold among {', '.join(THRESHOLDS)}, one or {size} numbers")


def _agrees(parts: Sequence[Callable[[ChainBuilder, int], int]], module: nn.Module, size: int) -> bool:
    """Return whether steps compute what a module does, on random numbers of several sizes."""
    chain, value = ChainBuilder(size), 0
    for part in parts:
        value = part(chain, value)
    program = chain.program(value)
    x = torch.randn(TRIAL_ROWS, size, generator=torch.Generator().manual_seed(0))
    x *= torch.logspace(-2.0, 2.0, TRIAL_ROWS)[:, None]
    parameter = next(iter([*module.parameters(), *module.buffers()]), torch.zeros(()))
    with evaluating(module), torch.no_grad():
        wanted = module(x.to(parameter.device, parameter.dtype if parameter.is_floating_point() else x.dtype))
    runner = ChainRunner(program, pack(program))
    found = runner.run(x.numpy(), runner.plan({}))
    return bool(np.allclose(found, wanted.float().cpu().numpy(), rtol=1e-4, atol=1e-5))
