"""Continual Backprop: replace a few units of low utility all the time [Dohare et al. 2024, Nature 632, 768].

A unit's utility is a running average of what it contributes to its readers. After every step a small share of the
mature units, those of lowest utility, is replaced by new units, which have time to mature. The rules are those of
`replacement_rules`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_count, check_real
from neurondeath_torch.methods.replacement_rules import contribution_utility, replaceable_units
from neurondeath_torch.methods.replacing_method import ReplacingMethod
from neurondeath_torch.methods.unit_traffic import Sent

__all__ = ["ContinualBackprop"]


class ContinualBackprop(ReplacingMethod):
    """Replace the mature units of lowest contribution utility, at a fixed rate.

    Parameters
    ----------
    model : torch.nn.Module
        The model in training; its layers keep their sizes.
    optimiser : torch.optim.Optimizer or None
        Its state for replaced units is set to zero; Adam's steps for them start again.
    data : Tensor or iterable of batches
        Used once, to trace the model; what units do is seen in the training batches.
    rate : float
        Share of the mature units of each layer that is replaced per step, in [0, 1].
    maturity : int
        Steps for which a new unit is safe.
    decay : float
        Decay of the utility's running average per step, in [0, 1).
    layers : iterable of str, optional
        Only these layers; all weight layers that an activation follows if not given.
    initialise : callable, optional
        As for `reset_units`.
    seed : int
        Seed of the new weights.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain, the model cannot be used, or no layer has units that can be replaced.

    Notes
    -----
    The contribution of a unit is the mean over the batch (and positions) of what its readers receive from it, in
    absolute value, times the sum of the absolute weights that read it, after the step. Biases are drawn like weights.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    >>> optimiser = torch.optim.Adam(model.parameters())
    >>> method = ContinualBackprop(model, optimiser, data=torch.randn(20, 4), rate=0.25, maturity=2)
    >>> for _ in range(4):
    ...     optimiser.zero_grad()
    ...     model(torch.randn(20, 4)).square().mean().backward()
    ...     optimiser.step(); method.after_step()
    >>> print(method.report())
    ContinualBackprop after 4 steps, 0 epochs: reset: 2 units, 8 weights
    """

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer | None,
        *,
        data: Any,
        rate: float = 1e-4,
        maturity: int = 100,
        decay: float = 0.99,
        layers: Iterable[str] | None = None,
        initialise: Callable[[nn.Module], Any] | None = None,
        seed: int = 0,
    ) -> None:
        self._rate = check_real("rate", rate, low=0.0, high=1.0)
        self._maturity = check_count("maturity", maturity, least=0)
        self._decay = check_real("decay", decay, low=0.0, high=1.0, high_open=True)
        super().__init__(model, optimiser, data=data, layers=layers, initialise=initialise, seed=seed)

    def utility(self, layer: str) -> Tensor:
        """Return the utilities of a layer's units, shape (n_units,)."""
        return self._state[layer]["utility"].clone()

    def _new_state(self, n_units: int, device: torch.device) -> dict[str, Tensor]:
        return {
            "utility": torch.zeros(n_units, device=device),
            "age": torch.zeros(n_units, dtype=torch.int64, device=device),
            "owed": torch.zeros((), dtype=torch.float64),
        }

    def _choose(self, layer: str, sent: Sent) -> Tensor:
        state = self._state[layer]
        state["age"] += 1
        state["utility"] = contribution_utility(state["utility"], sent.contribution, self._decay)
        chosen, owed = replaceable_units(
            state["utility"], state["age"], float(state["owed"]), rate=self._rate, maturity=self._maturity
        )
        state["owed"].fill_(owed)
        state["utility"][chosen] = 0.0
        state["age"][chosen] = 0
        return chosen
