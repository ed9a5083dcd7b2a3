r"""Rules that choose the units to replace during training: pure functions of tensors with one entry per unit.

- Contribution utility [dohare2024]: $u \leftarrow \eta u + (1 - \eta) |h| \sum_k |w_k|$, with h what the unit sends
  and w the weights that read it.
- Replacement [dohare2024]: of the units older than the maturity threshold those with the lowest utility, as many as
  the replacement rate times the number of such units has added up to.
- Self-normalised resets [farias2024]: a unit is silent for too long if, by its own record, at most a share of its
  silences lasted as long.

Sources: Dohare et al. 2024 (Nature 632, 768), equation 1 and algorithm 1; Farias and Jozefiak 2024 (arXiv 2410.20098).
"""

import torch
from torch import Tensor

__all__ = ["contribution_utility", "record_silences", "replaceable_units", "silence_limits"]


def contribution_utility(utility: Tensor, contribution: Tensor, decay: float) -> Tensor:
    """Update the running average of what the units contribute to their readers.

    Examples
    --------
    >>> contribution_utility(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0]), 0.75).tolist()
    [0.75, 0.5]
    """
    return decay * utility + (1.0 - decay) * contribution


def replaceable_units(utility: Tensor, age: Tensor, owed: float, *, rate: float, maturity: int) -> tuple[Tensor, float]:
    """Choose the units to replace at this step.

    Parameters
    ----------
    utility, age : Tensor, shape (n_units,)
        Utility and number of steps since the unit was made.
    owed : float
        What is left of the units to replace from the steps before, in [0, 1).
    rate : float
        Share of the mature units that is replaced per step.
    maturity : int
        Age that a unit must exceed.

    Returns
    -------
    tuple
        Indices, in ascending order of utility (ties in order of the units), and what is owed after them.

    Examples
    --------
    >>> replaceable_units(torch.tensor([3.0, 1.0, 0.0]), torch.tensor([9, 9, 1]), 0.5, rate=0.25, maturity=5)
    (tensor([1]), 0.0)
    """
    mature = (age > maturity).nonzero().flatten()
    total = owed + rate * len(mature)
    count = min(int(total), len(mature))
    order = torch.argsort(utility[mature], stable=True)
    return mature[order[:count]], total - count if count == int(total) else 0.0


def record_silences(records: Tensor, silence: Tensor, fired: Tensor) -> tuple[Tensor, Tensor]:
    """Count the silences that end at this step.

    Parameters
    ----------
    records : int Tensor, shape (n_units, longest + 1)
        How many silences of each length every unit has had; longer ones count as the longest.
    silence : int Tensor, shape (n_units,)
        Steps since each unit fired; negative for a unit that has not fired yet.
    fired : bool Tensor, shape (n_units,)
        Units that fired at this step.

    Returns
    -------
    tuple of Tensor
        The records and the silences after the step. A unit that fires at every step has silences of 0 steps.

    Examples
    --------
    >>> records, silence = record_silences(torch.zeros(2, 4, dtype=torch.int64), torch.tensor([2, 2]),
    ...                                    torch.tensor([True, False]))
    >>> records.tolist(), silence.tolist()
    ([[0, 0, 1, 0], [0, 0, 0, 0]], [0, 3])
    """
    ended = fired & (silence >= 0)
    lengths = silence.clamp(0, records.shape[1] - 1)
    counted = records.scatter_add(1, lengths[:, None], ended[:, None].to(records.dtype))
    waiting = torch.where(silence >= 0, silence + 1, silence)
    return counted, torch.where(fired, torch.zeros_like(silence), waiting)


def silence_limits(records: Tensor, level: float) -> Tensor:
    r"""Compute the silence from which each unit counts as dead.

    Parameters
    ----------
    records : int Tensor, shape (n_units, longest + 1)
        As for `record_silences`.
    level : float
        Level of the test, in (0, 1).

    Returns
    -------
    int Tensor, shape (n_units,)
        The smallest a of at least 1 with $(1 + \#\{\text{silences} \ge a\}) / (1 + \#\{\text{silences}\}) \le$
        level; longest + 1, which no recorded silence has, if there is none. As long as silences are exchangeable, each
        of them reaches its limit with at most this probability: the rank of the new silence among n + 1 is uniform.

    Examples
    --------
    >>> silence_limits(torch.tensor([[18, 0, 1, 0], [18, 0, 1, 0], [2, 0, 0, 0]]), 0.1).tolist()
    [1, 1, 4]
    """
    longest = records.shape[1] - 1
    at_least = records.flip(1).cumsum(1).flip(1)
    long_enough = (1.0 + at_least) <= level * (1.0 + at_least[:, :1])
    long_enough[:, 0] = False
    first = long_enough.to(torch.int64).argmax(1)
    return torch.where(long_enough.any(1), first, torch.full_like(first, longest + 1))
