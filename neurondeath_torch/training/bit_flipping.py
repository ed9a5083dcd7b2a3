r"""The bit-flipping problem: a regression whose inputs change slowly [Dohare et al. 2024, Nature 632, 768].

An input has 21 bits: 15 slow ones, 5 that are drawn again for every example, and one that is always 1. Between two
tasks one slow bit, chosen at random, flips. The target is the output of a fixed network with one hidden layer of 100
linear threshold units: weights are +1 or -1, and a unit is 1 when its input exceeds
$\theta = 0.7 (m + 1) - S$, with m + 1 = 21 the number of inputs and S the number of its negative weights.

A network of few units cannot represent the target and has to follow it, task after task; the loss is the squared error.
"""

import torch
from torch import Tensor

from neurondeath_torch.training.random_seeds import seed_of

__all__ = ["BITS", "N_TEST", "N_TRAIN", "bit_examples", "slow_bits", "target_of"]

SLOW, FAST = 15, 5
BITS = SLOW + FAST + 1
UNITS = 100  # of the target's hidden layer
THRESHOLD = 0.7
N_TRAIN, N_TEST = 10_000, 1000  # examples per task by default; the paper's tasks have 10,000


def slow_bits(seed: int, task: int) -> Tensor:
    """Return the slow bits of a task, shape (15,): those of the task before with one bit flipped.

    Examples
    --------
    >>> [int((slow_bits(0, task) != slow_bits(0, task + 1)).sum()) for task in range(4)]
    [1, 1, 1, 1]
    """
    generator = torch.Generator().manual_seed(seed_of(seed, 0, "slow bits"))
    bits = torch.randint(2, (SLOW,), generator=generator)
    for flipped in torch.randint(SLOW, (task,), generator=generator).tolist():
        bits[flipped] = 1 - bits[flipped]
    return bits


def target_of(inputs: Tensor, seed: int) -> Tensor:
    """Compute the targets of inputs, shape (n, 21) -> (n,), by the target network of a seed.

    Examples
    --------
    >>> target_of(torch.ones(2, BITS), seed=0).shape
    torch.Size([2])
    """
    generator = torch.Generator().manual_seed(seed_of(seed, 0, "target network"))
    weights = torch.randint(2, (UNITS, BITS), generator=generator) * 2.0 - 1.0
    signs = torch.randint(2, (UNITS,), generator=generator) * 2.0 - 1.0
    thresholds = THRESHOLD * BITS - (weights < 0).sum(dim=1)
    return (inputs @ weights.T > thresholds).float() @ signs


def bit_examples(n: int, *, seed: int, task: int, purpose: str) -> tuple[Tensor, Tensor]:
    """Draw examples of a task.

    Parameters
    ----------
    n : int
        Number of examples.
    seed, task : int
        Determine the slow bits and the target network.
    purpose : str
        Name of the random stream, such as "train".

    Returns
    -------
    inputs : tensor, shape (n, 1, 1, 21)
        Zeros and ones, as images of one row.
    targets : tensor, shape (n,)
        Whole numbers.

    Examples
    --------
    >>> inputs, targets = bit_examples(3, seed=0, task=5, purpose="train")
    >>> inputs.shape, inputs[:, 0, 0, -1].tolist()
    (torch.Size([3, 1, 1, 21]), [1.0, 1.0, 1.0])
    """
    generator = torch.Generator().manual_seed(seed_of(seed, task, f"bits {purpose}"))
    fast = torch.randint(2, (n, FAST), generator=generator)
    inputs = torch.cat([slow_bits(seed, task).expand(n, SLOW), fast, torch.ones(n, 1, dtype=fast.dtype)], dim=1).float()
    return inputs.view(n, 1, 1, BITS), target_of(inputs, seed)
