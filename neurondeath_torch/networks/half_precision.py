"""Half precision is what layers compute in; sums, norms and thresholds are in single precision, and rounded once."""

import torch

__all__ = ["in_single"]

HALF_PRECISION = (torch.bfloat16, torch.float16)


def in_single(x: torch.Tensor) -> torch.Tensor:
    """Return a tensor in at least single precision: bfloat16 and float16 become float32, others stay as they are.

    Examples
    --------
    >>> in_single(torch.ones(1, dtype=torch.bfloat16)).dtype, in_single(torch.ones(1, dtype=torch.float64)).dtype
    (torch.float32, torch.float64)
    """
    return x.float() if x.dtype in HALF_PRECISION else x
