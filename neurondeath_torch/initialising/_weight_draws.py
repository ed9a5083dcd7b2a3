"""Random weights for a layer, drawn from the caller's generator and never from PyTorch's global state."""

import math

import torch

from neurondeath_theory.foundation.validation import check_count, invalid
from neurondeath_theory.networks.rai import rai_constant

__all__ = ["DISTRIBUTIONS", "check_generator", "draw_rai", "draw_weights"]

DISTRIBUTIONS = ("normal", "uniform", "orthogonal")
LARGEST_SEED = 2**64 - 1


def check_generator(generator: torch.Generator | int | None) -> torch.Generator:
    """Return the given generator, a new one from a seed, or a new one with a seed from the operating system."""
    if isinstance(generator, torch.Generator):
        return generator
    fresh = torch.Generator()
    if generator is None:
        fresh.seed()
        return fresh
    if isinstance(generator, bool) or not isinstance(generator, int):
        raise invalid("generator", "be a torch.Generator, a seed or None", generator)
    return fresh.manual_seed(check_count("generator", generator, least=0, most=LARGEST_SEED))


def draw_weights(
    shape: tuple[int, ...], std: float, distribution: str, groups: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw weights of a given standard deviation, shape (n_units, ...), in double precision.

    Orthogonal weights are drawn per group of units: the rows (or the columns, where there are more units than weights)
    are orthogonal, of equal length and uniformly distributed.
    """
    if distribution == "normal":
        return std * _normal(shape, generator)
    if distribution == "uniform":
        edge = math.sqrt(3.0) * std
        return edge * (2.0 * _uniform(shape, generator) - 1.0)
    rows, columns = shape[0] // groups, math.prod(shape[1:])
    blocks = [_orthonormal(rows, columns, generator) for _ in range(groups)]
    # an entry of an orthonormal matrix has variance 1 / (its longer side)
    return (std * math.sqrt(max(rows, columns)) * torch.cat(blocks)).reshape(shape)


def draw_rai(n_units: int, fan_in: int, bias: bool, generator: torch.Generator) -> torch.Tensor:
    """Draw the rows (w, b) of randomised asymmetric initialisation, shape (n_units, fan_in + bias)."""
    length = fan_in + bias
    rows = rai_constant() / math.sqrt(fan_in) * _normal((n_units, length), generator)
    chosen = torch.randint(length, (n_units, 1), generator=generator, device=generator.device)
    # the square root of a uniform number follows Beta(2, 1)
    return rows.scatter_(1, chosen, _uniform((n_units, 1), generator).sqrt())


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float64)


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)


def _orthonormal(rows: int, columns: int, generator: torch.Generator) -> torch.Tensor:
    tall = _normal((max(rows, columns), min(rows, columns)), generator)
    q, r = torch.linalg.qr(tall)
    q *= torch.where(r.diagonal() < 0.0, -1.0, 1.0)  # without this the law would not be uniform
    turned: torch.Tensor = q if rows >= columns else q.T
    return turned
