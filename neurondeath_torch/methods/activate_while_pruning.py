"""Activate-while-Pruning: spend part of the pruning on weights that keep units inactive [liu2022].

After each cycle of training the base pruner removes a share p - q of the weights alive before the cycle. Then, among
the surviving weights that are negative at the end of the cycle, those that moved least since its start are pruned, a
share q of the weights alive before the cycle. The surviving weights return to their initial values, and the next cycle
begins. Negative weights that hardly move keep their units inactive; without them, units become active that would
otherwise stay zero although they still have inputs (the dynamic dead neuron rate).
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_real, invalid
from neurondeath_torch.methods.magnitude_pruning import GlobalPruning, Kept, Values, n_alive
from neurondeath_torch.methods.pruning_rules import least_moved_negative, lowest_weights

__all__ = ["ActivateWhilePruning"]


class ActivateWhilePruning(GlobalPruning):
    """Global pruning that spends part of its share on the negative weights that moved least.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training; its current weights are those it is rewound to.
    optimiser : torch.optim.Optimizer, optional
        As for `GlobalPruning`.
    share : float
        p, the total share in [0, 1) of the weights alive before a cycle that is pruned after it.
    activate_share : float
        q, the part of it spent on negative weights, in [0, p]. If fewer weights are negative, fewer are pruned.
    base : {"magnitude", "gradient"}
        Whether the other pruned weights are those with the smallest |w| or the smallest |w g|; with q = 0 the method is
        `GlobalPruning`.
    every : int, optional
        Epochs per cycle; if not given, call `after_cycle` yourself.
    rounds : int, optional
        Cycles after which `after_epoch` prunes; later epochs train the pruned model to the end.
    rewind : bool
        Whether all parameters and buffers return to their values at the start.
    loss, layers
        As for `GlobalPruning`.

    Raises
    ------
    InvalidArgumentError
        As for `GlobalPruning`, and if q exceeds p.

    Notes
    -----
    Source: liu2022 (arXiv 2212.06145), with its p = 0.2 and q = 0.02. Where the model is rewound, the movement of a
    weight is measured from its initial value, at which each cycle starts.

    Examples
    --------
    >>> layer = nn.Linear(5, 1, bias=False)
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[0.1, -2.0, 3.0, -4.0, -5.0]]))
    >>> pruning = ActivateWhilePruning(nn.Sequential(layer), share=0.4, activate_share=0.2)
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[0.1, -3.0, 9.0, -4.1, -6.0]]))  # training
    >>> pruning.after_cycle()
    >>> layer.weight.tolist()
    [[0.0, -2.0, 3.0, 0.0, -5.0]]
    """

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer | None = None,
        *,
        share: float = 0.2,
        activate_share: float = 0.02,
        base: str = "magnitude",
        loss: Callable[[], Tensor] | None = None,
        every: int | None = None,
        rounds: int | None = None,
        rewind: bool = True,
        layers: Iterable[str] | None = None,
    ) -> None:
        super().__init__(
            model,
            optimiser,
            share=share,
            base=base,
            loss=loss,
            every=every,
            rounds=rounds,
            rewind=rewind,
            layers=layers,
        )
        self._activate = check_real("activate_share", activate_share, low=0.0, high=1.0)
        if self._activate > self._share:
            raise invalid("activate_share", f"be at most the whole share {self._share:g}", activate_share)

    def _choose(self, end: Values, gradients: Values | None, kept: Kept) -> list[tuple[str, Kept]]:
        alive = n_alive(kept)
        activating = round(self._activate * alive)
        base = lowest_weights(self._scores(end, gradients), kept, round(self._share * alive) - activating)
        start = [self._start[f"{layer}.weight" if layer else "weight"] for layer in self._masks.layers]
        begun = [value.to("cpu", torch.promote_types(value.dtype, torch.float32)).numpy() for value in start]
        return [("prune", base), ("activate", least_moved_negative(begun, end, base, activating))]
